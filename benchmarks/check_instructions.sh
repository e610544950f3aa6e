#!/usr/bin/env bash
# Counts the instructions of small fixed workloads under callgrind and compares them with the kept
# figures: a guard against slow-downs that does not depend on how busy the machine is.
#
#   benchmarks/check_instructions.sh [BUILD]            compares; fails beyond +3%
#   benchmarks/check_instructions.sh --refresh [BUILD]  writes the figures anew
#
# BUILD (build/ by default) is configured with -DNMRSIM_BUILD_BENCHMARKS=ON, Release. Counts are those
# of AVX2, since valgrind knows no AVX-512, and of one compiler and C library: refresh them on yours
# before a change, then compare after it.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
figures=$here/instructions.txt
limit=1.03

refresh=no
if [ "${1:-}" = --refresh ]; then
    refresh=yes
    shift
fi
program=${1:-$here/../build}/benchmarks/counted_workloads
if [ ! -x "$program" ]; then
    echo "$program: not there; configure with -DNMRSIM_BUILD_BENCHMARKS=ON and build" >&2
    exit 2
fi
command -v valgrind >/dev/null || { echo "valgrind: not installed" >&2; exit 2; }

count() {  # count WORKLOAD: instructions inside counted_work()
    local report
    report=$(NMRSIM_INSTRUCTION_SET=avx2 OMP_NUM_THREADS=1 valgrind --tool=callgrind \
        --toggle-collect=counted_work --callgrind-out-file=/dev/null "$program" "$1" 2>&1) ||
        { printf '%s\n' "$report" >&2; return 1; }
    printf '%s\n' "$report" | awk '/Collected/ { print $NF }'
}

if [ $refresh = yes ]; then
    {
        echo "# Instructions of benchmarks/counted_workloads, AVX2; see check_instructions.sh."
        echo "# $(c++ --version | head -n 1)"
    } >"$figures.new"
    for name in uniform-plain uniform-derivatives lattice-modes lattice-fft lattice-grid; do
        echo "$name $(count $name)" | tee -a "$figures.new"
    done
    mv "$figures.new" "$figures"
    exit 0
fi

status=0
while read -r name kept; do
    now=$(count "$name")
    awk -v name="$name" -v now="$now" -v kept="$kept" -v limit=$limit 'BEGIN {
        ratio = now / kept
        verdict = ratio > limit ? "SLOWER" : ratio < 2 - limit ? "faster: refresh" : "ok"
        printf "%-20s %12d instructions, %.3f of %d  %s\n", name, now, ratio, kept, verdict
        exit ratio > limit
    }' || status=1
done < <(grep -v '^#' "$figures")
exit $status
