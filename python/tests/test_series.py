"""Names of sequences, series, and what is read off curves."""

import subprocess
import sys

import numpy as np
import pytest

import nmrsim


def named_echo():
    echo = nmrsim.Experiment("challenge-2021", {"acquisition.noise": 1e-3})
    echo.sequence = "let tau = 20us; pulse 60 x; delay tau; pulse 120 y; acquire echo-10us echo+10us 41"
    echo.prior = {"tau": (15.0, 25.0), "alpha_x_khz": (20.0, 80.0)}
    return echo


def test_names_are_keys_unknowns_and_columns(tmp_path):
    echo = named_echo()
    assert echo["sequence.tau"] == 20.0
    echo["sequence.tau"] = "0.03ms"
    assert echo.time_us[0] == 50.0 and echo.unknowns == ["tau", "alpha_x_khz"]
    assert echo.sequence.startswith("let tau = 30us; pulse 60 x")
    assert nmrsim.Experiment.from_toml(echo.to_toml()) == echo == echo.copy()
    with pytest.raises(KeyError, match="did you mean sequence.tau"):
        echo["sequence.tua"]
    with pytest.raises(nmrsim.InputError, match="did you mean tau"):
        echo["sequence.tua"] = 3.0
    data = nmrsim.generate_dataset(echo, 2, seed=1)
    one = nmrsim.simulate(nmrsim.with_parameters(echo, data.parameters[1]))
    assert one.time_us[0] == pytest.approx(2 * data.parameters[1][0] - 10)
    np.testing.assert_allclose(data.signal[1, 0], one.mx, atol=5e-3)
    slopes = nmrsim.simulate_with_jacobian(echo, ["tau"])
    assert np.abs(slopes.dmx).max() > 1e-3
    # Another process, which has seen no sequence with the name.
    path = tmp_path / "named.h5"
    nmrsim.write_dataset(data, path)
    code = "import sys, nmrsim; d = nmrsim.read_dataset(sys.argv[1]); print(d.unknowns, len(d))"
    said = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert said.stdout == "['tau', 'alpha_x_khz'] 2\n", said.stderr


def test_a_series_is_one_curve(tmp_path):
    echo = named_echo()
    echo.prior = {"alpha_x_khz": (20.0, 80.0), "gamma3_per_s": (0.0, 2e4)}
    table = tmp_path / "records.csv"
    table.write_text("sequence.tau,file\n20,a.csv\n15us,b.csv\n")
    echo.series = nmrsim.read_series(table)
    assert echo.series == [
        {"sequence.tau": 20, "file": str(tmp_path / "a.csv")},
        {"sequence.tau": "15us", "file": str(tmp_path / "b.csv")},
    ]
    assert nmrsim.Experiment.from_toml(echo.to_toml()) == echo
    signal = nmrsim.simulate(echo)
    records = nmrsim.series_records(echo)
    assert len(signal) == 82 and len(records) == 2
    for record, part in zip(records, nmrsim.records_of(echo, signal)):
        np.testing.assert_array_equal(part.m, nmrsim.simulate(record).m)
    assert nmrsim.simulate_batch(echo, [[50.0, 1e3]]).shape == (1, 2, 82)
    curves, slopes = nmrsim.simulate_batch_with_jacobian(echo, [[50.0, 1e3]])
    assert curves.shape == (1, 2, 82) and slopes.shape == (1, 2, 2, 82)
    path = tmp_path / "series.h5"
    nmrsim.write_dataset(nmrsim.generate_dataset(echo, 2, seed=1), path)
    assert nmrsim.read_dataset(path).signal.shape == (2, 2, 82)
    with pytest.raises(ValueError, match="is an unknown, which the records have in common"):
        echo.series = [{"interaction.alpha_x_khz": 30.0}]


def test_a_series_is_refined_as_one():
    echo = named_echo()
    echo.prior = {"alpha_x_khz": (20.0, 80.0), "gamma3_per_s": (0.0, 2e4)}
    echo.series = [{"sequence.tau": tau} for tau in (15.0, 30.0, 45.0)]
    truth = [50.0, 8e3]
    noisy = nmrsim.simulate(nmrsim.with_parameters(echo, truth)).with_noise(1e-3, seed=1)
    starts = nmrsim.draw_parameters(echo, 16, seed=2)
    fit = nmrsim.refine(echo, noisy, starts, 1e-3, fit_gain=True, fit_phase=True)
    assert fit.converged
    assert np.all(np.abs(fit.estimate - truth) < 5 * fit.sd)
    judged = nmrsim.fit(echo, noisy, noise=1e-3, seed=1)
    assert judged.verdicts == ["ok"] and len(judged.fitted[0][0]) == 123
    np.testing.assert_allclose(judged.estimates.mean[0], fit.estimate, atol=np.max(3 * fit.sd))


def test_what_is_read_off():
    echo = named_echo()
    signal = nmrsim.simulate(echo)
    times, integrals = nmrsim.echo_integrals(echo, signal)
    assert times.tolist() == [40.0]
    np.testing.assert_allclose(integrals[0], np.trapezoid(signal.m, signal.time_us)
                               if hasattr(np, "trapezoid") else np.trapz(signal.m, signal.time_us))
    [(frequency_khz, spectrum)] = nmrsim.spectra(echo, signal, lorentzian_khz=10.0)
    assert frequency_khz.shape == spectrum.shape and np.all(np.diff(frequency_khz) > 0)
    # Parseval's integral at the time that phases count from: the echo's own M.
    step = frequency_khz[1] - frequency_khz[0]
    at_echo = signal.m[20]
    np.testing.assert_allclose(spectrum.sum() * step * 1e-3, at_echo, rtol=1e-6)
