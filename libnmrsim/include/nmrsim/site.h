/// Kinds of spins that an ensemble holds beside each other.
#pragma once

#include <optional>

namespace nmrsim {

/// Spins with a line, relaxation and pulse strength of their own; what is empty is as the
/// experiment's `line` and `relaxation` say. All sites see one mean field. Uniform kernel.
struct Site {
    double weight = 1.0;                                 ///< share of the spins in any unit, > 0
    double shift_khz = 0.0;                              ///< of its line from line.centre_khz [kHz]
    std::optional<double> half_width_khz = {};           ///< of its line [kHz], > 0
    std::optional<double> gaussian_half_width_khz = {};  ///< of a Voigt line [kHz], > 0
    double pulse_scale = 1.0;                 ///< strength of its pulses over the experiment's
    std::optional<double> gamma1_per_s = {};  ///< [1/s], >= 0
    std::optional<double> gamma2_per_s = {};  ///< [1/s], >= 0
    std::optional<double> gamma3_per_s = {};  ///< [1/s], >= 0

    bool operator==(const Site&) const = default;
};

}  // namespace nmrsim
