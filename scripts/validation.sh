#!/usr/bin/env bash
# Regenerates the figures of docs/developer/validation-tables.md: scripts/validation.sh [--draws N]
#
# With --draws also the table of benchmarks/accuracy_benchmark, N draws of each shipped experiment.
# Exits non-zero if a figure is out of its tolerance; the document then says which.
. "$(dirname "${BASH_SOURCE[0]}")/build.sh"

draws=0
case "${1-}" in
"") ;;
--draws)
    draws=${2-}
    if ! [[ $draws =~ ^[1-9][0-9]*$ ]]; then
        echo "scripts/validation.sh: --draws needs a number >= 1, got \"$draws\"" >&2
        exit 2
    fi
    ;;
*)
    echo "usage: scripts/validation.sh [--draws N]" >&2
    exit 2
    ;;
esac

document=docs/developer/validation-tables.md

replace_part() {  # replace_part NAME FILE: puts FILE between the markers NAME of the document
    local begin="<!-- $1: begin -->" end="<!-- $1: end -->"
    if [ "$(grep -cxF -e "$begin" -e "$end" "$document")" != 2 ]; then
        echo "scripts/validation.sh: $document has no \"$begin\" and \"$end\"" >&2
        exit 2
    fi
    awk -v begin="$begin" -v end="$end" -v file="$2" '
        $0 == end { inside = 0 }
        !inside { print }
        $0 == begin { inside = 1; while ((getline line < file) > 0) print line; print "" }
    ' "$document" >"$document.new"
    mv "$document.new" "$document"
}

options=(-DNMRSIM_BUILD_TESTS=ON) targets=(validation)
if [ "$draws" != 0 ]; then
    options+=(-DNMRSIM_BUILD_BENCHMARKS=ON) targets+=(accuracy_benchmark)
fi
install_missing
say "Building into build/"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}" >&2
cmake --build build --target "${targets[@]}" >&2

part=$(mktemp)
trap 'rm -f "$part"' EXIT

say "Figures"
status=0
build/tests/validation/validation >"$part" || status=$?
# 1 says that a figure is out of its tolerance, more that the tables are not whole.
[ "$status" -le 1 ] || exit "$status"
replace_part figures "$part"

if [ "$draws" != 0 ]; then
    say "$draws draws of each shipped experiment"
    {
        printf '\n```text\n'
        build/benchmarks/accuracy_benchmark --draws "$draws" --no-timing
        printf '```\n'
    } >"$part"
    replace_part draws "$part"
fi
exit "$status"
