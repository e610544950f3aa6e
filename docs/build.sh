#!/usr/bin/env bash
# Makes the site of these documents, the C++ and Python interfaces included, and prints the path of its
# first page: docs/build.sh [folder of the Python package: build/python] [folder of the site: build/docs]
#
# Installs nothing: what is missing is named, and the exit status 77. Any warning is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-/usr/bin/python3}
package=$(realpath -m "${1:-build/python}")
out=$(realpath -m "${2:-build/docs}")

missing=()
command -v doxygen >/dev/null || missing+=(doxygen)
for module in sphinx:python3-sphinx myst_parser:python3-myst-parser breathe:python3-breathe furo:furo; do
    "$python" -c "import ${module%:*}" 2>/dev/null || missing+=("${module#*:}")
done
if [ ${#missing[@]} != 0 ]; then
    echo "docs/build.sh: packages are missing: ${missing[*]}" >&2
    exit 77
fi
if ! PYTHONPATH=$package "$python" -c "import nmrsim.inverse" 2>/dev/null; then
    echo "docs/build.sh: no Python package in $package with nmrsim.inverse in it; ./test.sh builds one, or:" >&2
    echo "  cmake -B build -DNMRSIM_BUILD_PYTHON=ON -DPython_EXECUTABLE=$python && cmake --build build --target _core _fit _inverse" >&2
    exit 77
fi

export NMRSIM_SOURCE=$PWD NMRSIM_DOXYGEN=$out/doxygen PYTHONPATH=$package NMRSIM_PYTHON=$python
rm -rf "$out/source" "$out/html"
mkdir -p "$out/doxygen" "$out/source/cpp"
doxygen docs/site/Doxyfile

# The Markdown as it lies in the repository, so that its links hold, and a page for each public header.
for page in *.md docs/*.md docs/developer/*.md examples/*.md libinverse/models/*.md; do
    install -D -m 644 "$page" "$out/source/$page"
done
mv "$out/source/README.md" "$out/source/index.md"
cp -r docs/pictures "$out/source/docs"
cp CITATION.cff "$out/source"
cat docs/site/contents.md >> "$out/source/index.md"
cat docs/site/cards.md >> "$out/source/docs/models.md"
cp docs/site/cpp.md "$out/source/cpp/index.md"
for header in nmrsim_c nmrsim_fit; do
    printf '# %s.h\n\n```{doxygenfile} %s.h\n```\n' $header $header > "$out/source/cpp/$header.md"
done
cp docs/site/python.md "$out/source/python.md"
for header in libnmrsim/include/nmrsim/*.h libinverse/include/nmrinverse/*.h; do
    name=${header#*/include/}
    mkdir -p "$out/source/cpp/$(dirname "$name")"
    about=$(sed -n '/^#pragma once/q; s,^/// \?,,; s,<,\\<,g; p' "$header")
    printf '# %s\n\n%s\n\n```{doxygengroup} %s\n:content-only:\n:members:\n:undoc-members:\n```\n' "$name" "$about" \
        "$(tr / _ <<< "${name%.h}")" > "$out/source/cpp/${name%.h}.md"
done

"$python" -m sphinx -q -W --keep-going -c docs/site -b html "$out/source" "$out/html"
echo "$out/html/index.html"
