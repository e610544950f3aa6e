/// Curves as a model reads them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "arrays.h"
#include "nmrsim/experiment.h"

namespace nmrpython {

/// (count, 2, points) float32, the caller's memory where it is that already.
struct Curves {
    Input<float> signal;
    std::size_t count = 0;
    std::span<const float> values() const { return numbers(signal); }
};

/// Takes a Signal or a sequence of them; complex arrays (points) or (n, points), M = Mx + i My;
/// real arrays (2, points) or (n, 2, points).
///
/// Signals sampled evenly at other times that cover the experiment's are resampled.
/// Throws: pybind11::value_error for another shape, or Signals whose times cannot be used.
Curves curves_of(const py::object& signal, const nmrsim::Experiment& experiment);

/// The same, of one curve only.
Curves one_curve_of(const py::object& signal, const nmrsim::Experiment& experiment);

/// Any number of curves, arrays as above, sampled at `points` times.
Curves any_curves_of(const py::object& signal, py::ssize_t points);

/// One curve (points) complex or (2, points), sampled at `points` times of its own.
Curves any_curve_of(const py::object& signal, py::ssize_t points);

/// A noise level for each curve, (count): one for all or one each.
std::vector<double> noise_of(const Input<double>& noise, std::size_t count);

}  // namespace nmrpython
