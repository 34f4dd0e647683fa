#!/bin/sh
# run.sh [SECONDS]: builds every fuzzer with clang under ASan+UBSan and runs each for SECONDS (default 60).
# Without oneDNN: its package needs an OpenMP that clang may not have.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
build=build/fuzz
cc=$(command -v clang || command -v clang-14)
cxx=$(command -v clang++ || command -v clang++-14)
cmake -B "$build" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
      -DGANTRY_FUZZ=ON -DCMAKE_DISABLE_FIND_PACKAGE_dnnl=ON -DGANTRY_SANITIZE=fuzzer-no-link,address,undefined >/dev/null
for target in $(sed -n 's/^gantry_fuzzer(\([a-z_]*\) .*/\1/p' tests/fuzz/CMakeLists.txt); do
    cmake --build "$build" --target "$target"
    mkdir -p "$build/corpus/$target" "tests/fuzz/corpus/$target"
    "$build/tests/fuzz/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
        -artifact_prefix="$build/$target-" "$build/corpus/$target" "tests/fuzz/corpus/$target"
done
