#!/usr/bin/env python3
"""From an experiment to its curves, what they can tell, and a fit; draws the README's pictures.

    python3 python/examples/tutorial.py docs/pictures

Needs matplotlib; the last part, the fit, needs nmrsim built with LibTorch and says so.
"""

import pathlib
import re
import sys

import matplotlib
import numpy as np

import nmrsim

matplotlib.use("svg")
matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "nmrsim",  # the same bytes each time
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)
from matplotlib import pyplot as plt  # noqa: E402

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
NOISE = 1e-3  # standard deviation on each of Mx and My, in units of M
COLOURS = ["#1b3a5c", "#2f7f8f", "#d98032", "#b03a48"]


def save(figure, name):
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.svg"
    figure.savefig(path, dpi=120, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    # Hundredths of a point are enough, and half as many bytes.
    path.write_text(re.sub(r"(\d\.\d\d)\d{2,}", r"\1", path.read_text()))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


# 1. An experiment is one that ships, or a TOML file, with any key changed. This one is the task of
#    the NMR Spin Challenge of 2021: pulse, 100 us, pulse twice as strong, an echo near 200 us.
echo = nmrsim.Experiment(
    "challenge-2021", {"sequence.flip_deg": 60.0, "interaction.alpha_z_khz": 0.0}
)

# 2. One curve for each of several couplings. They share all else, so it is a sweep.
alphas = [0.0, 30.0, 60.0, 120.0]
figure, axes = plt.subplots(figsize=(6.4, 3.2))
for alpha, curve, colour in zip(
    alphas, nmrsim.simulate_sweep(echo, "alpha_x_khz", alphas), COLOURS
):
    axes.plot(
        curve.time_us[::2], np.abs(curve.m)[::2], color=colour, lw=1.5, label=f"{alpha:g} kHz"
    )
axes.set(
    xlabel="time (us)",
    ylabel="|M|",
    title="One echo, four couplings in the plane",
    xlim=(curve.time_us[0], curve.time_us[-1]),
    ylim=(0, None),
)
axes.legend(title="alpha_x")
save(figure, "echoes")

# 3. Many curves at once, on all cores: (n, 2, points). Columns of parameters are named.
alphas = np.linspace(0.0, 150.0, 101)
curves = nmrsim.simulate_batch(echo, alphas[:, None], names=["alpha_x_khz"])
magnitude = np.hypot(curves[:, 0], curves[:, 1])
figure, axes = plt.subplots(figsize=(6.4, 3.2))
image = axes.imshow(
    magnitude[:, ::5],
    origin="lower",
    aspect="auto",
    cmap="viridis",
    interpolation="none",
    extent=(echo.time_us[0], echo.time_us[-1], alphas[0], alphas[-1]),
)
figure.colorbar(image, label="|M|")
axes.set(xlabel="time (us)", ylabel="alpha_x (kHz)", title=f"{len(alphas)} echoes in one call")
save(figure, "map")

# 4. Exact derivatives say how well an experiment can tell its parameters before it is done: the
#    Cramer-Rao bound, here against the flip angle.
echo["interaction.alpha_x_khz"] = 60.0
echo["interaction.alpha_z_khz"] = 120.0
names = ["alpha_x_khz", "alpha_z_khz", "flip_deg"]
flips = np.arange(10.0, 90.1, 1.0)
bounds = []
for flip in flips:
    echo["sequence.flip_deg"] = flip
    jacobian = nmrsim.simulate_with_jacobian(echo, names)
    bounds.append(nmrsim.cramer_rao_deviations(nmrsim.fisher_information(jacobian, NOISE)))
figure, axes = plt.subplots(figsize=(6.4, 3.2))
for bound, label, colour in zip(
    np.transpose(bounds),
    ["alpha_x (kHz)", "alpha_z (kHz)", "flip angle (degree)"],
    [COLOURS[0], COLOURS[2], COLOURS[1]],
):
    shown = np.isfinite(bound)
    axes.semilogy(flips[shown], bound[shown], color=colour, lw=1.5, label=label)
axes.set(
    xlabel="flip angle (degree)",
    ylabel="least standard deviation",
    title=f"What one echo can tell at best, noise {NOISE:g}",
    xlim=(10, 90),
    ylim=(1e-3, 1e2),
)  # beyond: at 90 degrees no Mz is left for alpha_z to act on
axes.legend()
save(figure, "bound")

# 5. With LibTorch: a network's posterior of a noisy curve, and the fit refined on the simulator.
try:
    import nmrsim.inverse
except ModuleNotFoundError as missing:
    print(f"no picture of a fit: {missing}")
    sys.exit()

model = nmrsim.inverse.load_model("challenge-2021")
truth = [60.0, 120.0, 40.0]
noise = 0.01
measured = nmrsim.simulate(nmrsim.with_parameters(model.experiment, truth)).with_noise(
    noise, seed=1
)
posterior = model.posterior(measured, noise)
best = model.refine(measured, noise, seed=1)
fitted = nmrsim.simulate(nmrsim.with_parameters(model.experiment, best.estimate))
print("unknown, truth, network, refined:")
summary = posterior.summary()
for row in zip(model.unknowns, truth, summary.mean[0], summary.sd[0], best.estimate, best.sd):
    print("{:12s} {:8.3f} {:10.3f} +- {:.3f} {:10.4f} +- {:.4f}".format(*row))

figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.4), width_ratios=[1.8, 1.0])
for name, curve, colour in (("Mx", measured.mx, "#8fa3b5"), ("My", measured.my, "#e0b48c")):
    points = dict(ms=2.5, color=colour, label=name + ", measured", rasterized=True)
    left.plot(measured.time_us[::3], curve[::3], ".", **points)
left.plot(fitted.time_us[::2], fitted.mx[::2], color=COLOURS[0], lw=1.2, label="fit")
left.plot(fitted.time_us[::2], fitted.my[::2], color=COLOURS[2], lw=1.2)
left.set(
    xlabel="time (us)",
    ylabel="M",
    xlim=(fitted.time_us[0], fitted.time_us[-1]),
    title=f"A noisy echo (noise {noise:g}) and its fit",
)
left.legend(loc="upper right", markerscale=3)
draws = posterior.sample(400, seed=1)[0]
right.plot(
    draws[:, 0],
    draws[:, 1],
    ".",
    ms=2.5,
    color="#8fa3b5",
    label="network's posterior",
    rasterized=True,
)
right.errorbar(
    best.estimate[0],
    best.estimate[1],
    xerr=best.sd[0],
    yerr=best.sd[1],
    fmt="o",
    ms=4,
    color=COLOURS[3],
    label="refined fit",
)
right.plot(truth[0], truth[1], "+", ms=12, color="black", label="truth")
right.set(xlabel="alpha_x (kHz)", ylabel="alpha_z (kHz)", title="What it says", ylim=(None, 175))
right.legend()
save(figure, "fit")
