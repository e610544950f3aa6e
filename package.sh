#!/usr/bin/env bash
# Makes a Debian package of libraries, programs, models, manuals and examples, and prints its path.
#
# Options go to the configuration: ./package.sh -DNMRSIM_BUILD_INVERSE=OFF leaves out what needs LibTorch.
. "$(dirname "${BASH_SOURCE[0]}")/scripts/build.sh"

more_packages=(dpkg-dev file)
install_missing
say "Building into build-package/"
cmake --preset package "$@" >&2
cmake --build --preset package >&2
ls -t "$PWD"/build-package/nmrsim_*.deb | head -n 1
