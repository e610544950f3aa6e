"""nmrsim.fit(): from curves to estimates and verdicts, with and without a network."""

import copy
import pickle

import numpy as np
import pytest

import nmrsim

TRUTH = np.array([60.0, 120.0, 40.0])
NOISE = 1e-3


@pytest.fixture(scope="module")
def task():
    return nmrsim.Experiment("challenge-2021", {"acquisition.points": 214})


def noisy(experiment, values, seed=1):
    return nmrsim.simulate(nmrsim.with_parameters(experiment, values)).with_noise(NOISE, seed=seed)


def comes_home(fit, truth=TRUTH):
    estimates = fit.estimates
    return np.all(np.abs(estimates.mean - truth) < 5 * estimates.sd)


def test_an_experiment_needs_no_network(task):
    curve = noisy(task, TRUTH)
    fit = nmrsim.fit(task, curve, noise=NOISE, samples=20)
    assert fit.unknowns == ["alpha_x_khz", "alpha_z_khz", "flip_deg"]
    assert fit.verdicts == ["ok"] and fit.reasons == [""]
    assert comes_home(fit)
    assert fit.samples.shape == (1, 20, 3)
    assert np.all((fit.samples > fit.estimates.q05 - 1) & (fit.samples < fit.estimates.q95 + 1))
    assert fit.residual[0] == pytest.approx(np.sqrt(2) * NOISE, rel=0.2)
    assert fit.factor[0] == 1 and fit.shift_us[0] == 0
    assert fit.refinements[0].converged
    np.testing.assert_allclose(fit.time_us[0], curve.time_us)
    assert fit.signal[0].shape == fit.fitted[0].shape == (2, 214)
    assert fit.steps == []
    for again in (pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit)):
        np.testing.assert_array_equal(again.estimates.mean, fit.estimates.mean)


def test_all_forms_of_curves_are_the_same(task, tmp_path):
    curves = [noisy(task, TRUTH, seed) for seed in (1, 2)]
    path = tmp_path / "echo.csv"
    nmrsim.write_curve(curves[0], path)
    of = lambda curves, *more: nmrsim.fit(task, curves, *more, noise=NOISE).estimates.mean
    expected = of(curves)
    assert expected.shape == (2, 3)
    m = np.array([c.m for c in curves])
    np.testing.assert_array_equal(of(m), expected)
    np.testing.assert_array_equal(of(m, task.time_us), expected)
    np.testing.assert_allclose(of(path), expected[:1], rtol=1e-4)
    np.testing.assert_allclose(of([str(path)]), expected[:1], rtol=1e-4)
    # Sampled more finely, a curve is fitted at its own times.
    finer = nmrsim.Experiment("challenge-2021", {"acquisition.points": 427})
    fit = nmrsim.fit(task, noisy(finer, TRUTH), noise=NOISE)
    assert comes_home(fit) and len(fit.time_us[0]) == 427


def test_gain_and_phase_are_fitted_where_they_are_unknown(task):
    factor = 1.2 * np.exp(0.5j)
    m = factor * noisy(task, TRUTH).m
    wrong = nmrsim.fit(task, m, noise=1.2 * NOISE)
    assert wrong.verdicts == ["reject"] and "expected" in wrong.reasons[0]
    fit = nmrsim.fit(task, m, noise=1.2 * NOISE, fit_gain=True, fit_phase=True)
    assert fit.verdicts == ["ok"] and comes_home(fit)
    assert abs(fit.factor[0] / factor - 1) < 0.02


def test_a_measured_echo_says_what_was_done(task):
    longer = {"acquisition.start_us": 110, "acquisition.stop_us": 310, "acquisition.points": 1001}
    echo = noisy(nmrsim.Experiment("challenge-2021", longer), TRUTH)
    fit = nmrsim.fit(task, 300j * echo.m, echo.time_us - 95, measured=True)
    assert comes_home(fit)
    assert abs(fit.factor[0] / 300j - 1) < 0.02
    assert fit.shift_us[0] == pytest.approx(-95, abs=0.1)
    assert fit.steps[0]["gain"] == pytest.approx(300, rel=0.02)
    assert any("echo found at" in line for line in fit.notes)


