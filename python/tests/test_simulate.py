"""Curves: closed forms, the program's own output, batches, threads, the GIL and Ctrl-C."""

import os
import signal
import subprocess
import threading
import time

import numpy as np
import pytest

import nmrsim

# simulate() may be off by accuracy.tolerance of a curve's largest |M|; two answers by twice that.
PEAK = 0.5


def test_without_coupling_it_is_the_lines_characteristic_function(echo):
    half_width_khz = 25.0
    echo.sequence = "fid 90; acquire 0 40us 201"
    for key, value in {
        "interaction.alpha_x_khz": 0.0,
        "interaction.alpha_z_khz": 0.0,
        "line.shape": "gaussian",
        "line.half_width_khz": half_width_khz,
        "line.cutoff_khz": 10 * half_width_khz,  # 12 standard deviations: what is cut off is 1e-32
        "line.renormalize": True,
        "accuracy.tolerance": 1e-6,
    }.items():
        echo[key] = value
    curve = nmrsim.simulate(echo)
    sigma_khz = half_width_khz / np.sqrt(2 * np.log(2))
    expected = 0.5j * np.exp(-2 * (np.pi * sigma_khz * 1e-3 * curve.time_us) ** 2)
    assert np.abs(curve.m - expected).max() < 1e-6 * PEAK
    # A pulse of exactly 90 degrees leaves no Mz, to rounding.
    assert np.abs(curve.mz).max() < 1e-12


