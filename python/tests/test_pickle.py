"""What calls return comes back from pickle as it was."""

import copy
import pickle

import numpy as np
import pytest

import nmrsim


def again(value):
    return pickle.loads(pickle.dumps(value))


def test_curves(echo):
    curve = nmrsim.simulate(echo)
    for back in (again(curve), copy.deepcopy(curve)):
        assert np.array_equal(back.m, curve.m) and np.array_equal(back.mz, curve.mz)
        assert np.array_equal(back.time_us, curve.time_us)
        assert back.estimated_error == curve.estimated_error > 0


def test_data_sets():
    echo = nmrsim.Experiment("kernel-recognition", {"lattice.nx": 8, "lattice.ny": 8})
    data = nmrsim.generate_dataset(echo, 3, seed=2, first_index=5)
    back = again(data)
    assert np.array_equal(back.signal, data.signal)
    assert np.array_equal(back.parameters, data.parameters)
    assert back.unknowns == data.unknowns and back.experiment == data.experiment
    assert (back.seed, back.first_index, back.version) == (2, 5, data.version)


def test_derivatives(echo):
    jacobian = nmrsim.simulate_with_jacobian(echo)
    back = again(jacobian)
    assert back.parameters == jacobian.parameters
    assert np.array_equal(back.dmx, jacobian.dmx)
    information = nmrsim.fisher_information(jacobian, 1e-3)
    assert np.array_equal(again(information).matrix, information.matrix)


def test_models_and_fits(echo):
    inverse = pytest.importorskip("nmrsim.inverse")
    model = inverse.load_model("challenge-2021")
    curve = nmrsim.simulate(echo).with_noise(1e-3, seed=1)
    estimates = model.fit(curve, noise=1e-3)
    assert np.array_equal(again(estimates).mean, estimates.mean)
    assert np.array_equal(again(model).fit(curve, noise=1e-3).mean, estimates.mean)
    fit = model.refine(curve, noise=1e-3)
    back = again(fit)
    assert np.array_equal(back.estimate, fit.estimate) and back.factor == fit.factor
    assert np.array_equal(back.covariance, fit.covariance)
    assert len(back.rivals) == len(fit.rivals)
    # What chi-square may be off by goes along: at 0 no fit would be within the noise.
    assert fit.within_noise() and back.within_noise()


def test_posteriors(echo):
    inverse = pytest.importorskip("nmrsim.inverse")
    curves = [nmrsim.simulate(echo).with_noise(1e-3, seed=seed) for seed in (1, 2)]
    posterior = inverse.load_model("challenge-2021").posterior(curves, 1e-3, threads=1)
    back = again(posterior)
    assert len(back) == 2
    assert np.array_equal(back.sample(5, seed=3), posterior.sample(5, seed=3))
    assert np.array_equal(back.summary().sd, posterior.summary().sd)
    assert np.array_equal(back.distance(), posterior.distance())


def test_measured_and_joint_fits(echo):
    inverse = pytest.importorskip("nmrsim.inverse")
    model = inverse.load_model("challenge-2021")
    curve = nmrsim.simulate(echo).with_noise(1e-3, seed=1)
    record = inverse.fit_measured(model, curve.time_us, 3.0 * curve.m, noise=3e-3, align=False)
    back = again(record)
    assert np.array_equal(back.signal, record.signal) and np.array_equal(back.starts, record.starts)
    assert np.array_equal(back.time_us, record.time_us)
    assert (back.shift_us, back.factor, back.noise) == (record.shift_us, record.factor, record.noise)
    assert np.array_equal(back.fit.covariance, record.fit.covariance)
    assert back.fit.within_noise() == record.fit.within_noise()
    other = nmrsim.simulate(echo).with_noise(1e-3, seed=2)
    both = np.stack([[c.mx, c.my] for c in (curve, other)])
    starts = model.posterior(both, 1e-3).sample(32, seed=1)
    joint = inverse.fit_jointly(model.experiment, both, starts, 1e-3)
    back = again(joint)
    assert np.array_equal(back.estimate, joint.estimate) and np.array_equal(back.sd, joint.sd)
    assert np.array_equal(back.covariance, joint.covariance) and back.names == joint.names
    assert back.within_noise() == joint.within_noise() is True
    assert list(back.factor) == list(joint.factor)
