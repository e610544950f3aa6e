#!/usr/bin/env bash
# Simulates, trains, evaluates and fits, from nothing to a report, in about ten minutes on two cores.
#
# NMRSIM_PUBLISHED_ECHOES: folder with the five published echoes (mx.txt, my.txt); without it, and
# without ../shared/reference/published-echoes, stand-ins are simulated from their parameters.
# NMRSIM_DEMO_QUICK=1: a run of about a minute that only shows that everything works.
. "$(dirname "${BASH_SOURCE[0]}")/scripts/build.sh"

if [ -n "${NMRSIM_DEMO_QUICK:-}" ]; then
    test_curves=200 train_curves=20000 train_minutes=0.2 echo_curves=64 echo_minutes=0.1
else
    test_curves=2000 train_curves=8000000 train_minutes=2.5 echo_curves=12000 echo_minutes=1.75
fi

build -DNMRSIM_BUILD_TESTS=OFF
bin=build/apps
out=build/demo
mkdir -p "$out/published"

stages=()
stage() {  # stage "what is done" command...
    local what=$1 start=$SECONDS
    shift
    say "$what"
    "$@"
    stages+=(--stage "$what=$((SECONDS - start))")
}

# alpha_x_khz and xi of the five published echoes, rows 1, 2, 5, 7 and 9 of the package's sample output.
published=(0.86477,5 0.16504,11.18033989 0.22143,11.18033989 1.55659,5 0.05878,25)

# The published files have 500 values: 167 before the second pulse, 333 after it, 0.3 us apart. The two
# in the middle stand at the same 49.8 us; ours is the one after the pulse.
published_to_csv() {  # published_to_csv FOLDER ROW
    awk -v row="$2" '
        FNR == row && FILENAME == ARGV[1] { n = split($0, mx) }
        FNR == row && FILENAME == ARGV[2] {
            if (n != 500 || NF != 500) { print "expected 500 values, found " n ", " NF > "/dev/stderr"; exit 1 }
            print "time_us,mx,my"
            for (i = 1; i <= 500; i++) {
                if (i == 167) continue
                printf "%.1f,%s,%s\n", 0.3 * (i < 167 ? i - 1 : i - 2), mx[i], $i
            }
        }' "$1/mx.txt" "$1/my.txt"
}

prepare_published() {
    local i folder=$1
    echo "file,alpha_x_khz,xi" > "$out/published/echoes.csv"
    for i in 1 2 3 4 5; do
        local alpha=${published[i - 1]%,*} xi=${published[i - 1]#*,}
        if [ -n "$folder" ]; then
            published_to_csv "$folder" "$i" > "$out/published/echo_$i.csv"
        else
            "$bin/nmr-simulate" published-echo --set interaction.normalize=false \
                --set "interaction.alpha_x_khz=$alpha" --set "interaction.xi=$xi" \
                --set "lattice.seed=$((1000 + i))" --out "$out/published/echo_$i.csv"
        fi
        echo "echo_$i.csv,$alpha,$xi" >> "$out/published/echoes.csv"
    done
}

folder=${NMRSIM_PUBLISHED_ECHOES:-../shared/reference/published-echoes}
stand_ins=()
if [ -n "${NMRSIM_PUBLISHED_ECHOES:-}" ] && [ ! -f "$folder/mx.txt" ]; then
    echo "NMRSIM_PUBLISHED_ECHOES=$folder: there is no mx.txt in it" >&2
    exit 1
fi
if [ ! -f "$folder/mx.txt" ] || [ ! -f "$folder/my.txt" ]; then
    folder=
    stand_ins=(--stand-ins)
    say "The published echoes are not here: stand-ins are simulated from their parameters"
fi

demo_start=$SECONDS
stage "Simulating $test_curves fresh curves to evaluate on" \
    "$bin/nmr-generate" challenge-2021 --count "$test_curves" --seed 2 --out "$out/test.h5"
# The training set is simulated as the training goes, as many curves as the minutes allow.
stage "Simulating and training on challenge-2021 for $train_minutes minutes" \
    "$bin/nmr-train" challenge-2021 --simulate "$train_curves" --epochs 100 --minutes "$train_minutes" \
    --out "$out/challenge-2021.safetensors"
stage "Evaluating" \
    "$bin/nmr-evaluate" "$out/challenge-2021.safetensors" "$out/test.h5"
# An error of 1e-3 is a tenth of what two draws of offsets differ by.
stage "Simulating $echo_curves curves of published-echo (lattice of 100 x 100 spins)" \
    "$bin/nmr-generate" published-echo --set accuracy.tolerance=1e-3 --count "$echo_curves" --seed 1 \
    --out "$out/echo-train.h5"
stage "Training on published-echo for $echo_minutes minutes" \
    "$bin/nmr-train" published-echo --data "$out/echo-train.h5" --minutes "$echo_minutes" \
    --out "$out/published-echo.safetensors"
stage "Preparing the published echoes" prepare_published "$folder"
stages+=(--stage "All so far=$((SECONDS - demo_start))")
say "Fitting the published echoes and writing the report"
"$bin/nmr-demo-report" --model "$out/challenge-2021.safetensors" --data "$out/test.h5" \
    --published-model "$out/published-echo.safetensors" --published "$out/published" \
    "${stand_ins[@]}" "${stages[@]}" --out "$out/report.html"
say "Done in $((SECONDS - demo_start)) s after the build. The report:"
echo "$PWD/$out/report.html"
