"""The commands of README.md run and print what the page says: its words, and its numbers to 1% or one in the last digit."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[+-]?\d+)?(?![\w])")


def examples_of(text):
    """(command, output) of each console block."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, output = re.fullmatch(r"([^\n]*\n(?:      [^\n]*\n)*)(.*)", example, re.S).groups()
            yield command, output


def same(found, expected):
    if NUMBER.sub("#", found) != NUMBER.sub("#", expected):
        return False
    return all(
        abs(float(a) - float(b)) <= max(0.01 * abs(float(b)), 1.01 * last_digit(b))
        for a, b in zip(NUMBER.findall(found), NUMBER.findall(expected))
    )


def last_digit(number):
    """What one in the last digit is: an estimate of 2e-05 may be 3e-05 on another processor."""
    mantissa, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def main():
    root, programs = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}")
    examples = list(examples_of((root / "README.md").read_text()))
    failed = len(examples) < 2
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(root / "examples", pathlib.Path(folder) / "examples")
        for command, expected in examples:
            run = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, env=environment,
                                 text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if run.returncode != 0 or not same(run.stdout, expected):
                print(f"{command}\nended with {run.returncode} and said\n{run.stdout}in place of\n{expected}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
