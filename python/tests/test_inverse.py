"""Trained models through Python: what they say, and that it is what the C++ side says."""

import numpy as np
import pytest

import nmrsim

inverse = pytest.importorskip("nmrsim.inverse", reason="built without LibTorch")

TRUTH = np.array([60.0, 120.0, 40.0])
NOISE = 1e-3


@pytest.fixture(scope="module")
def model():
    return inverse.load_model("challenge-2021")


@pytest.fixture(scope="module")
def curve(model):
    echo = nmrsim.with_parameters(model.experiment, TRUTH)
    return nmrsim.simulate(echo).with_noise(NOISE, seed=1)


def test_models_that_ship():
    assert "challenge-2021" in inverse.shipped_models()
    with pytest.raises(nmrsim.InputError, match="challenge-2021"):
        inverse.load_model("nothing")


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(nmrsim.InputError, match="bad.safetensors"):
        inverse.load_model(path)


def test_fit(model, curve):
    estimates = model.fit(curve, noise=NOISE)
    assert model.unknowns == ["alpha_x_khz", "alpha_z_khz", "flip_deg"]
    assert estimates.mean.shape == (1, 3) and len(estimates) == 1
    assert estimates.mean.base is estimates
    # Within five of its own standard deviations; the curve and its noise are always the same.
    assert np.all(np.abs(estimates.mean[0] - TRUTH) < 5 * estimates.sd[0])
    assert np.all(estimates.q05 < estimates.q25) and np.all(estimates.q75 < estimates.q95)
    assert estimates.probabilities.shape == (1, 0)
    assert model.record["head"] == "flow" and model.largest_noise > NOISE


def test_all_forms_of_a_curve_are_the_same(model, curve):
    expected = model.fit(curve, NOISE).mean
    both = np.stack([curve.mx, curve.my])
    for form in ([curve], both, both[None], both.astype(np.float32), curve.m, curve.m[None]):
        assert np.array_equal(model.fit(form, NOISE).mean, expected)
    two = model.fit(np.stack([both, 0.5 * both]), [NOISE, 2 * NOISE])
    assert two.mean.shape == (2, 3) and np.array_equal(two.mean[:1], expected)
    with pytest.raises(ValueError, match=r"\(2, 856\)"):
        model.fit(both[:, :-1], NOISE)
    with pytest.raises(ValueError, match="noise"):
        model.fit(both, [NOISE, NOISE])
    with pytest.raises(ValueError, match="model's times"):
        model.fit(nmrsim.Signal(curve.time_us + 1.0, curve.mx, curve.my), NOISE)
    both[0, 3] = np.nan
    with pytest.raises(ValueError, match="point 3"):
        model.fit(both, NOISE)


def test_posterior(model, curve):
    posterior = model.posterior([curve, curve], NOISE)
    draws = posterior.sample(2000, seed=3)
    assert draws.shape == (2, 2000, 3)
    assert np.array_equal(draws, posterior.sample(2000, seed=3))
    summary = posterior.summary()
    quantiles = posterior.quantiles([0.05, 0.95])
    assert quantiles.shape == (2, 3, 2)
    np.testing.assert_allclose(quantiles[..., 0], summary.q05)
    # The first unknown's draws are of its marginal: the mean of 2,000 within five standard errors.
    error = summary.sd[0, 0] / np.sqrt(2000)
    assert abs(draws[0, :, 0].mean() - summary.mean[0, 0]) < 5 * error
    density = posterior.log_prob(np.stack([summary.mean, summary.mean + 50.0], axis=1))
    assert density.shape == (2, 2) and np.all(density[:, 0] > density[:, 1])
    assert np.all(posterior.distance() <= 1.0)
    with pytest.raises(ValueError, match=r"\(2, m, 3\)"):
        posterior.log_prob(TRUTH)


def test_refine(model, curve):
    best = model.refine(curve, NOISE, seed=1, threads=1)
    assert best.converged and best.within_noise()
    assert np.all(np.abs(best.estimate - TRUTH) < 5 * best.sd)
    np.testing.assert_allclose(best.sd, np.sqrt(np.diag(best.covariance)))
    # Given the truth as a start, the same minimum: both stop within a hundredth of the deviations.
    again = inverse.refine(model.experiment, curve, [TRUTH], NOISE)
    assert np.all(np.abs(again.estimate - best.estimate) < 0.05 * best.sd)
    turned = nmrsim.Signal(curve.time_us, *(2.0 * np.array([curve.my, -curve.mx])))
    free = model.refine(turned, 2 * NOISE, fit_gain=True, fit_phase=True)
    # -i times a gain of 2, each known to about noise / (1/2 sqrt(1712)) = 1e-4 of it, and the
    # phase with what the couplings share of it.
    assert abs(free.factor + 2j) < 0.1
    with pytest.raises(ValueError, match="one curve"):
        model.refine([curve, curve], NOISE)
    with pytest.raises(ValueError, match="noise must be > 0"):
        model.refine(curve, 0.0)


