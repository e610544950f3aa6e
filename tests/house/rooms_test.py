"""No file of a room includes one of a higher room, every room says in one sentence what it is, and
the header of everything includes everything."""

import pathlib
import re
import sys

# From the ground up.
ROOMS = {
    "libnmrsim": ["base", "text", "model", "uniform", "lattice", "general", "reference", "run",
                  "files", "symmetry", "c"],
    "libinverse": ["fit", "measured", "report", "score", "verdict", "evaluation", "c", "network", "curve",
                   "model", "training"],
}
PUBLIC = {"libnmrsim": "nmrsim", "libinverse": "nmrinverse"}
# Declared by a public header, done in a file of another name.
ELSEWHERE = {"nmrsim.h": "c", "nmrinverse.h": "training"}


def problems_of(root, library, rooms):
    source = root / library / "src"
    room_of = {}  # of the stem of a file
    for path in sorted(source.rglob("*.*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        room = path.parent.name
        if path.parent.parent != source or room not in rooms:
            yield f"{path.relative_to(root)}: in no room"
            continue
        room_of[path.stem] = room
    for room in rooms:
        readme = source / room / "README.md"
        if not readme.is_file() or len(readme.read_text().strip().splitlines()) != 1:
            yield f"{readme.relative_to(root)}: not one sentence"
    public = root / library / "include" / PUBLIC[library]
    files = [path for path in sorted(source.rglob("*.*")) if path.suffix in (".h", ".cpp")]
    files += sorted(public.glob("*.h"))
    everything = (public / f"{PUBLIC[library]}.h").read_text()
    for path in public.glob("*.h"):
        if path.name != f"{PUBLIC[library]}.h" and f"/{path.name}\"" not in everything:
            yield f"{path.relative_to(root)}: not in {PUBLIC[library]}.h"
    for path in files:
        own = room_of.get(path.stem) if path.parent == public else path.parent.name
        if own is None:
            own = ELSEWHERE.get(path.name, rooms[0])
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'#include "(?:(\w+)/)?([\w.]+)\.h"', line)
            if not match:
                continue
            folder, stem = match.groups()
            if folder == PUBLIC[library]:
                other = room_of.get(stem, ELSEWHERE.get(stem + ".h", rooms[0]))
            elif folder in rooms:
                other = folder
            else:
                continue
            if rooms.index(other) > rooms.index(own):
                yield f"{path.relative_to(root)}:{number}: {own} includes {stem}.h of {other}"


def main():
    root = pathlib.Path(sys.argv[1])
    problems = [p for library, rooms in ROOMS.items() for p in problems_of(root, library, rooms)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
