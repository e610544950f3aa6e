# Sourced by demo.sh, test.sh and package.sh: installs what is missing, configures and builds into build/.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*" >&2; }

more_packages=()  # that a script needs beside those of scripts/packages

missing_packages() {
    local package
    { grep -v '^#' scripts/packages
      [ "${#more_packages[@]}" = 0 ] || printf '%s\n' "${more_packages[@]}"; } |
    while read -r package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            echo "$package"
    done
}

install_missing() {
    if ! command -v dpkg-query >/dev/null; then
        say "This machine does not use Debian packages; going on with what is installed"
        return
    fi
    local missing
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    local as_root=()
    if [ "$(id -u)" != 0 ]; then as_root=(sudo -n); fi
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        echo "These packages are missing and cannot be installed from here. As root:" >&2
        echo "  apt-get install -y --no-install-recommends $missing" >&2
        exit 1
    fi
    say "Installing $missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if ! { "${as_root[@]}" apt-get update -qq &&
           "${as_root[@]}" apt-get install -y -qq --no-install-recommends $missing; } >&2; then
        echo "apt-get failed. To go on, install: $missing" >&2
        exit 1
    fi
}

build() {  # build [cmake options]
    install_missing
    say "Building into build/"
    # What is built once and whole is compiled a room at a time.
    cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DNMRSIM_TOGETHER=100 "$@" >&2
    cmake --build build >&2
}
