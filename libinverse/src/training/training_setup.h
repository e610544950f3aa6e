/// What a training settles before it starts.
#pragma once

#include "network/torch.h"

#include <memory>
#include <span>

#include "curve/curve_features.h"
#include "model/first_look.h"
#include "nmrinverse/trainer.h"

namespace nmrinverse {

/// Where there are fewer curves than this to learn from, by default several members look at them
/// through convolutions, blind to the phase. More curves than that do more for one network than
/// other networks beside it.
constexpr std::size_t kManyCurves = 20'000;

/// Throws: std::invalid_argument for cuda where there is none.
torch::Device device_of(const TrainingOptions& options);

/// What is left open by the options, settled.
TrainingOptions settled(TrainingOptions options, const nmrsim::Experiment& experiment,
                        bool few_curves);

/// Whether settled options make a data set at hand be learnt from beside its aliases: where curves
/// are few, or the network is one for few.
bool learns_from_aliases(const TrainingOptions& options, const nmrsim::Experiment& experiment,
                         bool few_curves);

/// Threads that a step is shared among: with less to do, they would wait for each other.
int learning_threads(const TrainingOptions& options, int cores);

/// The first look that the options ask for; null where they ask for none.
///
/// Throws: nmrsim::InputError for a model that cannot be read; std::invalid_argument for one of
/// another experiment, or for noise and a receiver left free, which a first look cannot bear.
std::shared_ptr<const FirstLook> first_look_of(const TrainingOptions& options,
                                               const nmrsim::Experiment& experiment);

/// Features for curves like these.
///
/// Args: signal: (count, 2, points). first: what else they see; null: nothing.
Features features_for(const nmrsim::Experiment& experiment, std::span<const float> signal,
                      std::size_t count, const TrainingOptions& options, const FirstLook* first,
                      int threads);

}  // namespace nmrinverse
