/// The last look at what a simulation hands out.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// Throws std::runtime_error where one of the numbers of a curve is not finite.
template <typename Real>
void require_finite(std::span<const Real> numbers) {
    if (std::all_of(numbers.begin(), numbers.end(), [](Real x) { return std::isfinite(x); })) {
        return;
    }
    throw std::runtime_error(
        "a simulated curve holds numbers that are not finite: its parameters are beyond what "
        "floating-point numbers or its steps can follow");
}

/// A result is refused where its own estimate of its error is more than so many tolerances.
inline constexpr double kFarAbove = 10.0;

/// Below this share of full polarisation the window holds no signal worth the name.
inline constexpr double kLeastShare = 1e-4;

/// Nodes, steps or a precision that the user set: the error is the user's own.
bool is_forced(const Accuracy& accuracy);

/// Throws where |M| of the spins is larger than their start state and their relaxation allow:
/// std::logic_error, which asks for a report, or std::invalid_argument where is_forced().
///
/// Args: mx, my, mz: (points), mz may be empty; numbers that are not finite pass.
template <typename Real>
void require_possible(const Experiment& experiment, std::span<const Real> mx,
                      std::span<const Real> my, std::span<const Real> mz);

/// The same, and throws std::runtime_error where the estimated error is far above the tolerance.
///
/// The tolerance is a share of the largest |M| outside dead times, or of 1e-4 of a fully polarised
/// one: what is smaller is no signal.
void require_right(const Experiment& experiment, const Signal& signal);

/// The same for another tolerance than the experiment's own.
void require_right(const Experiment& experiment, const Signal& signal, double tolerance);

}  // namespace nmrsim
