"""Reads interactions back from curves: trained models, and fits refined on the simulator.

    model = nmrsim.inverse.load_model("challenge-2021")
    estimates = model.fit(signal, noise=1e-3)
    print(dict(zip(model.unknowns, estimates.mean[0])))
    best = model.refine(signal, noise=1e-3)  # a Refinement: estimate, sd, chi_square, ...

Only where the package was built with LibTorch.
"""

import os
import pathlib

from . import Estimates, InputError, JointFit, Minimum, Refinement, estimated_noise, fit_jointly, refine

try:
    from ._inverse import MeasuredFit, Model, Posterior, fit_measured
    from ._inverse import fit_by_model as _fit_by_model
    from ._inverse import load_file as _load_file
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "nmrsim was built without LibTorch: install libtorch-dev and build it again with "
        "pip install . --config-settings=cmake.define.NMRSIM_BUILD_INVERSE=ON"
    ) from error

__all__ = [
    "Estimates",
    "JointFit",
    "MeasuredFit",
    "Minimum",
    "Model",
    "Posterior",
    "Refinement",
    "estimated_noise",
    "fit_jointly",
    "fit_measured",
    "load_model",
    "refine",
    "shipped_models",
]

_MODELS = pathlib.Path(__file__).parent / "models"

for _name in ("MeasuredFit", "Model", "Posterior"):
    globals()[_name].__module__ = __name__


def shipped_models():
    """Names of the models that ship."""
    return sorted(path.stem for path in _MODELS.glob("*.safetensors"))


def load_model(name_or_path):
    """A model from its file, or by the name of one that ships.

    Raises: InputError that names the file and what was expected.
    """
    path = pathlib.Path(name_or_path)
    shipped = _MODELS / f"{os.fspath(name_or_path)}.safetensors"
    if not path.exists() and shipped.exists():
        return _load_file(shipped)
    if not path.exists():
        raise InputError(
            f"no model {path}: neither a file nor one of those that ship, "
            + ", ".join(shipped_models())
        )
    return _load_file(path)
