#!/usr/bin/env bash
# Writes the tables of docs/command-line.md and docs/parameters.md anew from the programs' own tables:
# scripts/reference.sh [--check] FOLDER_OF_PROGRAMS
# With --check nothing is written: exit status 1 where a page is not as the programs would have it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check=
if [ "${1:-}" = --check ]; then check=1; shift; fi
programs=${1:?folder of the programs, build/apps}
stale=0

# Puts what a command prints between the page's lines "<!-- NAME -->" and "<!-- end -->".
renew() {  # renew PAGE NAME command...
    local page=$1 name=$2 table new
    shift 2
    table=$(mktemp) new=$(mktemp)
    "$@" > "$table"
    grep -qx "<!-- $name -->" "$page" || { echo "$page has no table $name" >&2; exit 1; }
    awk -v begin="<!-- $name -->" -v table="$table" '
        inside && $0 == "<!-- end -->" { inside = 0 }
        !inside { print }
        $0 == begin { inside = 1; while ((getline line < table) > 0) print line }' "$page" > "$new"
    if ! cmp -s "$new" "$page"; then
        if [ -n "$check" ]; then
            diff -u "$page" "$new" >&2 || true
            stale=1
        else
            cat "$new" > "$page"
        fi
    fi
    rm "$table" "$new"
}

renew docs/parameters.md "table of parameters" "$programs/nmr-simulate" --parameter-table
for program in nmr-simulate nmr-generate nmr-train nmr-fit nmr-evaluate nmr-throughput; do
    if [ -x "$programs/$program" ]; then
        renew docs/command-line.md "options of $program" "$programs/$program" --option-table
    fi
done
if [ "$stale" = 1 ]; then
    echo "the pages are not as the programs have it: scripts/reference.sh $programs renews them" >&2
fi
exit "$stale"
