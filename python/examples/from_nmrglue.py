#!/usr/bin/env python3
"""Reads time-domain data of Bruker, Varian or Agilent, Tecmag, Magritek's Spinsolve, JCAMP-DX or
NMRPipe with nmrglue and writes CSV curves.

    from_nmrglue.py expno_folder --out echo.csv
    from_nmrglue.py echo.fid --start-us 131.8 --out echo.csv

A file of several traces becomes echo_000.csv, echo_001.csv, ... Each has the columns time_us, mx,
my that nmr-fit and nmrsim.read_curve() read: real and imaginary part, in the instrument's units.
"""

import argparse
import pathlib
import sys

import nmrglue
import numpy as np

SUFFIXES = {".dx": "jcamp", ".jdx": "jcamp", ".jcamp": "jcamp", ".tnt": "tecmag"}


# By a file that only this maker's folders have.
FOLDERS = {"acqus": "bruker", "procpar": "varian", "acqu.par": "spinsolve"}
OTHERS = {
    ".jdf": "a JEOL file: export it as JCAMP-DX",
    ".mrc": "an MR Solutions or Mnova file: export it as JCAMP-DX or text",
    ".mnova": "a Mnova document: export it as JCAMP-DX or text",
    ".nmrml": "an nmrML file: export it as JCAMP-DX",
    ".mat": "a MATLAB file: nmr-fit reads those of version 7.3 itself, FILE.mat:/NAME",
    ".h5": "an HDF5 file: nmr-fit reads it itself, FILE.h5:/NAME",
    ".npy": "a NumPy array: nmr-fit reads it itself",
    ".csv": "a text: nmr-fit reads it itself",
    ".txt": "a text: nmr-fit reads it itself",
}


def format_of(path):
    """Folders go by what lies in them, files by their suffix; NMRPipe has none of its own."""
    if path.is_dir():
        for file, maker in FOLDERS.items():
            if (path / file).exists():
                return maker
        raise ValueError(f"a folder without {', '.join(FOLDERS)}: of no maker that is known here")
    if path.suffix.lower() in OTHERS:
        raise ValueError(OTHERS[path.suffix.lower()])
    return SUFFIXES.get(path.suffix.lower(), "pipe")


def read_bruker(path, keep_filter):
    dic, data = nmrglue.bruker.read(str(path))
    if not keep_filter and dic["acqus"].get("GRPDLY", 0) > 0:
        data = nmrglue.bruker.remove_digital_filter(dic, data)
    return 1e6 / dic["acqus"]["SW_h"], data


def read_varian(path):
    dic, data = nmrglue.varian.read(str(path), as_2d=True)
    return 1e6 / float(dic["procpar"]["sw"]["values"][0]), data


def read_spinsolve(path):
    names = [name for name in ("nmr_fid.dx", "data.1d", "fid.1d") if (path / name).exists()]
    if not names:
        raise ValueError("expected nmr_fid.dx, data.1d or fid.1d: a spectrum is no echo")
    dic, data = nmrglue.spinsolve.read(str(path), specfile=names[0])
    acquired = dic["acqu"]
    if "dwellTime" in acquired:
        return float(acquired["dwellTime"]), data
    return 1e3 / float(acquired["bandwidth"]), data


def read_pipe(path):
    dic, data = nmrglue.pipe.read(str(path))
    axis = nmrglue.pipe.guess_udic(dic, data)[data.ndim - 1]
    if axis["freq"]:
        raise ValueError("expected time-domain data, found a spectrum")
    return 1e6 / axis["sw"], data


def read_tecmag(path):
    dic, data = nmrglue.tecmag.read(str(path))
    return 1e6 / dic["sw"][0], data.T  # Tecmag's first dimension is time


def read_jcamp(path):
    dic, data = nmrglue.jcampdx.read(str(path))
    if "FID" not in dic.get("DATATYPE", [""])[0].upper():
        raise ValueError("expected DATA TYPE= NMR FID")
    if not isinstance(data, list):
        raise ValueError("expected a real and an imaginary part (NTUPLES)")
    # nmrglue calls the extent of the x axis its sweep width; of an FID it is a time.
    seconds = nmrglue.jcampdx.guess_udic(dic, data)[0]["sw"]
    return 1e6 * seconds / (len(data[0]) - 1), data[0] + 1j * data[1]


def read(path, format, keep_filter=False):
    """The time between samples [us] and the traces, (n, points) complex."""
    readers = {
        "pipe": read_pipe,
        "tecmag": read_tecmag,
        "jcamp": read_jcamp,
        "varian": read_varian,
        "spinsolve": read_spinsolve,
    }
    if format == "bruker":
        dwell_us, data = read_bruker(path, keep_filter)
    else:
        dwell_us, data = readers[format](path)
    data = np.asarray(data)
    if not np.iscomplexobj(data):
        raise ValueError("expected complex data, found only one channel")
    return dwell_us, data.reshape(-1, data.shape[-1]).astype(np.complex128)


def write_csv(path, time_us, m):
    table = np.column_stack([time_us, m.real, m.imag])
    np.savetxt(path, table, fmt="%.9g", delimiter=",", header="time_us,mx,my", comments="")


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="CSV to write")
    parser.add_argument(
        "--format", choices=["bruker", "jcamp", "pipe", "spinsolve", "tecmag", "varian"]
    )
    parser.add_argument(
        "--start-us", type=float, default=0.0, help="time of the first sample from the first pulse"
    )
    parser.add_argument(
        "--dwell-us", type=float, help="time between samples, where the file is wrong"
    )
    parser.add_argument(
        "--conjugate",
        action="store_true",
        help="the spectrometer turns the other way: My changes sign",
    )
    parser.add_argument(
        "--gap-every",
        type=int,
        metavar="POINTS",
        help="a train of echoes: the record is blocks of so many points, --block-us apart",
    )
    parser.add_argument("--block-us", type=float, help="from one block's first sample to the next's")
    parser.add_argument("--peak", type=float, help="scale so that the largest |M| is this")
    parser.add_argument(
        "--keep-filter", action="store_true", help="Bruker: leave the digital filter's delay in"
    )
    options = parser.parse_args(arguments)
    try:
        format = options.format or format_of(options.input)
        dwell_us, traces = read(options.input, format, options.keep_filter)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"from_nmrglue.py: {options.input}: {error}")
    if options.conjugate:
        traces = traces.conj()
    if options.peak:
        traces = traces * (options.peak / np.abs(traces).max())
    dwell_us = options.dwell_us or dwell_us
    time_us = options.start_us + dwell_us * np.arange(traces.shape[1])
    if options.gap_every:
        if not options.block_us or options.block_us < options.gap_every * dwell_us:
            sys.exit("from_nmrglue.py: --gap-every needs --block-us, no less than a block's length")
        block, inside = np.divmod(np.arange(traces.shape[1]), options.gap_every)
        time_us = options.start_us + options.block_us * block + dwell_us * inside
    print(
        f"{len(traces)} trace(s) of {traces.shape[1]} points every {dwell_us:.6g} us from "
        f"{options.start_us:g} us ({format})",
        file=sys.stderr,
    )
    for i, trace in enumerate(traces):
        out = options.out
        if len(traces) > 1:
            out = out.with_name(f"{out.stem}_{i:03d}{out.suffix}")
        write_csv(out, time_us, trace)


if __name__ == "__main__":
    main()
