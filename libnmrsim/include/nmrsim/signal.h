/// What a simulation returns.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nmrsim {

/// Ensemble means of (Ix, Iy, Iz) at the acquisition's times; all (points).
struct Signal {
    std::vector<double> time_us;  ///< from the start of the sequence [us]
    std::vector<double> mx;
    std::vector<double> my;
    std::vector<double> mz;
    double estimated_error = 0.0;  ///< estimated largest error of M, as a share of the largest |M|

    std::size_t points() const { return time_us.size(); }
};

/// A signal and its derivatives with respect to named parameters.
struct SignalJacobian {
    Signal signal;
    std::vector<std::string> parameters;   ///< (k)
    std::vector<std::vector<double>> dmx;  ///< (k, points) per unit of the parameter
    std::vector<std::vector<double>> dmy;  ///< (k, points)
    std::vector<std::vector<double>> dmz;  ///< (k, points)
};

/// Largest |M(t) - M'(t)| of the transverse magnetization over the window.
///
/// Throws: std::invalid_argument unless both have the same number of points.
double largest_difference(const Signal& a, const Signal& b);

/// Largest |M| of the transverse magnetization over the window.
double peak_magnitude(const Signal& signal);

/// Root mean square |M(t) - M'(t)| of the transverse magnetization over the window.
double rms_difference(const Signal& a, const Signal& b);

/// Adds independent Gaussian noise of standard deviation `sigma`, in units of M, to mx and to my:
/// the same for the same seed and index, and as generate_dataset() adds to its curve `index`.
///
/// Throws: std::invalid_argument unless sigma >= 0.
void add_noise(Signal& signal, double sigma, std::uint64_t seed, std::uint64_t index = 0);

}  // namespace nmrsim
