"""For Doxygen: a public header with its comments as groups, lists and paragraphs that Breathe shows.

A header becomes a group of its name. "Args:", "Returns:", "Throws:"
and "Source:" begin paragraphs of their own; arguments a line each are a list; <Ix> is no tag; defaults that are lambdas are left out.
"""

import pathlib
import re
import sys


def grouped(name, text):
    match = re.match(r"((?:///.*\n)+)#pragma once\n", text)
    if not match:
        return text
    group = name.replace("/", "_").removesuffix(".h")
    head = f"/** @defgroup {group} {name} */\n"
    rest = re.sub(r"^namespace [\w:]+ {$", rf"\g<0>\n/** @addtogroup {group}\n * @{{\n */", text[match.end():],
                  count=1, flags=re.M)
    return head + re.sub(r"^}  // namespace", r"/** @} */\n\g<0>", rest, flags=re.M)


def shown(line):
    match = re.match(r"( *///| \*)(?= |$)(.*)", line)
    if not match:
        return line
    begin, text = match.groups()
    text = re.sub(r"<(I[xyz])>", r"\\<\1\\>", text)
    text = re.sub(r"^   ([a-z_0-9]+)((?:, [a-z_0-9]+)*: )", r" - `\1`\2", text)
    text = re.sub(r"(?:^| )(Args|Returns|Throws|Source): +", rf"\n{begin} @par \1\n{begin} ", text)
    text = re.sub(r"^ Args:$", rf"\n{begin} @par Args", text)
    return begin + text


def without_lambdas(text):
    """Sphinx cannot read a default that is a lambda."""
    return re.sub(r"\s*=\s*\[\]\s*(\([^)]*\))?\s*\{(?:[^{}]|\{[^{}]*\})*\};", ";", text)


path = pathlib.Path(sys.argv[1])
lines = grouped(str(path).split("/include/")[-1], without_lambdas(path.read_text()))
print("\n".join(shown(line) for line in lines.splitlines()))
