#!/usr/bin/env bash
# pip install . in an environment of its own, then the tests, nmrglue and the pictures included:
#   install.sh PYTHON SOURCE WORK [BUILD]
# With BUILD, on the libraries that were built there, installed; otherwise they are compiled anew.
# Ends with 77, which ctest calls skipped, where there is no PyPI to get pip's packages from.
set -euo pipefail
python=$1 source=$2 work=$3 build=${4:-}

rm -rf "$work"
mkdir -p "$work"
"$python" -m venv "$work/venv"
pip() { "$work/venv/bin/python" -m pip --disable-pip-version-check "$@"; }

if ! pip install -q --retries 2 --timeout 20 matplotlib nmrglue pybind11 pytest scikit-build-core \
    > "$work/pip.log" 2>&1; then
    echo "SKIPPED: pip install . was not tested, for PyPI gives no packages here. pip said:"
    grep '^ERROR' "$work/pip.log" | tail -n 3
    exit 77
fi

settings=()
if [ -n "$build" ]; then
    cmake --install "$build" --prefix "$work/prefix" > "$work/install.log"
    settings=(--config-settings=cmake.define.NMRSIM_USE_INSTALLED=ON
              "--config-settings=cmake.define.nmrsim_ROOT=$work/prefix")
fi
start=$SECONDS
pip install -q "${settings[@]}" "$source"
echo "pip install .: $((SECONDS - start)) s"

# From another folder, so that it is the installed package that is imported.
cd "$work"
PYTHONDONTWRITEBYTECODE=1 venv/bin/python -m pytest -p no:cacheprovider -rs "$source/python/tests"
rm -rf "$work"
