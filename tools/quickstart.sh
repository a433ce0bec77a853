#!/usr/bin/env bash
# Builds Pleat, trains a network with batch normalization on digits and on Fashion-MNIST, folds it, checks that
# the folded network predicts the same, and times both.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

fashion=/usr/share/datasets/fashion-mnist
pleat=build/tools/pleat

install_packages "${build_packages[@]}" "${data_packages[@]}"
isa=$(one_isa) # kernels that will not run would take longer to build than these
echo "building in build/, with kernels for $isa"
build_in build -Dbuildtype=release -Dtests=false -Dbench=false -Disas="$isa"

# field NAME JSON: the value of that name in a JSON object.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,}\"]*\).*/\1/p" <<<"$2"; }
# fastest_us ARGUMENT...: the time of the fastest run.
fastest_us() { field min_us "$("$pleat" bench "$@" --batch 64 --seconds 0.5 --json 2>/dev/null)"; }

table=""
# learn NAME DATA EPOCHS: trains, folds, verifies and times; adds a line to the table.
learn() {
  local name=$1 data=$2 out=runs/quickstart-$1 trained folded slow="" fast=""
  echo "training on $name"
  "$pleat" train cnn --data "$data" --epochs "$3" --batch 64 --lr 0.05 --schedule one_cycle --seed 1 --out "$out" --json \
    >"$out.json" 2>"$out.log" || { cat "$out.log" >&2; return 1; }
  trained=$(tail -n 1 "$out.json")
  folded=$("$pleat" fold cnn --weights "$out/best.safetensors" --data "$data" --json 2>/dev/null)
  if [ "$(field predictions_agree "$folded")" != true ]; then
    echo "the folded network predicts otherwise than the unfolded one: $folded" >&2
    return 1
  fi
  for _ in 1 2 3; do # in turn, so that other work on the machine disturbs both alike
    slow+=" $(fastest_us cnn --weights "$out/best.safetensors" --unfolded)"
    fast+=" $(fastest_us cnn --weights "$out/best.safetensors")"
  done
  table+=$(awk -v name="$name" -v accuracy="$(field best_accuracy "$trained")" \
    -v seconds="$(field seconds "$trained")" -v error="$(field max_abs_error "$folded")" \
    -v slow="$slow" -v fast="$fast" \
    'function least(list,  values, n, i, best) {
       n = split(list, values, " "); best = values[1]
       for (i = 2; i <= n; ++i) if (values[i] + 0 < best + 0) best = values[i]
       return best
     }
     BEGIN { printf "%-14s %7.2f %% %8.1f s %11.1e %9.0f us %9.0f us %8.2fx", name, accuracy * 100, seconds, error,
             least(slow), least(fast), least(slow) / least(fast) }')$'\n'
}

mkdir -p runs
learn digits digits 10
learn fashion-mnist "idx:$fashion" 1
printf '\n%-14s %9s %10s %11s %12s %12s %9s\n%s' "cnn on" accuracy training "fold error" "unfolded/64" "folded/64" \
  "speed-up" "$table"
echo "all predictions of the folded networks agree with the unfolded ones'"
