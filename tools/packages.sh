# shellcheck shell=bash disable=SC2034
# The Debian packages that Pleat needs: sourced by the scripts beside it.
build_packages=(g++ meson ninja-build pkg-config libtbb-dev libxsimd-dev zlib1g-dev nlohmann-json3-dev libcli11-dev
  libprotobuf-dev protobuf-compiler libonnx-dev)
test_packages=(libonnx-testdata doctest-dev libbenchmark-dev libdnnl-dev clang-format binutils)
fuzz_packages=(clang libclang-rt-dev libonnx-testdata)
data_packages=(dataset-fashion-mnist)

# install_packages NAME...: installs those that are missing, with sudo where we are not root.
install_packages() {
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing: ${missing[*]}"
  local as_root=() log
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "${missing[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "could not install the packages above" >&2
    return 1
  fi
  rm -f "$log"
}

# one_isa: the fastest instruction set that this machine has and there are kernels for.
one_isa() {
  [ "$(uname -m)" = x86_64 ] || { echo all && return; }
  local flags
  flags=" $(sed -n '/^flags/{s/^[^:]*://p;q}' /proc/cpuinfo) "
  case $flags in
    *" avx512dq "*) echo avx512 ;;
    *" avx2 "*) echo avx2 ;;
    *) echo sse4 ;;
  esac
}

# build_in DIR MESON_OPTION...: configures once, then builds; prints only what went wrong.
build_in() {
  local dir=$1 log
  shift
  log=$(mktemp)
  if ! { if [ -f "$dir/build.ninja" ]; then meson configure "$dir" "$@"; else meson setup "$dir" "$@"; fi &&
    ninja -C "$dir"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "the build in $dir failed" >&2
    return 1
  fi
  rm -f "$log"
}