def test_noise_from_the_scatter(model, curve):
    estimated = inverse.estimated_noise(curve, model.experiment)
    # Differences of the eighth order of 2 x 856 samples: good to about 5% (1 sigma).
    assert abs(estimated / NOISE - 1) < 0.25


def test_gradient_is_the_slope_of_the_estimate(model, curve):
    slope = model.gradient(curve, NOISE)
    assert slope.shape == (3, 2, 856)
    # Along one smooth change of the whole curve, against a central difference. The network's single
    # precision, some 1e-5 of 300 kHz, over the step's 0.02 is 0.15 at worst; slopes are 0.6 to 14.
    m = np.stack([curve.mx, curve.my])
    change = m * np.linspace(-1.0, 1.0, m.shape[1])
    exact = (slope * change).sum((1, 2))
    step = 1e-2
    means = [model.fit(m + sign * step * change, NOISE).mean[0] for sign in (1, -1)]
    difference = (means[0] - means[1]) / (2 * step)
    np.testing.assert_allclose(difference, exact, rtol=1e-2)


def test_other_times_are_resampled(model, curve):
    """A curve on a finer, longer axis gives what the one at the model's times does."""
    echo = nmrsim.with_parameters(model.experiment, TRUTH)
    fine = nmrsim.Experiment(
        "challenge-2021",
        {
            "interaction.alpha_x_khz": TRUTH[0],
            "interaction.alpha_z_khz": TRUTH[1],
            "sequence.flip_deg": TRUTH[2],
            "acquisition.start_us": 125.0,
            "acquisition.stop_us": 280.0,
            "acquisition.points": 3101,
        },
    )
    own = model.fit(nmrsim.simulate(echo), NOISE)
    resampled = model.fit(nmrsim.simulate(fine), NOISE)
    # The resampling keeps a curve to 1e-4, a tenth of the noise that the widths are for.
    assert np.all(np.abs(own.mean - resampled.mean) < 0.3 * own.sd)


def test_a_measured_echo_comes_home(model):
    """Unknown gain, phase and zero of time, noise from the tail."""
    experiment = nmrsim.Experiment(
        "challenge-2021",
        {
            "interaction.alpha_x_khz": TRUTH[0],
            "interaction.alpha_z_khz": TRUTH[1],
            "sequence.flip_deg": TRUTH[2],
            "acquisition.start_us": 110.0,
            "acquisition.stop_us": 310.0,
            "acquisition.points": 1001,
        },
    )
    echo = nmrsim.simulate(experiment).with_noise(NOISE, seed=2)
    factor = 300.0 * np.exp(0.7j)
    found = inverse.fit_measured(model, echo.time_us - 95.0, factor * echo.m, seed=1)
    assert found.fit.within_noise()
    # Five standard deviations each; the curve and its noise are always the same.
    assert np.all(np.abs(found.fit.estimate - TRUTH) < 5 * found.fit.sd)
    assert abs(found.factor / factor - 1.0) < 0.02
    assert found.shift_us == pytest.approx(-95.0, abs=0.1)
    # The record's own samples, 0.2 us apart, as far as the model's window goes.
    assert found.signal.shape == (2, found.time_us.size) and found.starts.shape[1] == 3
    window = model.experiment.time_us
    assert found.time_us.size in (680, 681) and np.allclose(np.diff(found.time_us), 0.2)
    assert window[0] <= found.time_us[0] and found.time_us[-1] <= window[-1]


def test_joint_fit(model):
    angles = (30.0, 60.0)
    curves = [
        nmrsim.simulate(
            nmrsim.with_parameters(model.experiment, np.array([TRUTH[0], TRUTH[1], angle]))
        ).with_noise(NOISE, seed=i)
        for i, angle in enumerate(angles)
    ]
    starts = model.posterior(curves, NOISE).sample(64, seed=1)
    fit = inverse.fit_jointly(model.experiment, curves, starts, NOISE)
    assert fit.within_noise()
    assert fit.estimate.shape == (2, 3) and np.array_equal(fit.estimate[0, :2], fit.estimate[1, :2])
    truth = np.array([[TRUTH[0], TRUTH[1], angle] for angle in angles])
    assert np.all(np.abs(fit.estimate - truth) < 5 * fit.sd)
    assert fit.names[:2] == ["alpha_x_khz", "alpha_z_khz"]
