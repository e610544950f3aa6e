"""The tutorial runs and draws its pictures, which are small enough to ship."""

import pathlib
import runpy
import sys

import pytest

pytest.importorskip("matplotlib")

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
PICTURES = pathlib.Path(__file__).parents[2] / "docs" / "pictures"


def test_tutorial(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tutorial.py", str(tmp_path)])
    try:
        runpy.run_path(str(EXAMPLES / "tutorial.py"), run_name="__main__")
        names = ["echoes", "map", "bound", "fit"]
    except SystemExit as stopped:  # built without LibTorch: all but the fit
        assert stopped.code is None
        names = ["echoes", "map", "bound"]
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(names)
    for name in names:
        assert "</svg>" in (tmp_path / f"{name}.svg").read_text()
        # What ships is drawn by this script: the same titles and labels.
        assert (PICTURES / f"{name}.svg").exists()
    shipped = list(PICTURES.glob("*.svg"))
    assert sum(path.stat().st_size for path in shipped) < 250_000
