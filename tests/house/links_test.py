"""Every link between the documents leads to a file and to a heading of it; and what the documents for
developers name, files and functions, is in the sources."""

import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")


def documents(root):
    for folder, pattern in [
        ("", "*.md"),
        ("docs", "**/*.md"),
        ("examples", "*.md"),
        ("libinverse/models", "*.md"),
    ]:
        for path in sorted((root / folder).glob(pattern)):
            if (root / "docs" / "site") not in path.parents:
                yield path


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path):
    """Of the headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def problems_of(root):
    for page in documents(root):
        for link in LINK.findall(without_code(page.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            if not target.is_file():
                yield f"{page.relative_to(root)}: {link}: no such file"
            elif anchor and anchor not in anchors(target):
                yield f"{page.relative_to(root)}: {link}: no such heading"


def unknown_names(root):
    """Of files and functions, in backticks, that no source has."""
    folders = ["libnmrsim", "libinverse", "apps", "python", "tests", "docs", "scripts", "benchmarks"]
    sources = [p for folder in folders for p in (root / folder).rglob("*") if p.is_file()]
    files = {p.name for p in sources} | {p.name for p in root.iterdir()}
    code = "\n".join(p.read_text() for p in sources if p.suffix in (".h", ".cpp") or p.name == "inverse.pyi")
    words = set(re.findall(r"\w+", code))
    for page in ["docs/architecture.md", "CONTRIBUTING.md"]:
        for name in re.findall(r"`([^`\n]+)`", (root / page).read_text()):
            if "NAME" in name:
                continue
            file = re.fullmatch(r"[\w./]*?(\w+\.(?:cpp|h|py|sh|toml|md))", name)
            function = re.fullmatch(r"[\w:.]*?(\w+)\(\)", name)
            if (file and file[1] not in files) or (function and function[1] not in words):
                yield f"{page}: {name}: not in the sources"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    problems = [*problems_of(root), *unknown_names(root)]
    for problem in problems:
        print(problem)
    found = sum(1 for _ in documents(root))
    return 1 if problems or found < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
