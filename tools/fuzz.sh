#!/usr/bin/env bash
# fuzz.sh [TARGET] [SECONDS]: gives the readers of files damaged and invented ones, under ASan+UBSan and with
# little memory. TARGET is onnx, safetensors, npy, csv, idx, or all of them, as without an argument; SECONDS
# (60) are for each. Starts from tests/fuzz/corpus and ONNX's own test models; what it finds is kept in
# build-fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

target=${1:-all} seconds=${2:-60}
targets=(onnx safetensors npy csv idx)
[ "$target" = all ] || targets=("$target")

install_packages "${build_packages[@]}" "${fuzz_packages[@]}"
CXX=clang++ build_in build-fuzz -Dfuzz=true -Disas=reference -Dtests=false -Dtools=false -Dbench=false \
  -Doptimization=1 -Ddebug=false -Dcpp_args=-g1 -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false

mkdir -p build-fuzz/corpus/onnx
for model in /usr/share/libonnx-testdata/data/*/*/model.onnx; do
  name=$(basename "$(dirname "$model")")
  [ "$(stat -c %s "$model")" -gt 16384 ] || cp -u "$model" "build-fuzz/corpus/onnx/$name"
done

failed=0
for name in "${targets[@]}"; do
  mkdir -p "build-fuzz/corpus/$name" "build-fuzz/faults"
  log=build-fuzz/$name.log
  result=passed
  # An input that takes 10 s or 256 MB is a fault.
  ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    "build-fuzz/tests/fuzz/${name}_fuzz" "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name" -max_total_time="$seconds" \
    -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=16384 -artifact_prefix="build-fuzz/faults/$name-" \
    -print_final_stats=1 -verbosity=1 >"$log" 2>&1 || result=failed
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "$name: ${executions:-0} executions, $result"
  [ $result = passed ] || { failed=1 && tail -40 "$log"; }
done
exit $failed
