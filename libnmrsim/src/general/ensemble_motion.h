/// An ensemble from the start of its sequence to the last sample.
#pragma once

#include <vector>

#include "general/ensemble_steps.h"
#include "general/step_size.h"

namespace nmrsim {

/// Where steps end. The first run of an experiment chooses steps as the spins' field asks for
/// them; others take the same, each cut into as many parts, so that two answers tell the steps'
/// error and derivatives are those of the curve.
struct StepSchedule {
    /// Whether steps go through the whole stretch and samples are interpolated, (stretches).
    std::vector<bool> interpolates;
    /// Of each time span between stops: ends of its steps as shares of it, ascending to 1.
    std::vector<std::vector<double>> ends;

    bool empty() const { return interpolates.empty(); }
    /// Steps in one run of whole steps.
    double steps() const;
};

/// Magnetization at the samples, (points).
///
/// Args: schedule: an empty one is filled. threads: for ensembles that are large enough; the result
/// does not depend on it.
/// Throws: std::runtime_error for more steps than can be counted, Stopped.
template <class Scalar>
std::vector<Vec3<Scalar>> evolve(const Experiment& experiment, const EnsembleInputs<Scalar>& inputs,
                                 const EnsembleRates& rates, const StepSize& size,
                                 StepSchedule& schedule, int threads);

}  // namespace nmrsim
