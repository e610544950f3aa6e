"""What the tests share."""

import pytest

import nmrsim


@pytest.fixture
def echo():
    """The task of 2021, its echo sampled at 856 points."""
    return nmrsim.Experiment("challenge-2021")


@pytest.fixture
def small_lattice():
    """A finite-range kernel on 16 x 16 sites: quick, and it draws its offsets."""
    settings = {"lattice.nx": 16, "lattice.ny": 16, "interaction.xi": 3.0, "acquisition.points": 60}
    return nmrsim.Experiment("published-echo", settings)
