/// The last look at what a simulation hands out.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>

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

}  // namespace nmrsim
