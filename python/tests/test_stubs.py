"""The stubs say what the package holds: every public name, and every argument with its default."""

import ast
import importlib
import inspect
import pathlib
import re

import pytest

import nmrsim

PACKAGE = pathlib.Path(nmrsim.__file__).parent


def module_and_stub(name):
    module = pytest.importorskip(name) if name != "nmrsim" else importlib.import_module(name)
    file = "__init__.pyi" if name == "nmrsim" else name.split(".")[1] + ".pyi"
    return module, ast.parse((PACKAGE / file).read_text())


def is_public(name):
    return not name.startswith("_")


def stub_names(body):
    names = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):  # what is handed on: X as X
            names.update(alias.name for alias in node.names if alias.asname == alias.name)
    return {name for name in names if is_public(name)}


def signature_of(function):
    """(names, defaults as text) from the first line that pybind11 writes, self left out."""
    if inspect.isfunction(function):
        spec = list(inspect.signature(function).parameters.values())
        names = [p.name for p in spec]
        named = [p.name for p in spec if p.kind is p.KEYWORD_ONLY]
        if named:
            names.insert(names.index(named[0]), "*")
        return names, [repr(p.default) for p in spec if p.default is not p.empty]
    line = function.__doc__.strip().split("\n")[0]
    # Types are in the stub; here only names, their order and the defaults count.
    inner = line[line.index("(") + 1 : line.rindex(")" if "->" not in line else ") ->")]
    depth, current, parts = 0, "", []
    for c in inner:
        depth += (c in "[({") - (c in "])}")
        if c == "," and depth == 0:
            parts, current = parts + [current], ""
        else:
            current += c
    parts = [p.strip() for p in parts + [current] if p.strip()]
    parts = [p for p in parts if not p.startswith("self")]
    names = [re.split("[:=]", p)[0].strip() for p in parts]
    return names, [p.rsplit("=", 1)[1].strip() for p in parts if re.search(r"[^=]=[^=]", p)]


def stub_signature(node):
    args = node.args
    names = [a.arg for a in args.posonlyargs + args.args if a.arg != "self"]
    names += (["*"] if args.kwonlyargs else []) + [a.arg for a in args.kwonlyargs]
    defaults = [d for d in args.defaults + args.kw_defaults if d is not None]
    return names, [ast.unparse(d) for d in defaults]


def assert_same_signature(where, node, function):
    names, defaults = signature_of(function)
    wanted, wanted_defaults = stub_signature(node)
    assert names == wanted, where
    assert len(defaults) == len(wanted_defaults), where
    for found, in_stub in zip(defaults, wanted_defaults):
        assert in_stub in ("...", found, found.replace("'", '"'), found.replace('"', "'")), where


@pytest.mark.parametrize("name", ["nmrsim", "nmrsim.inverse"])
def test_stub_and_module_have_the_same_names(name):
    module, stub = module_and_stub(name)
    assert set(module.__all__) == {n for n in stub_names(stub.body)}
    for node in stub.body:
        if isinstance(node, ast.ClassDef) and node.name != "InputError":
            here = {n for n in vars(getattr(module, node.name)) if is_public(n)}
            assert here == stub_names(node.body), node.name


@pytest.mark.parametrize("name", ["nmrsim", "nmrsim.inverse"])
def test_stub_and_module_have_the_same_arguments(name):
    module, stub = module_and_stub(name)
    checked = 0
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            assert_same_signature(node.name, node, getattr(module, node.name))
            checked += 1
        elif isinstance(node, ast.ClassDef):
            cls = getattr(module, node.name)
            for method in node.body:
                if not isinstance(method, ast.FunctionDef) or method.name == "__eq__":
                    continue
                found = inspect.getattr_static(cls, method.name)
                if method.decorator_list and ast.unparse(method.decorator_list[0]) == "property":
                    assert isinstance(found, property), f"{node.name}.{method.name}"
                    continue
                assert_same_signature(
                    f"{node.name}.{method.name}", method, getattr(cls, method.name)
                )
                checked += 1
    assert checked > 5


@pytest.mark.parametrize("name", ["nmrsim", "nmrsim.inverse"])
def test_everything_public_has_a_docstring(name):
    module, _ = module_and_stub(name)
    for public in module.__all__:
        thing = getattr(module, public)
        assert thing.__doc__, public
        if isinstance(thing, type):
            for method, found in vars(thing).items():
                if is_public(method):
                    assert found.__doc__, f"{public}.{method}"
