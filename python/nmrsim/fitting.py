"""fit(): from curves to estimates and verdicts, as nmr-fit makes them."""

import inspect
import json
from typing import NamedTuple

from ._core import Experiment
from ._fit import compare_experiments as _compare_experiments
from ._fit import default_options as _default_options
from ._fit import fit_experiment as _fit_experiment


class Fit(NamedTuple):
    """What became of n curves with k unknowns."""

    names: list
    unknowns: list
    estimates: object
    samples: object
    verdicts: list
    reasons: list
    residual: object
    expected: object
    factor: object
    shift_us: object
    refinements: list
    time_us: list
    signal: list
    fitted: list
    steps: list
    notes: list


for _name, _meaning in {
    "names": "Of the curves, (n).",
    "unknowns": "Names of the columns of estimates, (k).",
    "estimates": "Mean, standard deviation and quantiles, (n, k): Estimates.",
    "samples": "Draws of each posterior, where asked for: (n, draws, k).",
    "verdicts": '"ok", "caution" or "reject", (n).',
    "reasons": 'Why a verdict is not ok, (n), findings with "; " between.',
    "residual": "Root mean square |M - M_fit| of each curve, (n).",
    "expected": "What the noise and the estimate's own error lead one to expect of it, (n).",
    "factor": "Where refined: a curve is this times the model's; gain and receiver phase, (n).",
    "shift_us": "Where refined: the model's time t is t + this on the curve's axis [us], (n).",
    "refinements": "Where refined: the best fits, (n) of Refinement.",
    "time_us": "When each curve was sampled [us], (n) arrays; of measured ones on the model's axis.",
    "signal": "The curves as they were fitted, (n) arrays (2, points); measured ones in units of M.",
    "fitted": "Simulated at the estimates, (n) arrays (2, points), without factor and shift.",
    "steps": "Of measured curves: what was done, (n) dicts.",
    "notes": "What was found on the way, lines of text.",
}.items():
    getattr(Fit, _name).__doc__ = _meaning


# How files and arrays are read.
_READING = {
    "sigma": None,
    "time_unit": "",
    "columns": "",
    "dwell": None,
    "start": None,
    "skip": 0,
    "conjugate": False,
}
_DEFAULTS = _default_options() | _READING


def fit(by, curves, time_us=None, **options):
    """Estimates, intervals, draws and verdicts of curves, as nmr-fit gives them: Fit.

    Args:
        by: an Experiment of the uniform kernel, fitted from draws of its prior, for which no
            network is needed; or a trained nmrsim.inverse.Model, whose answer is refined where asked.
        curves: a Signal or a list of them, each at its own times (measured, of an experiment that is
            a series, its records in order); complex M (points) or (n, points),
            or Mx and My, (2, points) or (n, 2, points); or names of files, as nmr-fit reads them.
        time_us: of arrays; None: the experiment's times [us].
        noise: standard deviation on each of Mx and My; 0: not known. Fits need it, unless measured.
        refine: follow a model's estimates down to the best fit. Implied by the next two and by an
            Experiment.
        measured: the curves are as an instrument left them: the echo is sought, the noise taken from
            the record, gain, phase, offset and clock are fitted.
        joint: one fit of all curves, of one material; each has its own of the unknowns per_curve.
        align: of measured curves, the echo may lie at any shift.
        fit_gain, fit_phase: the receiver's; None: of measured curves alone.
        fit_offset: a constant beside the curve, likewise; of a series one in each record.
        fit_time_zero: the clock, within +- time_zero_range_us (None: 1; of measured
            curves 2, four samples or 1 / (8 half widths), whichever is most).
        check: fit each curve to judge a network's answer; None: where that can be done, up to 64.
        samples: draws of each posterior to return.
        seed: of all draws.
        threads: 0 for all cores. The result does not depend on it.
        sigma: of measured curves, each sample's standard deviation on each part, (points) or (n,
            points). Samples that are not a number (NaN) and gaps in the times do not count.
        time_unit, columns, dwell, start: how files are read, as the flags of nmr-fit.
        skip: first samples of each record that are left out.
        conjugate: Im has the other sign.
    Raises: ValueError for what cannot be fitted, InputError for files and times.
    Releases the GIL.
    """
    for name in options:
        if name not in _DEFAULTS:
            raise TypeError(f"fit() got an unexpected keyword argument '{name}'")
    options = _DEFAULTS | options
    if isinstance(by, Experiment):
        fields = _fit_experiment(by, curves, time_us, options)
    else:
        from .inverse import _fit_by_model

        fields = _fit_by_model(by, curves, time_us, options)
    fields["steps"] = json.loads(fields["steps"] or "[]")
    return Fit(**fields)


_KEYWORDS = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
    for name, default in _DEFAULTS.items()
]
_POSITIONAL = list(inspect.signature(fit).parameters.values())[:-1]
fit.__signature__ = inspect.Signature(_POSITIONAL + _KEYWORDS)


class Comparison(NamedTuple):
    """What m experiments say of n curves."""

    names: list
    alternatives: list
    probability: object
    log_evidence: object
    chi_square: object
    degrees: object


for _name, _meaning in {
    "names": "Of the curves, (n).",
    "alternatives": "Of the experiments, (m).",
    "probability": "Of each experiment, with equal odds before, (n, m).",
    "log_evidence": "Natural logarithm of the likelihood's mean over the prior, (n, m).",
    "chi_square": "At each one's best fit of the same samples, (n, m).",
    "degrees": "What chi-square should be, (n, m).",
}.items():
    getattr(Comparison, _name).__doc__ = _meaning


def compare(by, alternatives, curves, time_us=None, how=None):
    """Which of several experiments made each curve, by evidence: Comparison.

    Args:
        by: an Experiment of the uniform kernel.
        alternatives: two or more of "uniform" (as it is), "none" (without couplings) and names of
            lines, such as "gaussian".
        curves, time_us: as for fit().
        how: keywords of fit() and their values, such as {"noise": 1e-3} or {"measured": True}.
    Raises: ValueError for what cannot be compared, InputError for files and times.
    Releases the GIL.
    """
    unknown = set(how or {}) - set(_DEFAULTS)
    if unknown:
        raise TypeError(f"how: fit() has no keyword {sorted(unknown)[0]}")
    options = _DEFAULTS | (how or {})
    return Comparison(**_compare_experiments(by, list(alternatives), curves, time_us, options))
