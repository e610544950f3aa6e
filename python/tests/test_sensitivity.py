"""Derivatives against differences, and the Cramer-Rao bound against its definition."""

import numpy as np
import pytest

import nmrsim


def test_derivatives_are_those_of_the_curve(echo):
    echo["accuracy.tolerance"] = 1e-8
    jacobian = nmrsim.simulate_with_jacobian(echo)
    assert jacobian.parameters == echo.unknowns
    assert jacobian.dmx.shape == (3, 856)
    step = 1e-3  # of 75 kHz: central differences are off by step^2 / 6 times the third derivative
    for key, row in (("interaction.alpha_x_khz", 0), ("sequence.flip_deg", 2)):
        middle = echo[key]
        curves = []
        for sign in (1, -1):
            echo[key] = middle + sign * step
            curves.append(nmrsim.simulate(echo))
        echo[key] = middle
        differences = (curves[0].m - curves[1].m) / (2 * step)
        exact = jacobian.dmx[row] + 1j * jacobian.dmy[row]
        # The curves' own error, 1e-8 of 1/2, over the step's width: 5e-6.
        assert np.abs(differences - exact).max() < 1e-5
        assert np.abs(exact).max() > 1e-3


def test_batch_of_derivatives(echo):
    values = [[60.0, 100.0, 40.0], [20.0, 200.0, 80.0]]
    curves, derivatives = nmrsim.simulate_batch_with_jacobian(echo, values)
    assert curves.shape == (2, 2, 856) and derivatives.shape == (2, 3, 2, 856)
    assert derivatives.dtype == np.float32
    one = nmrsim.simulate_with_jacobian(nmrsim.with_parameters(echo, values[1]))
    # Both are derivatives of curves that are off by 1e-4; relative to the largest the same.
    for k in range(3):
        largest = np.abs(one.dmx[k]).max()
        assert np.abs(derivatives[1, k, 0] - one.dmx[k]).max() < 1e-2 * largest
    picked = nmrsim.simulate_batch_with_jacobian(echo, [[40.0]], names=["flip_deg"])[1]
    assert picked.shape == (1, 1, 2, 856)


def test_cramer_rao(echo):
    jacobian = nmrsim.simulate_with_jacobian(echo, ["alpha_x_khz", "alpha_z_khz"])
    information = nmrsim.fisher_information(jacobian, noise=1e-3)
    rows = np.concatenate([jacobian.dmx, jacobian.dmy], axis=1)
    # Sums of 1,712 doubles.
    np.testing.assert_allclose(information.matrix, rows @ rows.T / 1e-6, rtol=1e-12)
    bound = nmrsim.cramer_rao_bound(information)
    np.testing.assert_allclose(bound, np.linalg.inv(information.matrix), rtol=1e-9)
    np.testing.assert_allclose(
        nmrsim.cramer_rao_deviations(information), np.sqrt(np.diag(bound)), rtol=1e-12
    )
    assert information.parameters == ["alpha_x_khz", "alpha_z_khz"]


def test_what_is_wrong_is_named(echo):
    with pytest.raises(ValueError, match="noise"):
        nmrsim.simulate_with_jacobian(echo, ["noise"])
    with pytest.raises(ValueError, match="noise must be > 0"):
        nmrsim.fisher_information(nmrsim.simulate_with_jacobian(echo), noise=-3)
