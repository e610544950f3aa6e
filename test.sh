#!/usr/bin/env bash
# Builds everything and runs the tests: ./test.sh [options of ctest]
. "$(dirname "${BASH_SOURCE[0]}")/scripts/build.sh"

# The system's Python, whatever comes first in PATH: that is the one the packages above are for.
python=()
if [ -x /usr/bin/python3 ]; then python=(-DPython_EXECUTABLE=/usr/bin/python3); fi
build -DNMRSIM_BUILD_TESTS=ON -DNMRSIM_BUILD_PYTHON=ON "${python[@]}"
say "Testing"
export OMP_WAIT_POLICY=passive  # for tests run side by side, see tests/CMakeLists.txt
ctest --test-dir build --output-on-failure -LE slow -j "$(nproc)" "$@"
say "Testing what others build of the sources"
ctest --test-dir build --output-on-failure -L builds
