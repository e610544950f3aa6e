"""Spin echoes of interacting nuclear spins, and what can be read back out of them.

    import nmrsim

    echo = nmrsim.Experiment("challenge-2021", {"interaction.alpha_x_khz": 60.0})
    signal = nmrsim.simulate(echo)  # time_us, mx, my, mz

    best = nmrsim.fit(nmrsim.Experiment("challenge-2021"), signal.with_noise(1e-3, seed=1), noise=1e-3)
    best.estimates.mean, best.estimates.sd, best.verdicts, best.reasons

Magnetizations are ensemble means of (Ix, Iy, Iz), 1/2 at most; names carry their units. Where it
was built with LibTorch, nmrsim.inverse has trained networks.
"""

from ._core import (
    Dataset,
    Experiment,
    FisherInformation,
    InputError,
    Parameter,
    Signal,
    SignalJacobian,
    Throughput,
    __version__,
    cramer_rao_bound,
    cramer_rao_deviations,
    draw_parameters,
    echo_integrals,
    fisher_information,
    generate_dataset,
    largest_difference,
    measure_throughput,
    parameters,
    read_challenge,
    read_curve,
    read_dataset,
    read_series,
    records_of,
    series_records,
    shipped_experiment_summary,
    shipped_experiments,
    simulate,
    simulate_batch,
    simulate_batch_with_jacobian,
    simulate_sweep,
    simulate_with_jacobian,
    spectra,
    with_parameters,
    write_challenge,
    write_curve,
    write_dataset,
)
from ._fit import (
    Estimates,
    JointFit,
    Minimum,
    Refinement,
    estimated_noise,
    fit_jointly,
    refine,
)
from .fitting import Comparison, Fit, compare, fit

__all__ = [name for name in dir() if not name.startswith("_") and name != "fitting"]

for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
