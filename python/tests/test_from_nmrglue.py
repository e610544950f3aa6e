"""Instrument formats: files that nmrglue writes come out as curves that nmr-fit reads."""

import importlib.util
import pathlib

import numpy as np
import pytest

import nmrsim

nmrglue = pytest.importorskip("nmrglue")

SCRIPT = pathlib.Path(__file__).parents[1] / "examples" / "from_nmrglue.py"
SPEC = importlib.util.spec_from_file_location("from_nmrglue", SCRIPT)
from_nmrglue = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(from_nmrglue)

DWELL_US = 0.5
START_US = 80.0
POINTS = 256


def echoes(count):
    """Traces (count, POINTS) complex64, as a receiver would have them: any gain, any phase."""
    t = DWELL_US * np.arange(POINTS)
    each = [np.exp(-((t - 40 - 5 * i) ** 2) / 200 + 0.3j * t) for i in range(count)]
    return (1000 * np.array(each)).astype(np.complex64)


def universal(data):
    dic = nmrglue.fileiobase.create_blank_udic(data.ndim)
    for axis in range(data.ndim):
        dic[axis].update(
            size=data.shape[axis],
            sw=1e6 / DWELL_US,
            obs=100.0,
            car=0.0,
            complex=True,
            time=True,
            freq=False,
            encoding="direct",
            label="1H",
        )
    if data.ndim == 2:
        dic[0].update(encoding="states")
    return dic


def write_pipe(path, data):
    nmrglue.pipe.write(str(path), nmrglue.pipe.create_dic(universal(data)), data, overwrite=True)


def write_bruker(path, data, **parameters):
    dic = nmrglue.bruker.create_dic(universal(data))
    dic["acqus"].update(SW_h=1e6 / DWELL_US, BYTORDA=0, DTYPA=2, AQ_mod=3, **parameters)
    nmrglue.bruker.write(
        str(path), dic, data, isfloat=True, big=False, overwrite=True, write_prog=False
    )


def convert(path, *options):
    out = path.parent / "echo.csv"
    from_nmrglue.main([str(path), "--out", str(out), *map(str, options)])
    return out


def assert_is(path, trace, start_us=START_US):
    curve = nmrsim.read_curve(path)
    # nmrglue keeps the sweep width as a float32 in NMRPipe; the CSV has nine digits.
    np.testing.assert_allclose(curve.time_us, start_us + DWELL_US * np.arange(POINTS), rtol=1e-6)
    np.testing.assert_allclose(curve.m, trace, atol=1e-5)


def test_nmrpipe(tmp_path):
    data = echoes(1)[0]
    write_pipe(tmp_path / "echo.fid", data)
    assert_is(convert(tmp_path / "echo.fid", "--start-us", START_US), data)


def test_bruker(tmp_path):
    data = echoes(1)[0]
    write_bruker(tmp_path / "1", data)
    assert_is(convert(tmp_path / "1", "--start-us", START_US), data)


def test_brukers_digital_filter_is_removed(tmp_path):
    delay = 16
    data = echoes(1)[0]
    write_bruker(tmp_path / "1", np.roll(data, delay), GRPDLY=float(delay), DECIM=1, DSPFVS=20)
    curve = nmrsim.read_curve(convert(tmp_path / "1", "--start-us", START_US))
    # A whole number of samples: a plain shift, by way of a Fourier transform in single precision.
    seen = np.abs(curve.m[:180] - data[:180]).max()
    assert seen < 1e-2
    kept = nmrsim.read_curve(convert(tmp_path / "1", "--keep-filter"))
    assert np.abs(kept.m[delay:] - data[:-delay]).max() < 1e-3


def test_varian(tmp_path):
    data = echoes(1)[0]
    dic = nmrglue.varian.create_dic(universal(data))
    dic["procpar"]["sw"] = nmrglue.varian.create_pdic_param("sw", [str(1e6 / DWELL_US)])
    nmrglue.varian.write(str(tmp_path / "echo.fid"), dic, data, overwrite=True)
    assert_is(convert(tmp_path / "echo.fid", "--start-us", START_US), data)


def test_spinsolve(tmp_path):
    data = echoes(1)[0]
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "acqu.par").write_text(f"dwellTime = {DWELL_US}\nb1Freq = 43.4\n")
    times = (1e-6 * DWELL_US * np.arange(POINTS)).astype("<f4")
    parts = np.column_stack([data.real, data.imag]).astype("<f4")
    header = np.array([0, 0, 0, 500, POINTS, 1, 1, 1], dtype="<i4")
    (folder / "data.1d").write_bytes(header.tobytes() + times.tobytes() + parts.tobytes())
    assert_is(convert(folder, "--start-us", START_US), data)


