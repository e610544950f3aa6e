"""Experiments: keys, files, priors, copies and what is refused."""

import copy
import pickle

import numpy as np
import pytest

import nmrsim


def test_shipped_experiments_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = nmrsim.shipped_experiments()
    assert "challenge-2021" in names
    for name in names:
        assert nmrsim.Experiment(name).name == name
        assert nmrsim.shipped_experiment_summary(name)


def test_settings_by_key(echo):
    echo["interaction.alpha_x_khz"] = 60
    echo.set("sequence.flip_deg", np.float64(30.5))
    echo["acquisition.points"] = np.int64(11)
    echo["line.shape"] = "gaussian"
    echo["line.renormalize"] = True
    assert echo["interaction.alpha_x_khz"] == 60.0
    assert echo["sequence.flip_deg"] == 30.5
    assert echo["acquisition.points"] == 11
    assert echo["line.shape"] == "gaussian"
    assert echo["line"]["renormalize"] is True
    # The default y coupling is that along x; a derived row is read like a plain one.
    assert echo["interaction.alpha_y_khz"] == 60.0
    assert echo["acquisition.dwell_us"] == pytest.approx(
        (267.8577692236599 - 131.78029288008935) / 10
    )


def test_settings_of_the_constructor(tmp_path):
    made = nmrsim.Experiment("challenge-2021", {"acquisition.points": 5, "accuracy.nodes": "auto"})
    assert len(made.time_us) == 5
    path = tmp_path / "mine.toml"
    path.write_text(made.to_toml())
    assert nmrsim.Experiment(path) == made
    assert nmrsim.Experiment(str(path), {"line.half_width_khz": 20.0}) != made


def test_sequences_of_values_and_text(echo):
    echo["line.table"] = np.array([[-10.0, 0.0], [0.0, 1.0], [10.0, 0.0]])
    echo["line.shape"] = "table"
    assert echo["line.table"] == [[-10.0, 0.0], [0.0, 1.0], [10.0, 0.0]]
    echo["sequence.events"] = [{"pulse_deg": 90.0}, {"delay_us": 5.0}, {"pulse_deg": 180.0}]
    assert [sorted(event) for event in echo["sequence.events"]][1] == ["delay_us"]
    echo.sequence = "pulse 90 x; delay 20us; pulse 90 y; acquire 20us 80us 121"
    assert echo["acquisition.points"] == 121
    assert echo.sequence.startswith("pulse 90")
    echo["name"] = 'with "quotes" and\nlines'
    assert nmrsim.Experiment.from_toml(echo.to_toml()).name == 'with "quotes" and\nlines'


def test_prior_is_read_and_written(echo):
    assert echo.unknowns == ["alpha_x_khz", "alpha_z_khz", "flip_deg"]
    assert echo.prior["flip_deg"] == (10.0, 90.0)
    echo.prior = {"tau_us": (50.0, 60.0), "alpha_x_khz": [0, 10]}
    assert echo.unknowns == ["tau_us", "alpha_x_khz"]
    recognition = nmrsim.Experiment("kernel-recognition")
    assert "gaussian" in recognition.prior["kernel"]
    recognition.prior = recognition.prior
    with pytest.raises(ValueError, match="tau_uss"):
        echo.prior = {"tau_uss": (0.0, 1.0)}
    with pytest.raises(ValueError, match="low, high"):
        echo.prior = {"tau_us": (0.0, 1.0, 2.0)}
    assert echo.unknowns == ["tau_us", "alpha_x_khz"]


def test_copies_are_independent(echo):
    for same in (
        echo.copy(),
        copy.copy(echo),
        copy.deepcopy(echo),
        pickle.loads(pickle.dumps(echo)),
    ):
        assert same == echo
        same["sequence.flip_deg"] = 1.0
        assert same != echo
    assert "challenge-2021" in repr(echo)


def test_what_is_wrong_is_named(echo, tmp_path):
    with pytest.raises(nmrsim.InputError, match="did you mean challenge-2021"):
        nmrsim.Experiment("chalenge-2021")
    with pytest.raises(nmrsim.InputError, match="did you mean alpha_x_khz"):
        echo["interaction.alfa_x_khz"] = 1.0
    with pytest.raises(KeyError, match="did you mean interaction.alpha_x_khz"):
        echo["interaction.alfa_x_khz"]
    with pytest.raises(KeyError):
        echo["nothing"]
    with pytest.raises(TypeError, match="expected a bool"):
        echo["interaction.alpha_x_khz"] = object()
    with pytest.raises(ValueError, match="line.half_width_khz"):
        nmrsim.Experiment("challenge-2021", {"line.half_width_khz": 0.0})
    path = tmp_path / "bad.toml"
    path.write_text("[interaction]\nkernel = 3\n")
    with pytest.raises(nmrsim.InputError, match=r"bad.toml:2: "):
        nmrsim.Experiment(path)
    assert issubclass(nmrsim.InputError, ValueError)
    assert nmrsim.InputError.__module__ == "nmrsim"


def test_warnings(echo):
    assert echo.warnings() == []
    echo["sequence.tau_us"] = 1e-4  # seconds where microseconds belong
    assert any("tau_us" in line for line in echo.warnings())


def test_table_of_parameters():
    rows = {row.name: row for row in nmrsim.parameters()}
    assert rows["alpha_x_khz"].unit == "kHz"
    assert rows["alpha_x_khz"].table == "interaction"
    assert rows["xi"].lower == 0.0 and rows["xi"].upper > 0.0 and rows["xi"].help
