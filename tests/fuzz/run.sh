#!/bin/sh
# run.sh [SECONDS [TARGET...]]: builds fuzzers (default: all) with clang under ASan+UBSan and runs each for SECONDS (60).
# Without oneDNN: its package needs an OpenMP that clang may not have.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
build=build/fuzz
cc=$(command -v clang || command -v clang-14)
cxx=$(command -v clang++ || command -v clang++-14)
cmake -B "$build" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
      -DGANTRY_FUZZ=ON -DCMAKE_DISABLE_FIND_PACKAGE_dnnl=ON -DGANTRY_SANITIZE=fuzzer-no-link,address,undefined >/dev/null
if [ $# -eq 0 ]; then
    set -- $(cmake --build "$build" --target help | sed -n 's/^\(fuzz_[a-z_]*\): .*/\1/p' | grep -vx fuzz_dialect)
fi
for target; do
    cmake --build "$build" --target "$target"
    mkdir -p "$build/corpus/$target" "tests/fuzz/corpus/$target"
    dictionary=
    case $target in fuzz_dialect_*)
        python3 tests/fuzz/dialect_seeds.py "${target#fuzz_dialect_}" "$build/corpus/$target"
        # The names of fields, and their choices, as the sources have them.
        grep -ohE '"[a-z_]{2,30}"' api/dialects/*/*.cpp | sort -u >"$build/dialects.dict"
        dictionary=-dict=$build/dialects.dict
        ;;
    esac
    "$build/tests/fuzz/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
        $dictionary -artifact_prefix="$build/$target-" "$build/corpus/$target" "tests/fuzz/corpus/$target"
done
