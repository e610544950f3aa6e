#!/usr/bin/env bash
# Builds everything and runs the tests: ./test.sh [options of ctest]
. "$(dirname "${BASH_SOURCE[0]}")/scripts/build.sh"

build -DNMRSIM_BUILD_TESTS=ON
say "Testing"
ctest --test-dir build --output-on-failure -LE slow -j "$(nproc)" "$@"
