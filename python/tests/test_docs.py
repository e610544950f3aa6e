"""Every Python snippet of README.md and docs/python.md runs, in the order of the page."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import nmrsim

ROOT = pathlib.Path(__file__).parents[2]


def blocks_of(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)


BLOCKS = blocks_of("docs/python.md")


def has_inverse():
    return importlib.util.find_spec("nmrsim._inverse") is not None


def needs(block):
    """ "torch", "inverse" or ""."""
    return (
        "torch"
        if "import torch" in block or ", torch" in block
        else ("inverse" if "nmrsim.inverse" in block else "")
    )


def test_readme_runs(monkeypatch):
    if not has_inverse():
        pytest.skip("built without LibTorch")
    monkeypatch.chdir(ROOT)
    space = {}
    for block in blocks_of("README.md"):
        exec(compile(block, "README.md", "exec"), space)
    # What examples/README.md says the echo was made with.
    assert np.all(np.abs(space["fit"].estimate - [60.0, 150.0, 40.0]) < 5 * space["fit"].sd)
    assert space["curves"].shape == (100, 2, 856)


def test_snippets_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    space = {}
    ran = 0
    for block in BLOCKS:
        if needs(block) == "torch" or (needs(block) == "inverse" and not has_inverse()):
            continue
        exec(compile(block, "docs/python.md", "exec"), space)
        ran += 1
    assert ran >= 5
    assert space["curves"].shape == (100, 2, 856)
    assert len(space["data"]) == 1000
    if has_inverse():
        assert space["best"].converged


def python_with_torch():
    """This Python or the system's, whichever has PyTorch; it need not have nmrsim."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python):
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            found = subprocess.run(
                [python, "-c", "import torch"], capture_output=True, env=environment
            )
            if found.returncode == 0:
                return python
    return None


def first_look_of(path, out):
    """The earlier model that a model with a first look holds, as a file of its own."""
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8:start])
    prefix = "first_look."
    about = {k[len(prefix):]: v for k, v in head.pop("__metadata__").items() if k.startswith(prefix)}
    tensors, data = {"__metadata__": about}, b""
    for name, entry in head.items():
        if name.startswith(prefix):
            begin, end = entry["data_offsets"]
            entry["data_offsets"] = [len(data), len(data) + end - begin]
            data += raw[start + begin : start + end]
            tensors[name[len(prefix):]] = entry
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    out.write_bytes(len(header).to_bytes(8, "little") + header + data)


def test_plain_pytorch_gives_the_models_estimates(tmp_path):
    if not has_inverse():
        pytest.skip("built without LibTorch: no estimates to compare with")
    python = python_with_torch()
    if python is None:
        pytest.skip("no PyTorch")
    import nmrsim.inverse

    # One dense network, several, and one with gates. (No model that ships has convolutions.)
    names = ["challenge-2021", "challenge-2020", "challenge-2024-rkky"]
    noise = 1e-3
    asked, expected, ranges = [], [], []
    for name in names:
        path = pathlib.Path(nmrsim.__file__).parent / "models" / f"{name}.safetensors"
        if b"first_look.format" in path.read_bytes():  # which the page leaves out
            whole, path = path, tmp_path / path.name
            first_look_of(whole, path)
        model = nmrsim.inverse.load_model(str(path))
        experiment = model.experiment
        experiment["accuracy.tolerance"] = 1e-3
        experiment["acquisition.noise"] = noise
        data = nmrsim.generate_dataset(experiment, 3, seed=5)
        expected.append(model.fit(data.signal, noise).mean)
        ranges.append(np.array(list(experiment.prior.values())).T)
        asked.append([str(path), data.signal.tolist()])
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    (block,) = [block for block in BLOCKS if needs(block) == "torch"]
    script = block + f"""
answers = []
for path, curves in json.load(open("asked.json")):
    m = torch.tensor(curves, dtype=torch.float64)
    levels = torch.full((3,), {noise})
    answers.append(estimate(path, torch.complex(m[:, 0], m[:, 1]), levels).tolist())
print(json.dumps(answers))
"""
    done = subprocess.run(
        [python, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    for name, answer, means, (low, high) in zip(names, json.loads(done.stdout), expected, ranges):
        # Some thousand products in single precision, 6e-8 each, of activations of order 1 to 100.
        off = np.abs(np.array(answer) - means) / (high - low)
        assert off.max() < 2e-5, name
