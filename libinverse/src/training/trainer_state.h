/// The state of a training between epochs, and its checkpoint.
#pragma once

#include <string>
#include <vector>

#include "model/model_state.h"
#include "nmrinverse/trainer.h"
#include "training/curve_pace.h"
#include "training/optimizer.h"

namespace nmrinverse {

/// Everything that the next step depends on, but for the curves.
struct TrainerState {
    std::shared_ptr<Model::State> model;  ///< the network being trained
    std::unique_ptr<Optimizer> optimizer;
    std::vector<std::pair<std::string, torch::Tensor>> average;  ///< running mean of the weights
    std::vector<std::pair<std::string, torch::Tensor>> best;     ///< the average at its best
    torch::Tensor scale;  ///< (unknowns), running mean squared error, unit-box coordinates
    int epoch = 0;        ///< finished
    int best_epoch = 0;
    long steps = 0;                     ///< done
    std::int64_t chunks = 0;            ///< simulated chunks that were trained on
    CurvePortions portions = {};        ///< where simulated; 0: of an earlier version's checkpoint
    double seconds = 0.0;               ///< spent before this run [s]
    double held_out_loss = 0.0;         ///< of the last finished epoch
    double held_out_log_density = 0.0;  ///< of the joint posterior, of the last finished epoch
    double best_log_density = 0.0;
    double best_loss = 0.0;
    std::vector<double> held_out_mse;  ///< (unknowns), of the last finished epoch
    std::vector<double> best_mse;
    std::string data = {};  ///< what tells the data set that is trained on; empty: simulated
};

/// A network with fresh weights from `options.seed`.
TrainerState new_trainer_state(const nmrsim::Experiment& experiment, Features features,
                               const TrainingOptions& options, const torch::Device& device);

/// Writes options.checkpoint, whole or not at all.
void write_checkpoint(const TrainerState& state, const TrainingOptions& options);

/// Reads options.checkpoint into a new state, features included.
///
/// Throws: nmrsim::InputError where it is no checkpoint, or one of another experiment, options or
/// data set.
TrainerState read_checkpoint(const nmrsim::Experiment& experiment, const TrainingOptions& options,
                             const std::string& data, const torch::Device& device);

}  // namespace nmrinverse