def test_a_train_has_gaps(tmp_path):
    data = echoes(1)[0]
    write_pipe(tmp_path / "echo.fid", data)
    out = convert(tmp_path / "echo.fid", "--gap-every", 64, "--block-us", 40)
    times = nmrsim.read_curve(out).time_us
    np.testing.assert_allclose(times[[0, 63, 64, 255]], [0.0, 31.5, 40.0, 151.5])


@pytest.mark.parametrize("name, word", [("echo.jdf", "JEOL"), ("folder", "of no maker")])
def test_what_cannot_be_read_is_named(tmp_path, name, word):
    path = tmp_path / name
    path.write_text("x") if "." in name else path.mkdir()
    with pytest.raises(SystemExit, match=word):
        from_nmrglue.main([str(path), "--out", str(tmp_path / "x.csv")])


def test_jcamp(tmp_path):
    data = echoes(1)[0].round()
    last = DWELL_US * 1e-6 * (POINTS - 1)

    def page(number, symbol, values):
        lines = [f"##PAGE= N={number}", f"##DATA TABLE= (X++({symbol}..{symbol})), XYDATA"]
        lines += [
            f"{first} " + " ".join(str(int(v)) for v in values[first : first + 8])
            for first in range(0, POINTS, 8)
        ]
        return lines

    text = [
        "##TITLE= echo",
        "##JCAMP-DX= 5.00",
        "##DATA TYPE= NMR FID",
        "##DATA CLASS= NTUPLES",
        "##ORIGIN= test",
        "##OWNER= test",
        "##.OBSERVE FREQUENCY= 100.0",
        "##.OBSERVE NUCLEUS= ^1H",
        "##NTUPLES= NMR FID",
        "##VAR_NAME= TIME, FID/REAL, FID/IMAG, PAGE NUMBER",
        "##SYMBOL= X, R, I, N",
        "##VAR_TYPE= INDEPENDENT, DEPENDENT, DEPENDENT, PAGE",
        "##VAR_FORM= AFFN, ASDF, ASDF, AFFN",
        f"##VAR_DIM= {POINTS}, {POINTS}, {POINTS}, 2",
        "##UNITS= SECONDS, ARBITRARY UNITS, ARBITRARY UNITS,",
        f"##FIRST= 0, 0, 0, 1",
        f"##LAST= {last}, 0, 0, 2",
        f"##FACTOR= {last / (POINTS - 1)}, 1, 1, 1",
        *page(1, "R", data.real),
        *page(2, "I", data.imag),
        "##END NTUPLES= NMR FID",
        "##END=",
    ]
    path = tmp_path / "echo.dx"
    path.write_text("\n".join(text) + "\n")
    assert_is(convert(path, "--start-us", START_US), data)


def test_several_traces(tmp_path):
    data = echoes(3)
    write_pipe(tmp_path / "sweep.fid", data)
    convert(tmp_path / "sweep.fid", "--start-us", START_US)
    for i in range(3):
        assert_is(tmp_path / f"echo_{i:03d}.csv", data[i])


def test_options(tmp_path):
    data = echoes(1)[0]
    write_pipe(tmp_path / "echo.fid", data)
    curve = nmrsim.read_curve(
        convert(tmp_path / "echo.fid", "--conjugate", "--peak", 0.25, "--dwell-us", 2)
    )
    assert abs(np.abs(curve.m).max() - 0.25) < 1e-8
    np.testing.assert_allclose(curve.m, data.conj() * 0.25 / np.abs(data).max(), atol=1e-8)
    assert curve.time_us[1] == 2.0


def test_what_is_wrong_is_one_line(tmp_path):
    data = echoes(1)[0]
    dic = universal(data)
    dic[0].update(time=False, freq=True)
    nmrglue.pipe.write(str(tmp_path / "s.ft"), nmrglue.pipe.create_dic(dic), data)
    for path in (tmp_path / "s.ft", tmp_path / "missing.dx"):
        with pytest.raises(SystemExit, match=f"from_nmrglue.py: {path}: ") as stopped:
            from_nmrglue.main([str(path), "--out", str(tmp_path / "x.csv")])
        assert "\n" not in str(stopped.value)
        assert not (tmp_path / "x.csv").exists()
