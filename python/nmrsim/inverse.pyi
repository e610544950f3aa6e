"""Types of nmrsim.inverse; meanings, shapes and units are in the docstrings."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import (
    Estimates as Estimates,
    Experiment,
    JointFit as JointFit,
    Minimum as Minimum,
    Refinement as Refinement,
    Signal,
    estimated_noise as estimated_noise,
    fit_jointly as fit_jointly,
    refine as refine,
)

_Curves = Signal | Sequence[Signal] | ArrayLike

class Posterior:
    def summary(self) -> Estimates: ...
    def quantiles(self, levels: ArrayLike) -> NDArray[np.float64]: ...
    def sample(self, draws: int, seed: int, first_index: int = 0) -> NDArray[np.float64]: ...
    def log_prob(self, parameters: ArrayLike) -> NDArray[np.float64]: ...
    def distance(self) -> NDArray[np.float64]: ...
    def __len__(self) -> int: ...

class MeasuredFit:
    @property
    def fit(self) -> Refinement: ...
    @property
    def noise(self) -> float: ...
    @property
    def factor(self) -> complex: ...
    @property
    def shift_us(self) -> float: ...
    @property
    def signal(self) -> NDArray[np.float32]: ...
    @property
    def time_us(self) -> NDArray[np.float64]: ...
    @property
    def starts(self) -> NDArray[np.float64]: ...

class Model:
    @property
    def experiment(self) -> Experiment: ...
    @property
    def unknowns(self) -> list[str]: ...
    @property
    def record(self) -> dict[str, Any]: ...
    @property
    def largest_noise(self) -> float: ...
    def fit(
        self, signal: _Curves, noise: ArrayLike | None = None, threads: int = 0
    ) -> Estimates: ...
    def posterior(
        self, signal: _Curves, noise: ArrayLike | None = None, threads: int = 0
    ) -> Posterior: ...
    def refine(
        self,
        signal: _Curves,
        noise: float,
        *,
        fit_gain: bool = False,
        fit_phase: bool = False,
        fit_time_zero: bool = False,
        time_zero_range_us: float = 1.0,
        seed: int = 0,
        threads: int = 0,
    ) -> Refinement: ...
    def gradient(self, signal: _Curves, noise: float | None = None) -> NDArray[np.float64]: ...

def shipped_models() -> list[str]: ...
def load_model(name_or_path: str | os.PathLike[str]) -> Model: ...
def fit_measured(
    model: Model,
    time_us: ArrayLike,
    signal: ArrayLike,
    noise: float = 0.0,
    *,
    align: bool = True,
    fit_gain: bool = True,
    fit_phase: bool = True,
    time_zero_range_us: float = 2.0,
    seed: int = 0,
    threads: int = 0,
) -> MeasuredFit: ...
