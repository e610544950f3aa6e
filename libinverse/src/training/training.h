/// One training, step by step.
#pragma once

#include "network/torch.h"

#include <chrono>
#include <cstdint>
#include <optional>

#include "nmrinverse/trainer.h"
#include "training/calibrating_curves.h"
#include "training/data_windows.h"
#include "training/trainer_state.h"
#include "training/training_data.h"
#include "training/training_random.h"

namespace nmrinverse {

/// One training, from its data to a model.
class Training {
public:
    /// Args: start: time counts from then on.
    Training(TrainerState state, const TrainingOptions& options, const TrainingReport& report,
             const TrainingPeers& peers, std::chrono::steady_clock::time_point start);

    /// Otherwise the calibration is fitted on the held-out curves.
    void calibrate_on(CalibratingCurves curves) {
        calibrating_ = std::move(curves);
        all_calibrating_ = calibrating_.curves.count();
    }

    /// On the curves at hand.
    Model run(const TrainingCurves& curves, TrainingCurves held_out);

    /// On curves that are read window after window.
    Model run(DataWindows& windows, TrainingCurves held_out);

    /// On `epochs * chunks_per_epoch` chunks of the stream.
    Model run(CurveStream& stream, std::int64_t chunk, std::int64_t chunks_per_epoch,
              TrainingCurves held_out);

private:
    enum class Go { on, stop };
    /// This process's part of a batch.
    struct Share {
        std::int64_t begin = 0;
        std::int64_t end = 0;
        double weight = 1.0;  ///< of its means in those of the batch
    };

    double elapsed() const;  ///< [s], those of earlier runs too
    /// Of a timed training: what is left once the calibration has had its part [s].
    double learning_seconds() const { return 60.0 * options_.minutes - reserved_; }
    double fraction() const;
    bool alone() const { return peers_.size == 1; }
    Share share_of(std::int64_t count) const;
    /// The sum of the processes' tensors.
    torch::Tensor summed(const torch::Tensor& mine) const;
    /// The whole of curves of which this process has a part.
    TrainingCurves whole(const TrainingCurves& mine, std::int64_t at, std::int64_t count) const;
    double learning_rate() const;
    /// Args: loss: this process's part of it. Returns: the whole.
    double sum_gradients(double loss);
    /// Takes the first process's state. Those of the others differ from it by roundings at most.
    void agree();
    bool any_stops(bool mine) const { return alone() ? mine : peers_.largest(mine) != 0; }
    void save_checkpoint();
    void hold_out(TrainingCurves held_out);
    void reserve_time();
    /// Leaves so many of the calibrating curves as this time bears. Returns: what they take [s].
    double calibrate_within(double seconds);
    NetworkAnswer run_held_out(const std::vector<std::pair<std::string, torch::Tensor>>& weights);
    /// Steps through `order`, positions in the pool.
    Go learn(const torch::Tensor& order, const torch::Generator& random);
    double loss_of(const torch::Tensor& mse) const;
    TrainingProgress progress() const;
    void step(const torch::Tensor& positions, const torch::Generator& random);
    Go end_epoch();
    void evaluate_epoch();
    torch::Tensor embedding_of_unlearnt(const NetworkAnswer& held_out);
    Model finish();

    const TrainingOptions& options_;
    const TrainingReport& report_;
    const TrainingPeers& peers_;
    TrainerState state_;
    torch::Device device_;
    PosteriorNet probe_;                     ///< carries averaged weights when they are looked at
    torch::Tensor real_;                     ///< (unknowns), 0 for a categorical one
    Calibration plain_;                      ///< that changes nothing
    std::optional<double> mirror_axis_deg_;  ///< where curves are mirrored by chance
    torch::Tensor pool_;                     ///< (capacity, 2, samples)
    torch::Tensor unknowns_;                 ///< (capacity, unknowns)
    TrainingCurves held_out_;                ///< with noise
    CalibratingCurves calibrating_;          ///< may be none
    std::int64_t all_calibrating_ = 0;       ///< before the time was too short for some
    torch::Tensor held_out_clean_;           ///< (n, 2, samples), without
    torch::Tensor held_out_noise_;           ///< (n), level of each
    double reserved_ = 0.0;                  ///< for the calibration [s]
    long steps_in_all_ = 0;
    std::int64_t chunk_ = 0;   ///< curves of one, where simulated
    bool time_alone_ = false;  ///< the number of steps does not end it
    std::chrono::steady_clock::time_point start_;
    double last_report_ = 0.0;
    double last_checkpoint_ = -1e9;  ///< the first one comes at once
    std::size_t seen_before_ = 0;
};

}  // namespace nmrinverse
