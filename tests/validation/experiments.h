/// Experiments that several sections look at.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace validation {

/// A Hahn echo with everything on, under the uniform kernel: tau 12 us, 37 samples in 36 us.
inline nmrsim::Experiment uniform_echo() {
    nmrsim::Experiment e;
    e.interaction.alpha_x_khz = 90.0;
    e.interaction.alpha_z_khz = 150.0;
    e.sequence.program = nmrsim::HahnEcho{
        .flip_deg = 55.0, .flip_phase_deg = 20.0, .refocus_phase_deg = 75.0, .tau_us = 12.0};
    e.acquisition.start_us = 0.0;
    e.acquisition.stop_us = 36.0;
    e.acquisition.points = 37;
    e.accuracy.precision = nmrsim::Precision::double_;
    return e;
}

/// The same on a plane of 12 x 12 with a normalised gaussian kernel.
inline nmrsim::Experiment lattice_echo() {
    nmrsim::Experiment e = uniform_echo();
    e.interaction.kernel = nmrsim::GaussianKernel{1.5};
    e.interaction.normalize = true;
    e.lattice = {12, 12, 1, 5};
    return e;
}

inline nmrsim::HahnEcho& echo_of(nmrsim::Experiment& experiment) {
    return std::get<nmrsim::HahnEcho>(experiment.sequence.program);
}

inline std::complex<double> transverse(const nmrsim::Signal& signal, std::size_t i) {
    return {signal.mx[i], signal.my[i]};
}

/// Largest difference of M+ or Mz.
inline double largest_difference_of_all(const nmrsim::Signal& a, const nmrsim::Signal& b) {
    double largest = nmrsim::largest_difference(a, b);
    for (std::size_t i = 0; i < a.points(); ++i) {
        largest = std::max(largest, std::abs(a.mz[i] - b.mz[i]));
    }
    return largest;
}

}  // namespace validation
