/// What people read off a curve: the echo's integral, its spectrum, its decay over windows and
/// records.
#pragma once

#include <complex>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// One window of one record.
struct EchoIntegral {
    std::size_t record = 0;  ///< of a series, from 0
    std::size_t window = 0;  ///< of the record, from 0
    double time_us = 0.0;    ///< the window's middle, from the start of the sequence [us]
    /// Integral of M+ over the window, by the trapezoidal rule [us]; M+ itself where it has a
    /// single sample.
    std::complex<double> integral;
};

/// The integral over each window of each record, in the order of the samples.
///
/// Args: signal: of the experiment, as simulate() gives it.
/// Throws: std::invalid_argument for a signal of another number of samples.
std::vector<EchoIntegral> echo_integrals(const Experiment& experiment, const Signal& signal);

/// How a curve is weighted before it is transformed, about the time that phases count from.
struct Apodisation {
    double lorentzian_khz = 0.0;  ///< full width that exp(-pi width |t|) adds [kHz], >= 0
    double gaussian_khz = 0.0;    ///< full width at half height that a Gaussian adds [kHz], >= 0
};

/// The spectrum of one window.
struct Spectrum {
    double centre_us = 0.0;               ///< the time that phases count from [us]
    std::vector<double> frequency_khz;    ///< ascending, even [kHz]
    std::vector<std::complex<double>> s;  ///< integral of M+ exp(+2 pi i f t) dt [us]
};

/// The spectrum of each window of each record: spins of the offset f show at +f.
///
/// Phases count from the echo where the last pulse before a window has one in it, else from the
/// window's first sample. Frequencies are those below half the sampling rate, four to each that the
/// window's length tells apart.
///
/// Throws: std::invalid_argument for widths < 0, for a window of fewer than 2 samples and as above.
std::vector<Spectrum> spectra(const Experiment& experiment, const Signal& signal,
                              const Apodisation& apodisation = {});

/// What nmr-simulate --observe calls them: "echo-integral", "spectrum", "decay".
const std::vector<std::string>& observable_names();

/// A table with one line for each integral, or for each frequency, of it; a series has a column for
/// each key in which its records differ.
///
///     echo-integral  [KEY,...,]time_us,re,im,magnitude
///     decay          [KEY,...,]time_us,magnitude,relative    relative to the first
///     spectrum       [KEY,...,][time_us,]frequency_khz,re,im,magnitude   time_us of several
///     windows
///
/// Throws: std::invalid_argument for an unknown name, naming the nearest, and as above.
std::string observable_to_csv(const std::string& name, const Experiment& experiment,
                              const Signal& signal, const Apodisation& apodisation = {});

}  // namespace nmrsim
