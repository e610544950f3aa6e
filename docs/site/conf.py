"""The site: the repository's Markdown, the C++ API by Doxygen, the Python API by its docstrings.

docs/build.sh lays out the sources and calls Sphinx.
"""

import ast
import importlib
import os
import pathlib
import re

ROOT = pathlib.Path(os.environ["NMRSIM_SOURCE"])

project = "nmrsim"
author = copyright = "The nmrsim developers"
release = version = re.search(
    r"project\(nmrsim VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()
)[1]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "breathe"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_title = f"nmrsim {release}"
highlight_language = "none"

breathe_projects = {"nmrsim": os.environ["NMRSIM_DOXYGEN"] + "/xml"}
breathe_default_project = "nmrsim"
breathe_domain_by_extension = {"h": "cpp"}
breathe_show_include = False
cpp_id_attributes = []

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}


def signatures(module):
    """What the stub of `module` says of the arguments and results of each function, by its full name."""
    package = ROOT / "python" / "nmrsim"
    stub = package / (module.split(".")[1] + ".pyi" if "." in module else "__init__.pyi")
    found = {}

    def add(prefix, node):
        arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("self")
        found[prefix + node.name] = (f"({arguments})", ast.unparse(node.returns))

    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            add(f"{module}.", node)
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    add(f"{module}.{node.name}.", member)
            found[f"{module}.{node.name}"] = found.get(f"{module}.{node.name}.__init__", ("", None))
    return found


SIGNATURES = signatures("nmrsim") | signatures("nmrsim.inverse")


def stub_signature(app, what, name, thing, options, signature, result):
    return SIGNATURES.get(name.replace("nmrsim._core", "nmrsim"), (signature, result))


def restructured(lines):
    """Docstrings as the package writes them, as reStructuredText."""
    section = blank = False
    code = False
    for line in lines:
        text = re.sub(r"([*|`\\])", r"\\\1", line)
        named = re.match(r"(Args|Returns|Raises|Source): *(.*)", text)
        if named and named[2]:
            section, code = True, False
            yield from ("", f"**{named[1]}:** {named[2]}")
        elif section and line.startswith(" "):
            yield text.strip()
        elif blank and line.startswith("    ") and not code:
            code = True
            yield from (".. code-block:: python", "", line)
        else:
            section = False
            code = code and (not line or line.startswith(" "))
            yield line if code else text
        blank = not line


def plain_docstring(app, what, name, thing, options, lines):
    """Leaves out the line that pybind11 writes, whose types are those of C++."""
    short = name.rsplit(".", 1)[-1]
    if lines and re.match(rf"{short}\(.*\) -> ", lines[0]):
        del lines[: 2 if len(lines) > 1 and not lines[1].strip() else 1]
    lines[:] = restructured(lines)


def setup(app):
    app.connect("autodoc-process-signature", stub_signature)
    app.connect("autodoc-process-docstring", plain_docstring, priority=100)
