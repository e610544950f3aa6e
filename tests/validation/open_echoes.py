#!/usr/bin/env python3
"""Echoes of random experiments, with nothing of the receiver known, fitted as their owner would.

    PYTHONPATH=build/python python3 tests/validation/open_echoes.py --set receiver --records 100

Sets: `receiver` leaves couplings, angle, gain, phase, clock and a constant offset open; `line` the
width (+-30%) and the rate of dephasing as well; `series` is four records of other tau, of one
material with an unknown rate. Prints what came home (each unknown within five of its standard
deviations), what is called ok, what is wrong and called ok, how often 90% intervals hold the truth,
and the processor time a record. It takes minutes, so no test runs it.
"""

import argparse
import collections
import time

import numpy as np

import nmrsim

HOME = 5.0  # standard deviations


def hahn_echo(shape, width, cut, tau, points, prior):
    """A Hahn echo of a line of half width [kHz], cut [kHz] and tau [us], seen from 1.12 to 2.9 tau."""
    ranges = "".join(f"{name} = [{low}, {high}]\n" for name, (low, high) in prior.items())
    return nmrsim.Experiment.from_toml(f"""
name = "open"
interaction = {{ kernel = "uniform", alpha_x_khz = {width}, alpha_z_khz = {width} }}
line = {{ shape = "{shape}", half_width_khz = {width}, cutoff_khz = {cut} }}
[sequence]
flip_deg = 60.0
refocus_ratio = 2.0
flip_phase_deg = 0.0
refocus_phase_deg = 90.0
tau_us = {tau}
[acquisition]
start_us = {1.12 * tau}
stop_us = {2.9 * tau}
points = {points}
[prior]
{ranges}""")


def described(random, kind):
    """The experiment as its owner describes it, and the truth."""
    width = random.uniform(8.0, 50.0)  # kHz
    shape, cut = [("lorentzian", 10.0), ("gaussian", 4.0)][random.integers(2)]
    tau = random.uniform(0.9, 3.2) / width * 1e3  # us
    prior = {
        "alpha_x_khz": [0.1 * width, 5.0 * width],
        "alpha_z_khz": [0.0, 10.0 * width],
        "flip_deg": [20.0, 85.0],
    }
    truth = {name: random.uniform(*prior[name]) for name in prior}
    told = width
    if kind == "line":
        told = width / random.uniform(0.7, 1.3)
        truth["half_width_khz"] = width
        prior["half_width_khz"] = [0.7 * told, 1.3 * told]
    if kind != "receiver":
        prior["gamma3_per_s"] = [0.0, 1e6 / tau]
        truth["gamma3_per_s"] = random.uniform(*prior["gamma3_per_s"])
    points = random.integers(300, 1000)
    return hahn_echo(shape, told, cut * told, tau, points, prior), truth


def recorded(experiment, truth, random, gain, clock_us):
    """A record as a receiver leaves it."""
    exact = nmrsim.Experiment.from_toml(experiment.to_toml())
    exact["accuracy.tolerance"] = 1e-6
    clean = nmrsim.simulate(nmrsim.with_parameters(exact, list(truth.values())), threads=1)
    peak = np.abs(clean.m).max()
    noise = random.normal(size=(2, len(clean))) * peak * 10.0 ** random.uniform(-2.7, -1.7)
    offset = 0.1 * peak * random.uniform() * np.exp(2j * np.pi * random.uniform())
    read = gain * (clean.m + offset + noise[0] + 1j * noise[1])
    return nmrsim.Signal(clean.time_us + clock_us, read.real, read.imag)


def one(kind, seed, clock):
    """One record, or series of them, and its fit."""
    random = np.random.default_rng([seed, len(kind)])
    experiment, truth = described(random, kind)
    gain = 10.0 ** random.uniform(-2.0, 5.0) * np.exp(2j * np.pi * random.uniform())
    clock_us = random.uniform(-clock, clock) * 1e3 / experiment["line.half_width_khz"]
    records = [experiment]
    if kind == "series":
        tau = experiment["sequence.tau_us"]
        longer = [dict(zip(KEYS, tau * k * np.array([1.0, 1.12, 2.9]))) for k in (1, 1.3, 1.7, 2.2)]
        experiment.series = longer
        records = nmrsim.series_records(experiment)
    curves = [recorded(each, truth, random, gain, clock_us) for each in records]
    started = time.process_time()
    fit = nmrsim.fit(experiment, curves, measured=True, threads=1, seed=seed)
    spent = time.process_time() - started
    return experiment, truth, fit, spent


KEYS = ("sequence.tau_us", "acquisition.start_us", "acquisition.stop_us")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", dest="kind", choices=["receiver", "line", "series"], required=True)
    parser.add_argument("--records", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clock", type=float, default=0.25, help="largest error [1 / half width]")
    parser.add_argument("--say", action="store_true", help="a line for each record not ok or home")
    flags = parser.parse_args()
    home, verdicts, wrong, covered, spent = [], collections.Counter(), 0, [], []
    for seed in range(flags.seed, flags.seed + flags.records):
        experiment, truth, fit, seconds = one(flags.kind, seed, flags.clock)
        values = np.array(list(truth.values()))
        estimates = fit.estimates
        off = (estimates.mean[0] - values) / estimates.sd[0]
        home.append(bool(np.all(np.abs(off) < HOME)))
        covered.append((values >= estimates.q05[0]) & (values <= estimates.q95[0]))
        verdicts[fit.verdicts[0]] += 1
        wrong += not home[-1] and fit.verdicts[0] == "ok"
        spent.append(seconds)
        if flags.say and (not home[-1] or fit.verdicts[0] != "ok"):
            numbers = "  ".join(
                f"{name} {value:.5g}: {mean:.5g} +- {sd:.2g}"
                for name, value, mean, sd in zip(truth, values, estimates.mean[0], estimates.sd[0])
            )
            state = "home" if home[-1] else "LOST"
            print(f"{seed} {state} {fit.verdicts[0]} ({fit.reasons[0]}) {numbers}", flush=True)
    said = ", ".join(f"{100 * verdicts[v] / flags.records:.3g}% {v}" for v in ("ok", "caution", "reject"))
    print(f"{flags.kind}: {flags.records} records, home {100 * np.mean(home):.4g}%, {said}")
    print(f"wrong and called ok: {wrong}")
    print(f"90% intervals hold: {np.mean(covered):.3f} (" + ", ".join(
        f"{name} {share:.3f}" for name, share in zip(truth, np.mean(covered, axis=0))) + ")")
    print(f"processor time a record [s]: median {np.median(spent):.2f}, longest {max(spent):.2f}")


if __name__ == "__main__":
    main()
