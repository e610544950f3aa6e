#!/usr/bin/env bash
# Runs clang-tidy and cppcheck over libnmrsim and the programs that need no LibTorch; non-zero where
# one of them has something to say. Exceptions, with their reasons: .clang-tidy and
# scripts/cppcheck-suppressions.
#
#   scripts/analysis.sh [tidy|cppcheck] [FILE...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
which=both
case "${1:-}" in tidy | cppcheck) which=$1; shift ;; esac

build=${NMRSIM_ANALYSIS_BUILD:-build-analysis}
[ -f "$build/compile_commands.json" ] ||
    cmake -S . -B "$build" -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DNMRSIM_BUILD_INVERSE=OFF -DNMRSIM_UNITY=OFF \
        -DNMRSIM_BUILD_BENCHMARKS=OFF >&2
files=("$@")
if [ ${#files[@]} = 0 ]; then
    # Kernels are compiled three times; apps that include Torch are not in this build.
    mapfile -t files < <(python3 - "$build/compile_commands.json" <<'PYTHON'
import json, os, sys
root = os.getcwd()
seen = {os.path.relpath(c["file"], root) for c in json.load(open(sys.argv[1]))}
print("\n".join(sorted(f for f in seen if f.startswith(("libnmrsim/", "apps/", "libinverse/")))))
PYTHON
)
fi
status=0
if [ "$which" != cppcheck ]; then
    echo "clang-tidy: ${#files[@]} files" >&2
    # GCC's warnings and instruction sets are not clang's.
    printf '%s\n' "${files[@]}" | xargs -P "${NMRSIM_ANALYSIS_JOBS:-$(nproc)}" -n 1 \
        clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option || status=1
fi
if [ "$which" != tidy ]; then
    echo "cppcheck: ${#files[@]} files" >&2
    cppcheck --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
        --suppressions-list=scripts/cppcheck-suppressions --error-exitcode=1 --quiet \
        -j "${NMRSIM_ANALYSIS_JOBS:-$(nproc)}" -I libnmrsim/include -I libnmrsim/src \
        -I libinverse/include -I apps -DNMRSIM_ISA=baseline -DNMRSIM_ISA_baseline=1 \
        "${files[@]}" || status=1
fi
exit $status
