#!/usr/bin/env bash
# faulty_writes_test.sh FAULTY_WRITES.so PROGRAMS: the programs on a disk that takes writes in parts, and on
# one that fills up. Files come out whole, the same bytes, or the old one stays and one line says why.
set -uo pipefail
faulty=$1
programs=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0
fail() { echo "$*" >&2; failures=$((failures + 1)); }
export OMP_NUM_THREADS=1

generate() { "$programs/nmr-generate" challenge-2021 --count 40 --seed 1 --quiet "$@"; }
simulate() { "$programs/nmr-simulate" challenge-2021 --quiet "$@"; }
train() {
    "$programs/nmr-train" challenge-2021 --data train.h5 --epochs 2 --batch 16 --width 8 --hidden 16 \
        --blocks 1 --members 1 --no-aliases --quiet "$@"
}
generate --out train.h5 || fail "cannot make the data set"

# checked NAME PATH "ROOMS" COMMAND...: what COMMAND --out PATH makes, a file or a folder of them; ROOMS: bytes
# that the disk still takes.
checked() {
    local name=$1 path=$2 rooms=$3 room status lines
    shift 3
    FAULTY_WRITES=short LD_PRELOAD=$faulty "$@" --out "$path" || fail "$name: fails where writes are short"
    mv "$path" "short.$name"
    "$@" --out "$path" || { fail "$name: fails on a good disk"; return; }
    cp -r "$path" "whole.$name"
    # A model holds how long it took.
    [ "$name" = model ] || diff -r "whole.$name" "short.$name" > /dev/null ||
        fail "$name: other bytes where writes are short"
    for room in $rooms; do
        FAULTY_WRITES=full:$room LD_PRELOAD=$faulty "$@" --out "$path" 2> message
        status=$?
        lines=$(grep . message | grep -cv ": warning: ")
        diff -r "whole.$name" "$path" > /dev/null || fail "$name: $room bytes of room: the old file is gone"
        if [ $status = 0 ]; then
            [ $room != 0 ] || fail "$name: no room, and no failure"
        elif [ "$lines" != 1 ] || ! grep -q "No space left on device" message; then
            fail "$name: $room bytes of room: expected one line about the space, got: $(cat message)"
        fi
        [ -z "$(find . -name '.*.partial')" ] || fail "$name: $room bytes of room: a partial file is left"
        rm -rf ./*.part
    done
}

checked curve curve.csv "0 1 500 20000" simulate
checked numpy curve.npz "0 1 500 20000" simulate
checked hdf5 set.h5 "0 1 500 20000 100000" generate
checked challenge set "0 500 100000" generate --format challenge
if [ -x "$programs/nmr-train" ]; then
    checked model model.safetensors "0 3000" train
    "$programs/nmr-fit" short.model curve.csv --quiet > /dev/null || fail "model: cannot be read, written in parts"
fi
[ $failures = 0 ] && echo "all well"
exit $((failures > 0))
