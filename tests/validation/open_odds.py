#!/usr/bin/env python3
"""Whether odds between experiments are what they say, on records of either.

    PYTHONPATH=build/python python3 tests/validation/open_odds.py --records 400

Records of random echoes with nothing of the receiver known, half of them without a coupling, half
with one so weak that the noise nearly hides it, or half with another line in noise as loud. By how
probable the likelier experiment is called: how many records, how often it is the one that made
them, and what was foretold. It takes minutes, so no test runs it.
"""

import argparse
import time

import numpy as np

import nmrsim
import open_echoes


def described(random, kind):
    """An experiment as its owner describes it."""
    width = random.uniform(8.0, 50.0)  # kHz
    tau = random.uniform(0.9, 2.5) / width * 1e3  # us
    weak = 0.1 * width if kind == "coupling" else width
    prior = {"alpha_x_khz": [0.0, weak], "flip_deg": [30.0, 80.0]}
    points = random.integers(200, 500)
    experiment = open_echoes.hahn_echo("lorentzian", width, 8.0 * width, tau, points, prior)
    for coupling in ("alpha_x_khz", "alpha_z_khz"):
        experiment["interaction." + coupling] = 0.0
    return experiment


def one(kind, seed):
    """The probability of the first alternative, and whether it made the record."""
    random = np.random.default_rng([seed, len(kind)])
    experiment = described(random, kind)
    first = bool(random.integers(2))
    maker = nmrsim.Experiment.from_toml(experiment.to_toml())
    truth = {name: random.uniform(*experiment.prior[name]) for name in experiment.prior}
    if kind == "coupling":
        words = ["uniform", "none"]
        if not first:
            truth["alpha_x_khz"] = 0.0
    else:
        words = ["uniform", "gaussian"]
        if not first:
            maker["line.shape"] = "gaussian"
    maker["accuracy.tolerance"] = 1e-6
    clean = nmrsim.simulate(nmrsim.with_parameters(maker, list(truth.values())), threads=1)
    loud = (-2.0, -1.2) if kind == "coupling" else (-1.0, -0.3)
    noise = 10.0 ** random.uniform(*loud) * np.abs(clean.m).max()
    gain = 10.0 ** random.uniform(-2.0, 5.0) * np.exp(2j * np.pi * random.uniform())
    white = random.normal(size=len(clean)) + 1j * random.normal(size=len(clean))
    read = gain * (clean.m + noise * white)
    clock_us = random.uniform(-0.25, 0.25) * 1e3 / experiment["line.half_width_khz"]
    record = nmrsim.Signal(clean.time_us + clock_us, read.real, read.imag)
    odds = nmrsim.compare(
        experiment, words, [record], how={"measured": True, "threads": 1, "seed": seed}
    )
    return odds.probability[0][0], first


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--of", dest="kind", choices=["coupling", "line"], default="coupling")
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    said, right = [], []
    started = time.process_time()
    for seed in range(flags.seed, flags.seed + flags.records):
        probability, first = one(flags.kind, seed)
        said.append(max(probability, 1.0 - probability))
        right.append(first == (probability > 0.5))
    said, right = np.array(said), np.array(right)
    print(f"odds of {flags.kind}, {flags.records} records, "
          f"{(time.process_time() - started) / flags.records:.2f} s of a core each")
    for low, high in ((0.5, 0.75), (0.75, 0.9), (0.9, 0.97), (0.97, 0.995), (0.995, 1.01)):
        own = (said >= low) & (said < high)
        if own.any():
            print(f"called {low:.3g} to {min(high, 1.0):.3g}: {own.sum()} records, "
                  f"right {right[own].mean():.3f}, foretold {said[own].mean():.3f}")


if __name__ == "__main__":
    main()
