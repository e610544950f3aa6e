#!/usr/bin/env bash
# man_page_test.sh FOLDER PROGRAMS PROGRAM...: the pages are sound roff and name every option of --help.
set -uo pipefail
folder=$1
programs=$2
shift 2
command -v groff >/dev/null || exit 77
failed() { echo "$*" >&2; failures=$((failures + 1)); }
failures=0
for program in "$@"; do
    page=$folder/$program.1
    complaints=$(groff -man -Tutf8 -rLL=78n -ww -z "$page" 2>&1)
    [[ -z $complaints ]] || failed "$page: $complaints"
    text=$(groff -man -Tascii -rLL=78n "$page" | sed $'s/\x1b\\[[0-9;]*m//g; s/.\x08//g')
    options=$("$programs/$program" --help | grep -oE '^  (-h,)?--[a-z-]+' | sed 's/.*--/--/')
    [[ $(wc -w <<< "$options") -ge 4 ]] || failed "$program --help: found no options"
    for option in $options; do
        grep -qE "^ +(-h, )?$option(,| |\$)" <<< "$text" || failed "$page does not have $option"
    done
    for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLE 'SEE ALSO'; do
        grep -q "^$section\$" <<< "$text" || failed "$page has no section $section"
    done
    # The example of --help, and what whatis(1) reads.
    grep -A1 '^EXAMPLE$' <<< "$text" | grep -q "^ *$program " || failed "$page has no example"
    grep -A1 '^NAME$' <<< "$text" | grep -qE "^ *$program +- +[a-z]" || failed "$page says not what it is"
done
((failures == 0)) && echo "pages as expected"
exit $((failures > 0))
