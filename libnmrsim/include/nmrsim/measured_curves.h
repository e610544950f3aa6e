/// Curves as an instrument or a script left them: text, NumPy or plain HDF5.
#pragma once

#include <string>
#include <vector>

#include "nmrsim/curve_format.h"
#include "nmrsim/numeric_array.h"

namespace nmrsim {

/// Curves on one axis of times, in whatever unit the receiver gives.
struct MeasuredCurves {
    std::vector<double> time_us;  ///< (points), ascending [us]
    std::vector<float> signal;    ///< (count, 2, points), Re and Im
    std::string axis;             ///< where the times and their unit are from, in a few words
    /// (count, points), or none: each sample's standard deviation, on each of Re and Im, > 0.
    std::vector<float> sigma = {};
    /// (count, points), or none: samples that do not count, because they are missing or were not
    /// numbers; they are 0 here.
    std::vector<bool> dead = {};

    std::size_t points() const { return time_us.size(); }
    std::size_t count() const { return points() ? signal.size() / (2 * points()) : 0; }
};

/// Reads a text file (see read_curve()), a .npy or .npz file, or the data set FILE:/PATH of an HDF5
/// file.
///
/// A signal array is complex (points) or (count, points), or real (points, 2), (points, 3) with the
/// time first, or (count, 2, points). In .npz and HDF5 files it is named signal or by `format` and
/// may be two arrays, re and im; times are an array (points) named time, or beside the data set.
/// A column or an array sigma, of the signal's shape or (points), is each sample's standard
/// deviation; samples that are not a number are dead.
/// Throws: InputError that names the file, the place and what was expected.
MeasuredCurves read_measured_curves(const std::string& input, const CurveFormat& format = {});

/// What is done with curves from wherever they come: first samples left out and Im turned as the
/// format says, samples that are not a number (NaN) dead. Args: name: for messages. Throws:
/// InputError where nothing is left.
MeasuredCurves as_told(MeasuredCurves curves, const CurveFormat& format, const std::string& name);

/// The same with dead samples where the times leave some out: evenly spaced, where all times lie
/// on one grid to a fiftieth of its spacing, of which they fill an eighth or more.
MeasuredCurves with_gaps_filled(MeasuredCurves curves);

/// FILE:/PATH, taken apart; an empty path where `input` is no such.
struct Hdf5Place {
    std::string file;
    std::string name;
};
Hdf5Place hdf5_place(const std::string& input);

/// "856 points, spacing 0.15915 us, from 131.78 to 267.86 us; times in us as the file says".
std::string axis_in_words(const MeasuredCurves& curves);

}  // namespace nmrsim
