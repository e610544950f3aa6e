"""Data sets: draws, arrays without copies, HDF5 and challenge folders."""

import numpy as np
import pytest

import nmrsim


def test_curve_i_depends_on_seed_and_index_alone(echo):
    whole = nmrsim.generate_dataset(echo, 6, seed=9)
    part = nmrsim.generate_dataset(echo, 2, seed=9, first_index=4, threads=1)
    assert len(whole) == 6 and whole.unknowns == echo.unknowns
    assert np.array_equal(whole.signal[4:], part.signal)
    assert np.array_equal(whole.parameters, nmrsim.draw_parameters(echo, 6, seed=9))
    low, high = np.array(list(echo.prior.values())).T
    assert np.all(whole.parameters >= low) and np.all(whole.parameters <= high)


def test_arrays_are_the_sets_memory(echo):
    data = nmrsim.generate_dataset(echo, 3, seed=1)
    signal, parameters = data.signal, data.parameters
    assert signal.shape == (3, 2, 856) and signal.dtype == np.float32
    assert parameters.shape == (3, 3) and parameters.dtype == np.float64
    assert np.shares_memory(signal, data.signal) and np.shares_memory(parameters, data.parameters)
    assert signal.base is data
    sums = signal.sum(), parameters.sum()
    del data
    assert sums == (signal.sum(), parameters.sum())  # the arrays keep the set


def test_noise_is_that_of_the_signal(echo):
    echo["acquisition.noise"] = 0.01
    noisy = nmrsim.generate_dataset(echo, 2, seed=4)
    echo["acquisition.noise"] = 0.0
    clean = nmrsim.generate_dataset(echo, 2, seed=4)
    curve = nmrsim.Signal(clean.time_us, *clean.signal[1]).with_noise(0.01, seed=4, index=1)
    # One rounding to float32 of numbers below 1.
    assert np.abs(noisy.signal[1, 0] - curve.mx).max() < 2e-7


def test_hdf5_there_and_back(echo, tmp_path):
    data = nmrsim.generate_dataset(echo, 4, seed=2, first_index=7)
    path = tmp_path / "set.h5"
    nmrsim.write_dataset(data, path)
    back = nmrsim.read_dataset(path)
    assert np.array_equal(back.signal, data.signal)
    assert np.array_equal(back.parameters, data.parameters)
    # Times are in seconds in the file: a rounding there and one back.
    np.testing.assert_allclose(back.time_us, data.time_us, rtol=1e-15)
    assert (back.seed, back.first_index, back.version) == (2, 7, nmrsim.__version__)
    assert back.experiment == echo
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(nmrsim.InputError, match="set.h5"):
        nmrsim.read_dataset(path)


def test_a_set_of_ones_own_arrays(echo, tmp_path):
    signal = np.zeros((2, 2, 856))
    unlabelled = nmrsim.Dataset(echo, signal)
    assert unlabelled.parameters.shape == (0, 3)
    labelled = nmrsim.Dataset(echo, signal, [[1.0, 2.0, 30.0], [3.0, 4.0, 50.0]])
    nmrsim.write_dataset(labelled, tmp_path / "own.h5")
    assert nmrsim.read_dataset(tmp_path / "own.h5").parameters[1, 2] == 50.0
    with pytest.raises(ValueError, match=r"\(n, 2, 856\)"):
        nmrsim.Dataset(echo, np.zeros((2, 856)))
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        nmrsim.Dataset(echo, signal, np.zeros((2, 4)))


def test_challenge_folder(echo, tmp_path):
    data = nmrsim.generate_dataset(echo, 3, seed=1)
    nmrsim.write_challenge(data, echo, tmp_path / "folder")
    back = nmrsim.read_challenge(tmp_path / "folder", echo)
    # float32 as text: at least 6 digits of numbers below 1/2.
    assert np.abs(back.signal - data.signal).max() < 1e-6
    np.testing.assert_allclose(back.parameters, data.parameters, rtol=1e-6)


def test_no_prior_no_draws(echo):
    echo.prior = {}
    with pytest.raises(ValueError, match="prior"):
        nmrsim.generate_dataset(echo, 1, seed=1)
