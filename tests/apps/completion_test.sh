#!/usr/bin/env bash
# completion_test.sh FOLDER PROGRAM...: what the programs' completions offer, asked as bash would.
set -uo pipefail
folder=$1
shift
failures=0

# offers "WORDS" WANTED...: with the cursor behind the last of WORDS ("_" stands for an empty one), each
# of WANTED is offered; "!NAME" is not; "none": nothing is. Bash splits words at "=" before it asks.
offers() {
    local words=$1 wanted reply
    shift
    read -r -a COMP_WORDS <<< "${words//=/ = }"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [[ ${COMP_WORDS[COMP_CWORD]} == _ ]] && COMP_WORDS[COMP_CWORD]=
    "_${COMP_WORDS[0]//-/_}"
    reply=" ${COMPREPLY[*]} "
    for wanted in "$@"; do
        case $wanted in
            none) [[ ${#COMPREPLY[@]} == 0 ]] ;;
            !*) [[ $reply != *" ${wanted#!} "* ]] ;;
            *) [[ $reply == *" $wanted "* ]] ;;
        esac || { echo "\"$words\" should offer $wanted, offered:$reply" >&2; failures=$((failures + 1)); }
    done
}

for program in "$@"; do
    # shellcheck disable=SC1090
    source "$folder/$program.bash" || exit 1
    [[ $(complete -p "$program") == "complete -F _${program//-/_} $program" ]] || failures=$((failures + 1))
    offers "$program --" --help --threads --quiet --version
    offers "$program --thr" --threads !--quiet
    offers "$program --threads _" none
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" && mkdir data && touch echo.toml

offers "nmr-simulate _" challenge-2021 published-echo echo.toml
offers "nmr-simulate ch" challenge-2021 !published-echo !echo.toml
offers "nmr-simulate challenge-2021 _" none
offers "nmr-simulate challenge-2021 --set interaction.al" interaction.alpha_x_khz= interaction.alpha_z_khz= !lattice.nx=
offers "nmr-simulate challenge-2021 --set interaction.alpha_x_khz=" none
offers "nmr-simulate challenge-2021 --set interaction.alpha_x_khz=6" none
offers "nmr-simulate --set interaction.alpha_x_khz=6 _" challenge-2021
offers "nmr-simulate --set interaction.alpha_x_khz=6 challenge-2021 _" none
offers "nmr-simulate challenge-2021 --sweep sequence.fl" sequence.flip_deg= !sequence.events=
offers "nmr-simulate challenge-2021 --out _" echo.toml data
offers "nmr-simulate challenge-2021 --out=ec" echo.toml !data
offers "nmr-simulate challenge-2021 --quiet --li" --list
offers "nmr-generate challenge-2021 --format _" hdf5 challenge !echo.toml
offers "nmr-generate challenge-2021 --format=h" hdf5 !challenge
if [[ " $* " == *" nmr-fit "* ]]; then
    offers "nmr-fit ch" challenge-2021
    offers "nmr-fit challenge-2021 _" echo.toml data !challenge-2021
    offers "nmr-fit challenge-2021 echo.toml _" echo.toml
    offers "nmr-fit challenge-2021 echo.toml --plot _" data !echo.toml
    offers "nmr-train challenge-2021 --device _" cpu cuda auto
fi
((failures == 0)) && echo "completions as expected"
exit $((failures > 0))
