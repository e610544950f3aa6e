/// nmrinverse::fit() for Python, by whatever fits.
#pragma once

#include <pybind11/pybind11.h>

#include <functional>
#include <span>

#include "nmrinverse/fit.h"
#include "nmrsim/experiment.h"

namespace nmrpython {

using FitCall = std::function<nmrinverse::FitResult(std::span<const nmrinverse::InputCurves> inputs,
                                                    const nmrinverse::FitOptions& options)>;

/// The fields of nmrsim.Fit, by name.
///
/// Args: curves, time_us, options: those of nmrsim.fit(). Releases the GIL.
pybind11::dict fitted(const nmrsim::Experiment& experiment, const pybind11::object& curves,
                      const pybind11::object& time_us, const pybind11::dict& options,
                      const FitCall& fit);

}  // namespace nmrpython