def test_what_cannot_be_fitted_says_why(task, small_lattice):
    curve = noisy(task, TRUTH)
    with pytest.raises(ValueError, match="noise > 0"):
        nmrsim.fit(task, curve)
    with pytest.raises(ValueError, match="uniform kernel"):
        nmrsim.fit(small_lattice, nmrsim.simulate(small_lattice), noise=NOISE)
    with pytest.raises(ValueError, match="two or more curves"):
        nmrsim.fit(task, curve, noise=NOISE, joint=True)
    with pytest.raises(nmrsim.InputError, match="none.csv"):
        nmrsim.fit(task, "none.csv", noise=NOISE)
    with pytest.raises(ValueError, match="arrays alone"):
        nmrsim.fit(task, curve, task.time_us, noise=NOISE)
    with pytest.raises(ValueError, match="shape"):
        nmrsim.fit(task, np.zeros((3, 17)), noise=NOISE)


def test_a_model_answers_and_is_refined():
    inverse = pytest.importorskip("nmrsim.inverse", reason="built without LibTorch")
    model = inverse.load_model("challenge-2021")
    curves = [noisy(model.experiment, [60.0, 120.0, angle], angle) for angle in (30, 50)]
    fit = nmrsim.fit(model, curves, noise=NOISE, samples=5)
    np.testing.assert_allclose(fit.estimates.mean, model.fit(curves, noise=NOISE).mean, rtol=1e-6)
    assert fit.samples.shape == (2, 5, 3) and len(fit.refinements) == 0
    refined = nmrsim.fit(model, curves, noise=NOISE, refine=True)
    assert comes_home(refined, [[60, 120, 30], [60, 120, 50]])
    assert np.all(refined.estimates.sd < fit.estimates.sd)
    together = nmrsim.fit(model, curves, noise=NOISE, joint=True)
    assert comes_home(together, [[60, 120, 30], [60, 120, 50]])
    assert together.estimates.mean[0, 0] == together.estimates.mean[1, 0]


def test_dead_samples_gaps_and_deviations_are_heeded():
    random = np.random.default_rng(3)
    experiment = nmrsim.Experiment.from_words(tau="50us", line="lorentzian:15kHz", pulses="60,120")
    truth = [12.0, 30.0, 60.0]
    clean = nmrsim.simulate(nmrsim.with_parameters(experiment, truth))
    n = len(clean)
    sigma = np.full(n, 1e-3)
    sigma[250:] *= 20.0
    m = clean.m + sigma * (random.normal(size=n) + 1j * random.normal(size=n))
    m[100:110] = np.nan
    kept = np.r_[0:150, 170:n]
    curve = nmrsim.Signal(clean.time_us[kept], 40.0 * m.real[kept], 40.0 * m.imag[kept])
    fit = nmrsim.fit(experiment, [curve], measured=True, sigma=40.0 * sigma[kept])
    assert np.all(np.abs(fit.estimates.mean[0] - truth) < 5.0 * fit.estimates.sd[0])
    assert fit.verdicts == ["ok"]
    assert "curve 0: 30 samples do not count" in fit.notes


def test_experiments_are_compared_by_evidence():
    experiment = nmrsim.Experiment.from_words(tau="50us", line="lorentzian:15kHz", pulses="60,120")
    clean = nmrsim.simulate(nmrsim.with_parameters(experiment, [12.0, 30.0, 60.0]))
    odds = nmrsim.compare(
        experiment, ["uniform", "none"], clean.with_noise(1e-3, seed=1), how={"noise": 1e-3}
    )
    assert odds.alternatives == ["uniform", "none"]
    assert odds.probability[0, 0] > 0.999
    assert odds.chi_square[0, 1] > 10.0 * odds.degrees[0, 1]
    with pytest.raises(TypeError, match="fit\\(\\) has no keyword nosie"):
        nmrsim.compare(experiment, ["uniform", "none"], clean, how={"nosie": 1.0})
