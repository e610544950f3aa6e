/// The samples that the receiver does not hear.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// Samples in a dead time, ascending.
std::vector<std::size_t> dead_samples(const Experiment& experiment);

/// Largest |M| of the samples outside a dead time, of which the tolerance is a share; of all
/// samples where none is outside. `signal` is the spins' own, not zero where it is not heard.
double heard_peak(const Experiment& experiment, const Signal& signal);

/// The same of (points) of a curve, `dead` from dead_samples().
double heard_peak(const std::vector<std::size_t>& dead, std::span<const float> mx,
                  std::span<const float> my);

/// Largest difference of M+ at these samples; nan where one is.
double heard_difference(const Experiment& experiment, const Signal& a, const Signal& b);

/// The larger one of two differences to a better curve, nan where one is: that of M+ as a share of
/// the largest |M+| that is heard, and that of Mz as a share of all M.
///
/// Args: least: in place of a smaller |M+|.
double relative_difference(const Experiment& experiment, const Signal& signal, const Signal& better,
                           double least);

/// Whether a sample lies within a pulse that takes time; one at its very start does.
bool samples_pulses(const Experiment& experiment);

}  // namespace nmrsim