def test_it_is_what_the_program_writes(echo):
    program = os.environ.get("NMRSIM_SIMULATE")
    if not program:
        pytest.skip("NMRSIM_SIMULATE names no nmr-simulate to compare with")
    echo["interaction.alpha_x_khz"] = 60
    command = [program, "challenge-2021", "--set", "interaction.alpha_x_khz=60"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert nmrsim.simulate(echo).to_csv().splitlines() == lines


def test_batch_is_the_single_curves(echo):
    parameters = nmrsim.draw_parameters(echo, 5, seed=3)
    curves = nmrsim.simulate_batch(echo, parameters)
    assert curves.shape == (5, 2, 856) and curves.dtype == np.float32
    for row, curve in zip(parameters, curves):
        one = nmrsim.simulate(nmrsim.with_parameters(echo, row))
        off = np.abs(curve[0] + 1j * curve[1] - one.m).max()
        assert off < 2 * 1e-4 * np.abs(one.m).max()


def test_threads_do_not_matter(echo, small_lattice):
    for experiment in (echo, small_lattice):
        parameters = nmrsim.draw_parameters(experiment, 20, seed=1)
        curves = [nmrsim.simulate_batch(experiment, parameters, threads=n) for n in (1, 2, 3)]
        assert np.array_equal(curves[0], curves[1]) and np.array_equal(curves[0], curves[2])


def test_names_say_what_columns_are(echo):
    by_prior = nmrsim.simulate_batch(echo, [[60.0, 100.0, 40.0]])
    swapped = nmrsim.simulate_batch(
        echo, [[40.0, 60.0, 100.0]], names=["flip_deg", "alpha_x_khz", "alpha_z_khz"]
    )
    assert np.array_equal(by_prior, swapped)
    # A row of the table that is no unknown of the prior; the rest is the experiment's.
    widths = nmrsim.simulate_batch(echo, [[20.0], [25.0]], names=["half_width_khz"])
    own = nmrsim.simulate(echo)
    assert np.abs(widths[1, 0] + 1j * widths[1, 1] - own.m).max() < 2 * 1e-4 * PEAK
    assert np.abs(widths[1] - widths[0]).max() > 0.01


def test_lattice_seeds(small_lattice):
    values = nmrsim.draw_parameters(small_lattice, 1, seed=5)
    own = nmrsim.simulate_batch(small_lattice, values)
    small_lattice["lattice.seed"] = 7
    other = nmrsim.simulate_batch(small_lattice, values)
    assert not np.array_equal(own, other)
    both = nmrsim.simulate_batch(small_lattice, np.repeat(values, 2, 0), lattice_seeds=[1, 7])
    assert np.array_equal(both[1], other[0]) and np.array_equal(both[0], own[0])


def test_sweep(echo):
    curves = nmrsim.simulate_sweep(echo, "flip_deg", [10.0, 45.0])
    echo["sequence.flip_deg"] = 45.0
    assert len(curves) == 2
    assert nmrsim.largest_difference(curves[1], nmrsim.simulate(echo)) == 0.0


def test_wrong_shapes_and_values(echo):
    with pytest.raises(ValueError, match=r"\(n, 3\), for alpha_x_khz, alpha_z_khz, flip_deg"):
        nmrsim.simulate_batch(echo, [[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        nmrsim.simulate_batch(echo, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="alpha_x_khz"):
        nmrsim.simulate_batch(echo, [[1.0]], names=["alfa_x_khz"])
    with pytest.raises(ValueError, match="half_width_khz"):
        nmrsim.simulate_batch(echo, [[-1.0]], names=["half_width_khz"])
    with pytest.raises(ValueError, match="lattice_seeds"):
        nmrsim.simulate_batch(echo, [[1.0, 2.0, 30.0]], lattice_seeds=[1, 2])
    with pytest.raises(TypeError):
        nmrsim.simulate("challenge-2021")
    echo["acquisition.points"] = 4
    assert nmrsim.simulate_batch(echo, np.empty((0, 3))).shape == (0, 2, 4)


def test_arrays_of_a_signal_are_its_memory(echo):
    curve = nmrsim.simulate(echo)
    assert curve.mx.base is curve and curve.time_us.base is curve
    assert np.shares_memory(curve.mx, curve.mx)
    first = curve.mx[:3].copy()
    column = curve.mx
    del curve
    assert np.array_equal(column[:3], first)  # the array keeps its owner


def test_curves_from_arrays_and_files(tmp_path):
    curve = nmrsim.Signal([0.0, 0.5, 1.0], np.array([1, 2, 3]), [0.0, 0.0, 0.25])
    assert len(curve) == 3 and np.array_equal(curve.mz, np.zeros(3))
    assert curve.m[2] == 3 + 0.25j
    nmrsim.write_curve(curve, tmp_path / "curve.csv")
    back = nmrsim.read_curve(tmp_path / "curve.csv")
    assert np.array_equal(back.m, curve.m) and np.array_equal(back.time_us, curve.time_us)
    noisy = curve.with_noise(0.1, seed=1)
    assert not np.array_equal(noisy.mx, curve.mx)
    assert np.array_equal(noisy.mx, curve.with_noise(0.1, seed=1).mx)
    with pytest.raises(ValueError, match=r"my must have the shape \(3,\)"):
        nmrsim.Signal([0.0, 0.5, 1.0], [1, 2, 3], [1, 2])
    (tmp_path / "bad.csv").write_text("time_us,mx,my\n0,1\n")
    with pytest.raises(nmrsim.InputError, match="bad.csv:2"):
        nmrsim.read_curve(tmp_path / "bad.csv")


def batch_of_a_while(experiment, seconds):
    """Parameters whose simulation takes at least so long on this machine."""
    count = 16
    while True:
        parameters = nmrsim.draw_parameters(experiment, count, seed=1)
        start = time.monotonic()
        nmrsim.simulate_batch(experiment, parameters)
        if time.monotonic() - start > seconds:
            return parameters
        count *= 2


def test_other_threads_go_on(small_lattice):
    parameters = batch_of_a_while(small_lattice, 0.2)
    results = []
    work = threading.Thread(
        target=lambda: results.append(nmrsim.simulate_batch(small_lattice, parameters))
    )
    turns = 0
    work.start()
    while not results and work.is_alive():
        turns += 1
        time.sleep(0.001)
    work.join()
    # Were the GIL held, this thread would have had a turn before and one after.
    assert turns > 10


def test_two_threads_at_once_give_the_same(echo, small_lattice):
    def both(experiment):
        parameters = nmrsim.draw_parameters(experiment, 8, seed=2)
        expected = nmrsim.simulate_batch(experiment, parameters)
        found = [None, None]

        def run(i):
            found[i] = nmrsim.simulate_batch(experiment, parameters)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.array_equal(expected, one) for one in found)

    both(echo)
    both(small_lattice)


def test_ctrl_c_ends_a_batch(small_lattice):
    # Minutes of work, ended after a moment.
    parameters = nmrsim.draw_parameters(small_lattice, 200000, seed=1)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            nmrsim.simulate_batch(small_lattice, parameters)
    finally:
        timer.cancel()
