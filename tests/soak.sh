#!/usr/bin/env bash
# Runs the programs at random for as long as asked, checks every answer and kills some on the way.
#
#   tests/soak.sh [SECONDS] [SEED]     (an hour; a seed from the clock)
#
# NMRSIM_PROGRAMS: folder of the programs (default: build/apps). NMRSIM_REFERENCE: the program
# reference_curve, the oracle (default: build/tests/reference_curve; without it, tighter tolerances
# stand in). One line a round; the first wrong answer ends it with the seed that repeats the round:
# tests/soak.sh 0 SEED runs one. Takes below 50 MB of disk and, by ulimit, 4 GB of memory a program.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
seconds=${1:-3600}
seed=${2:-$(($(date +%s) % 1000000))}
programs=${NMRSIM_PROGRAMS:-$root/build/apps}
reference=${NMRSIM_REFERENCE:-$root/build/tests/reference_curve}
[ -x "$programs/nmr-simulate" ] || { echo "soak.sh: no programs in $programs" >&2; exit 2; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/nmrsim-soak-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
ulimit -v 4194304 -c 0
started=$SECONDS
declare -A rounds=()

# The round's numbers depend on its seed and on what they are for, so that its seed repeats it.
number() { local h; h=$(printf '%s %s' "$seed" "$1" | sha256sum); echo $((16#${h:0:8})); }
whole() { echo $(($2 + $(number "$1") % ($3 - $2 + 1))); }
real() { awk -v a="$2" -v b="$3" -v r="$(number "$1")" 'BEGIN { printf "%.6g", a + (b - a) * r / 4294967295 }'; }
pick() { local of=$1; shift; local -a all=("$@"); echo "${all[$(number "$of") % ${#all[@]}]}"; }

wrong() {
    echo "FAILED round $round ($kind), seed $seed: $*"
    echo "repeat it with: tests/soak.sh 0 $seed"
    tail -n 3 "$folder"/*.err 2>/dev/null
    exit 1
}

# run NAME EXPECTED_STATUS program arguments...: standard error into NAME.err
run() {
    local name=$1 expected=$2 program=$3
    shift 3
    local limits=()
    command -v timeout >/dev/null && limits=(timeout 600)
    "${limits[@]}" "$programs/$program" "$@" >"$folder/$name.out" 2>"$folder/$name.err"
    local status=$?
    [ $status = "$expected" ] || wrong "$program $* ended with $status, expected $expected"
}

# Largest |M - M'| of two curves, over the largest |M|.
difference() {
    paste -d, "$1" "$2" | awk -F, 'NR > 1 {
        if ($1 != $5) { most = 1e9; next }
        d = sqrt(($2 - $6)^2 + ($3 - $7)^2); m = sqrt($2^2 + $3^2)
        if (!(d >= 0)) d = 1e9
        if (d > most) most = d
        if (m > peak) peak = m
    } END { printf "%.3g", (peak > 0 ? most / peak : most) }'
}
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 <= b + 0) }'; }

draw_settings() {
    settings=(interaction.alpha_x_khz="$(real d1 -80 80)" interaction.alpha_z_khz="$(real d2 -150 150)"
              line.half_width_khz="$(real d3 5 40)" sequence.flip_deg="$(real d4 5 175)"
              sequence.refocus_phase_deg="$(real d5 0 360)" sequence.tau_us="$(real d6 3 12)"
              acquisition.start_us=0 acquisition.stop_us="$(real d7 15 30)"
              acquisition.points="$(whole d8 2 60)")
    base=challenge-2021
    if [ $(($(number base) % 3)) = 0 ]; then
        base=challenge-2024-gaussian
        settings=(interaction.alpha_x_khz="$(real d9 0 1000)" interaction.xi="$(real d10 1 3)"
                  lattice.nx="$(whole d11 2 7)" lattice.ny="$(whole d12 2 7)" lattice.seed="$(whole d13 1 999)"
                  sequence.tau_us="$(real d14 3 12)" acquisition.start_us=0
                  acquisition.stop_us="$(real d15 15 30)" acquisition.points="$(whole d16 2 40)")
    fi
    set_options=()
    for setting in "${settings[@]}"; do set_options+=(--set "$setting"); done
}

round_simulate() {  # against the oracle, and against itself
    draw_settings
    local tolerance=1e-4
    run a 0 nmr-simulate "$base" "${set_options[@]}" --set accuracy.tolerance=$tolerance --quiet
    run b 0 nmr-simulate "$base" "${set_options[@]}" --set accuracy.tolerance=1e-7 --quiet --threads 1
    local d
    d=$(difference "$folder/b.out" "$folder/a.out")
    below "$d" 1.1e-4 || wrong "tolerance $tolerance gave $d: ${set_options[*]}"
    note="$base, $d of 1e-4 against 1e-7"
    if [ -x "$reference" ]; then
        # Of second order: its own error is a third of what halving the step changed, once that is
        # little. 512 nodes: the narrowest line has a fiftieth of its cut, and 256 are 1e-6 off.
        local own=1 step=0.02
        oracle() {
            "$reference" "$base" "$1" 512 "${settings[@]}" >"$folder/$2.out" 2>"$folder/$2.err" ||
                wrong "reference_curve failed: ${settings[*]}"
        }
        oracle $step c
        while ! below "$own" 1e-3; do
            step=$(awk -v s="$step" 'BEGIN { print s / 2 }')
            below 1e-4 "$step" || wrong "the oracle does not converge: ${settings[*]}"
            oracle "$step" d
            own=$(difference "$folder/d.out" "$folder/c.out")
            cp "$folder/d.out" "$folder/c.out"
        done
        d=$(difference "$folder/d.out" "$folder/b.out")
        below "$d" "$(awk -v o="$own" 'BEGIN { print o + 2e-7 + 2e-8 }')" ||
            wrong "off the oracle by $d, whose own error is about $own: ${set_options[*]}"
        note="$note, $d off the oracle (own $own)"
    fi
}

# A data set in the challenge's text, whole, by shards and by threads.
round_shards() {
    local experiment count shards s
    experiment=$(pick d17 challenge-2021 challenge-2020)
    count=$(whole d18 4 30)
    shards=$(whole d19 2 4)
    s=$(whole d20 1 100000)
    local fast=(--set acquisition.points=40 --set accuracy.tolerance=1e-2 --quiet --seed "$s")
    [ "$experiment" = challenge-2021 ] || fast+=(--set lattice.nx=12 --set lattice.ny=12)
    run a 0 nmr-generate "$experiment" "${fast[@]}" --count "$count" --threads 1 --out "$folder/whole" --format challenge
    local file i
    for file in echos_r.txt echos_i.txt mat_info.txt; do : >"$folder/joined.$file"; done
    for ((i = 1; i <= shards; ++i)); do
        run b 0 nmr-generate "$experiment" "${fast[@]}" --count "$count" --shard "$i/$shards" \
            --threads "$(whole d21 1 3)" --out "$folder/part$i" --format challenge
        for file in echos_r.txt echos_i.txt mat_info.txt; do
            [ ! -f "$folder/part$i/$file" ] || cat "$folder/part$i/$file" >>"$folder/joined.$file"
        done
    done
    for file in echos_r.txt echos_i.txt mat_info.txt; do
        cmp -s "$folder/whole/$file" "$folder/joined.$file" ||
            wrong "$experiment, $count curves of seed $s: $shards shards differ from the whole in $file"
    done
    note="$experiment, $count curves, $shards shards are the whole"
}

# What nmr-generate makes in no time.
short_set=(challenge-2021 --set acquisition.points=40 --set accuracy.tolerance=1e-3 --quiet)

# Killed at some moment, resumed, and the same bytes as if nothing had happened.
round_kill() {
    local count s options after
    count=$(whole d22 400 9000)
    s=$(whole d23 1 100000)
    options=("${short_set[@]}" --count "$count" --seed "$s" --threads 2)
    run a 0 nmr-generate "${options[@]}" --out "$folder/whole.h5"
    local signal
    signal=$(pick d24 KILL TERM INT)
    after=$(real d25 0 0.6)
    "$programs/nmr-generate" "${options[@]}" --save-every 0 --out "$folder/killed.h5" >"$folder/b.out" 2>"$folder/b.err" &
    local child=$!
    sleep "$after"
    kill -s "$signal" $child 2>/dev/null
    wait $child 2>/dev/null
    local status=$?
    if [ $status != 0 ]; then
        note="resumed, "
        run c 0 nmr-generate "${options[@]}" --out "$folder/killed.h5" --resume
    fi
    cmp -s "$folder/whole.h5" "$folder/killed.h5" ||
        wrong "$count curves of seed $s differ after SIG$signal at $after s"
    note="$count curves, SIG$signal after $after s: ${note}the same file"
}

# By two processes: each shard is what --shard makes of it, and the manifest is the set.
round_ranks() {
    local count s rank options
    count=$(whole d40 2 2000)
    s=$(whole d41 1 100000)
    options=("${short_set[@]}" --count "$count" --seed "$s")
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 600 \
        mpirun --oversubscribe -n 2 "$programs/nmr-generate" "${options[@]}" --threads 1 \
        --out "$folder/ranks.h5" >"$folder/a.out" 2>"$folder/a.err" ||
        wrong "mpirun: $count curves of seed $s"
    for rank in 1 2; do
        run b 0 nmr-generate "${options[@]}" --shard $rank/2 --out "$folder/shard.h5"
        cmp -s "$folder/shard.h5" "$folder/ranks.$rank-of-2.h5" ||
            wrong "$count curves of seed $s: the shard of rank $rank differs from --shard $rank/2"
        grep -q "$(sha256sum <"$folder/shard.h5" | cut -d' ' -f1)" "$folder/ranks.json" ||
            wrong "$count curves of seed $s: the manifest has another SHA-256 of shard $rank"
    done
    [ ! -d "$folder/ranks.part" ] || wrong "$count curves of seed $s: parts were left"
    note="$count curves of two processes: the shards of --shard"
}

# A fit of a curve of its own: where it says ok, its estimates are near.
round_fit() {
    local ax az flip noise
    ax=$(real d26 20 140); az=$(real d27 20 280); flip=$(real d28 20 80)
    noise=$(pick d29 0.0003 0.001 0.003)
    run a 0 nmr-simulate challenge-2021 --set interaction.alpha_x_khz="$ax" \
        --set interaction.alpha_z_khz="$az" --set sequence.flip_deg="$flip" \
        --set acquisition.noise="$noise" --noise-seed "$(whole d30 1 9999)" --quiet --out "$folder/echo.csv"
    run b 0 nmr-fit challenge-2021 "$folder/echo.csv" --noise "$noise" --refine --quiet
    note=$(awk -F, -v truth="$ax,$az,$flip" 'NR == 1 { for (i = 1; i <= NF; ++i) at[$i] = i }
        NR == 2 {
            split(truth, t, ","); split("alpha_x_khz,alpha_z_khz,flip_deg", n, ",")
            for (k = 1; k <= 3; ++k) {
                sd = $at[n[k] "_sd"]; z = ($at[n[k]] - t[k]) / sd
                if (!(z * z >= 0)) z = 1e9
                if (z * z > most * most) most = z < 0 ? -z : z
            }
            verdict = $at["verdict"]
            printf "%s, at most %.3g sd off", verdict, most
            # Three estimates of a Gaussian are 6 sd off once in 10^8 rounds.
            exit verdict == "ok" && most > 6
        }' "$folder/b.out") ||
        wrong "alpha_x $ax, alpha_z $az, flip $flip at noise $noise: $note"
    [ -n "$note" ] || wrong "nmr-fit printed no estimate"
    note="noise $noise: $note"
}

round_evaluate() {
    local s
    s=$(whole d31 1 100000)
    run a 0 nmr-generate challenge-2021 --count 200 --seed "$s" --quiet --out "$folder/test.h5"
    run b 0 nmr-evaluate challenge-2021 "$folder/test.h5" --quiet
    # The shipped model has an r2 of 0.99 and more of alpha_x and of the flip angle.
    note=$(awk '/r2/ { for (i = 1; i <= NF; ++i) if ($i == "r2") column = i }
        /alpha_x_khz|flip_deg/ { print $1, $column; if (!($column > 0.9)) bad = 1 }
        END { exit bad || !column }' \
        "$folder/b.out" | paste -sd' ' -) || wrong "seed $s: $note"
    [ -n "$note" ] || wrong "nmr-evaluate printed no table"
    note="r2 $note"
}

# A damaged file is refused in one line, or read as another one.
round_damage() {
    local s bytes at
    s=$(whole d32 1 100000)
    run a 0 nmr-generate challenge-2021 --count 3 --seed "$s" --quiet --out "$folder/set.h5" \
        --set acquisition.points=30 --set accuracy.tolerance=1e-2
    bytes=$(wc -c <"$folder/set.h5")
    at=$(whole d33 0 $((bytes - 1)))
    local how program
    how=$(pick d34 cut flip)
    if [ "$how" = cut ]; then
        head -c "$at" "$folder/set.h5" >"$folder/bad.h5"
    else
        cp "$folder/set.h5" "$folder/bad.h5"
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x "$(whole d35 0 255)")" |
            dd of="$folder/bad.h5" bs=1 seek="$at" conv=notrunc status=none
    fi
    program=nmr-evaluate
    [ -x "$programs/$program" ] || { note="no $program"; return; }
    timeout 60 "$programs/$program" challenge-2021 "$folder/bad.h5" --quiet >"$folder/b.out" 2>"$folder/b.err"
    local status=$?
    case $status in
        0) ;;
        2) [ "$(wc -l <"$folder/b.err")" -le 1 ] || wrong "more than one line of error" ;;
        *) cp "$folder/bad.h5" "${TMPDIR:-/tmp}/nmrsim-soak-bad.h5"
           wrong "$how at byte $at of seed $s: $program ended with $status" ;;
    esac
    note="$how at byte $at: status $status"
}

# Trained for a moment, with and without a kill.
round_train() {
    local s options after
    s=$(whole d36 1 100000)
    options=(challenge-2021 --set acquisition.points=100 --set accuracy.tolerance=1e-2 --simulate 2000
             --epochs 2 --width 8 --hidden 8 --blocks 1 --members 1 --embedding dense --batch 128
             --seed "$s" --device cpu --threads 1 --quiet)
    run a 0 nmr-train "${options[@]}" --out "$folder/whole.safetensors"
    after=$(real d37 0.5 8)
    "$programs/nmr-train" "${options[@]}" --out "$folder/killed.safetensors" >"$folder/b.out" 2>"$folder/b.err" &
    local child=$! signal
    signal=$(pick d38 KILL TERM)
    sleep "$after"
    kill -s "$signal" $child 2>/dev/null
    wait $child 2>/dev/null
    local status=$?
    # What a signal leaves is the best model so far and, but for the first seconds, a checkpoint.
    [ $status = 0 ] || run c 0 nmr-train "${options[@]}" --out "$folder/killed.safetensors" --resume
    run d 0 nmr-generate challenge-2021 --set acquisition.points=100 --set accuracy.tolerance=1e-2 \
        --count 20 --seed 5 --quiet --out "$folder/test.h5"
    run e 0 nmr-fit "$folder/whole.safetensors" "$folder/test.h5" --quiet --noise 0 --threads 1 --out "$folder/e.csv"
    run f 0 nmr-fit "$folder/killed.safetensors" "$folder/test.h5" --quiet --noise 0 --threads 1 --out "$folder/f.csv"
    cmp -s "$folder/e.csv" "$folder/f.csv" || wrong "seed $s: estimates differ after SIG$signal at $after s"
    note="SIG$signal after $after s: the same estimates"
}

kinds=(simulate simulate simulate shards shards kill)
if command -v mpirun >/dev/null && [[ $(ldd "$programs/nmr-generate") == *libmpi* ]]; then kinds+=(ranks); fi
[ ! -x "$programs/nmr-fit" ] || kinds+=(fit fit evaluate damage damage train)
for ((round = 1; ; ++round)); do
    rm -rf "${folder:?}"/*
    kind=$(pick d39 "${kinds[@]}")
    note=""
    before=$SECONDS
    "round_$kind"
    used=$(du -sm "$folder" | cut -f1)
    [ "$used" -le 50 ] || wrong "$used MB of disk"
    echo "round $round seed $seed $kind $((SECONDS - before)) s: $note"
    rounds[$kind]=$((${rounds[$kind]:-0} + 1))
    [ $((SECONDS - started)) -lt "$seconds" ] || break
    seed=$(((seed * 69069 + 12345) % 1000000))
done
for kind in "${!rounds[@]}"; do printf '%s %s, ' "$kind" "${rounds[$kind]}"; done
echo "all right in $((SECONDS - started)) s"
