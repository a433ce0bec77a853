#!/usr/bin/env bash
# test.sh [release|asan|tsan|all]: checks the format, then builds and runs every test; `all`, which is what it
# does without an argument, in release, under ASan+UBSan and under TSan. Ends with "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

passed=0 failed=0

# count NAME PASSED FAILED: adds to the totals and says so.
count() {
  echo "$1: $2 passed, $3 failed"
  passed=$((passed + $2)) failed=$((failed + $3))
}

check_format() {
  local files
  mapfile -t files < <(find include src tools tests bench -name '*.hpp' -o -name '*.cpp' | sort)
  if clang-format --dry-run -Werror "${files[@]}"; then count format 1 0; else count format 0 1; fi
}

# run_tests NAME MESON_OPTION...: builds in build-test/NAME, runs all of meson's tests there and counts them.
run_tests() {
  local name=$1 dir=build-test/$1 totals
  shift
  echo "$name: building in $dir/"
  mkdir -p build-test
  if ! build_in "$dir" -Dtests=true "$@"; then
    count "$name (build)" 0 1
    return
  fi
  meson test -C "$dir" --no-rebuild --print-errorlogs >"$dir/test.txt" 2>&1 || grep -v '^ *$' "$dir/test.txt" || true
  totals=$(python3 tools/count_tests.py "$dir/meson-logs/testlog.json")
  # shellcheck disable=SC2086  # two numbers
  count "$name" $totals
}

release() { run_tests release -Dbuildtype=release -Dbench=true; }
# Vector kernels are instrumented nowhere, and the ops around them are alike for each: one set is enough.
asan() {
  ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    run_tests asan "${sanitized[@]}" -Doptimization=0 -Disas="$(one_isa)" -Db_sanitize=address,undefined
}
# Kernels are those that TSan sees into, and so slow that they are optimized; the tool does nothing on threads of
# its own.
tsan() {
  TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp halt_on_error=1" run_tests tsan "${sanitized[@]}" \
    -Doptimization=1 -Disas=reference -Dtools=false -Db_sanitize=thread
}
sanitized=(-Ddebug=false -Dcpp_args=-g1 -Dbench=false)

install_packages "${build_packages[@]}" "${test_packages[@]}"
check_format
case "${1:-all}" in
  release | asan | tsan) "$1" ;;
  all)
    release
    asan
    tsan
    ;;
  *)
    echo "usage: $0 [release|asan|tsan|all]" >&2
    exit 2
    ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
