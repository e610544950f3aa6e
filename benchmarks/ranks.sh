#!/usr/bin/env bash
# How much faster two processes of one thread each make a data set than one:
#   ranks.sh NMR-GENERATE [COUNT] [ROUNDS] [EXPERIMENT [--set KEY=VALUE...]]
# One and two take turns, so that what else the machine does falls on both; the median of the ratios counts.
# Expected on two idle cores: 1.9 or more. Needs COUNT * 14 kB of disk (challenge-2021), in TMPDIR.
set -euo pipefail
program=$1
count=${2:-60000}
rounds=${3:-5}
experiment=("${@:4}")
if [ ${#experiment[@]} = 0 ]; then experiment=(challenge-2021); fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=()
if [ "$(id -u)" = 0 ]; then root=(--allow-run-as-root); fi
seconds() {  # seconds RANKS
    local begin end
    begin=$(date +%s.%N)
    mpirun "${root[@]}" --oversubscribe -n "$1" "$program" "${experiment[@]}" --count "$count" --seed 1 \
        --threads 1 --quiet --out "$folder/set.h5"
    end=$(date +%s.%N)
    rm -rf "$folder"/*
    echo "$end - $begin" | bc -l
}
echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $count curves"
for ((i = 0; i < rounds; ++i)); do
    one=$(seconds 1)
    two=$(seconds 2)
    printf '%.2f s, %.2f s, ratio %.3f\n' "$one" "$two" "$(echo "$one / $two" | bc -l)"
done
