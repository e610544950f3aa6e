/// Training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/model.h"
#include "nmrinverse/network_kinds.h"
#include "nmrinverse/receiver_spread.h"
#include "nmrsim/dataset.h"
#include "nmrsim/dataset_reader.h"

namespace nmrinverse {

struct TrainingOptions {
    int epochs = 20;  ///< passes over the data (simulated afresh where simulated), >= 1
    std::size_t curves_per_epoch = 0;  ///< where simulated on the fly; the file's count where read
    double minutes = 0.0;         ///< stop (on schedule: the learning rate follows the time) after
                                  ///< this many minutes; 0: by epochs alone
    int batch = 512;              ///< curves a step, >= 1
    double learning_rate = 2e-3;  ///< peak of AdamW's, > 0; ten times as much for matrices
    double weight_decay = 1e-2;   ///< decoupled, a share of the learning rate, >= 0
    double warm_up = 0.05;        ///< share of the steps until the peak, in [0, 1)
    /// Share of the data kept for early stopping and calibration, in (0, 0.5]; absent: 0.1, or
    /// where few curves can calibrate 0.2.
    std::optional<double> held_out;
    int patience = 0;  ///< epochs without improvement before stopping; 0: never
    int replays = 2;   ///< times that a simulated curve is used, >= 1: once when it is
                       ///< new, and again later among others
    /// What looks at the curve first; absent: convolutions for a data set of few curves, dense
    /// layers otherwise.
    std::optional<Embedding> embedding;
    /// What it sees; absent: phase-free for a data set of few curves, plain for many of drawn
    /// ensembles, otherwise all.
    std::optional<CurveFeatures> features;
    /// Learn from one of the aliases of alpha_z of each curve, another in each pass, where a data
    /// set at hand has few curves or trains convolutions, and the symmetry is exact:
    /// nmrsim::with_alpha_z_aliases.
    bool alpha_z_aliases = true;
    /// Learn from each curve's mirror image, where it is as likely, half of the times that the
    /// curve is used: nmrsim::mirror_axis_deg.
    bool mirrored = true;
    int width = 64;    ///< of the network's residual stream
    int hidden = 256;  ///< of each block's hidden layer
    int blocks = 6;    ///< residual blocks
    /// Filters of a second look at the curve half-way, which the first look has weighted; 0: none;
    /// absent: 512 for a data set of many curves of drawn ensembles, otherwise none.
    std::optional<int> gates;
    /// File of a model of the same experiment, trained on other curves: a first look. What it reads
    /// of a curve, and what the curve keeps beyond the mean field that this tells of
    /// (nmrsim::MeanFieldResidual), is seen beside the curve, and the model becomes a part of the
    /// one trained. Drawn ensembles, noise-free; empty: none.
    std::string first_look = {};
    /// Networks side by side, in [1, 64]; absent: one, or where curves are few, several.
    std::optional<int> members;
    Head head = Head::flow;
    int pieces = 16;                ///< of the flow's splines
    double posterior_weight = 0.1;  ///< of the posterior's likelihood beside the estimates' errors,
                                    ///< > 0
    ReceiverSpread receiver;
    double time_zero_us = 0.0;  ///< the clock may be off by up to so much, either way [us]; only
                                ///< where curves are simulated
    double noise_low = 0.0;     ///< noise added on the fly, log-uniform between low and high,
    double noise_high = 0.0;    ///< in units of M; 0, 0: none
    int memory_mb = 512;  ///< a data set that takes more memory is read as it is used, through a
                          ///< buffer of half as much that shuffles its curves, >= 1 [MiB]
    std::uint64_t seed = 1;
    int threads = 0;  ///< 0: all cores
    Device device = Device::cpu;
    std::string checkpoint;  ///< file to save to after each epoch; empty: none
    bool resume = false;     ///< go on from the checkpoint where there is one

    void validate() const;
};

/// Sets the noise from "SIGMA" or "LOW:HIGH". Args: what: names the text in messages. Throws:
/// std::invalid_argument for another text.
void set_noise(TrainingOptions& options, const std::string& text,
               const std::string& what = "noise");

/// One line of progress.
struct TrainingProgress {
    int epoch = 0;          ///< of the running one, from 1
    double fraction = 0.0;  ///< of the whole training done, in [0, 1]
    double curves_per_s = 0.0;
    double train_loss = 0.0;
    double held_out_loss = 0.0;         ///< of the last finished epoch
    double held_out_log_density = 0.0;  ///< of the joint posterior on the unit box, the same
    std::vector<double> held_out_mse;   ///< (unknowns), of the last finished epoch
    int best_epoch = 0;                 ///< whose weights are kept so far; 0: none yet
    double learning_rate = 0.0;
};

/// Called a few times a second; false stops the training, which then returns the best model so far.
/// Called once more when all is learnt.
using TrainingReport = std::function<bool(const TrainingProgress&)>;

/// Processes that train one model together: each computes its part of every batch. All pass the
/// same data and options, and the same random draws make it the training of one process, to
/// rounding; all return the same model, and the first alone writes checkpoints.
struct TrainingPeers {
    int rank = 0;  ///< of this one, from 0
    int size = 1;
    /// Sums arrays of one length over all, in place, to the same bits on each.
    std::function<void(std::span<float>)> sum;
    std::function<int(int)> largest;  ///< of the values of all
};

/// Trains on a data set at hand. The experiment is the data set's own.
///
/// The same data, options and number of threads give the same model, but for `minutes`. Stopped by
/// `report` and resumed from its checkpoint, the training ends as if it had not been stopped: the
/// checkpoint is that of the last whole epoch.
/// Throws: std::invalid_argument for options or data that cannot be used; std::runtime_error where
/// the loss stops being a number.
Model train(const nmrsim::Dataset& data, const TrainingOptions& options,
            const TrainingReport& report = {}, const TrainingPeers& peers = {});

/// The same of a data set of any size. One that fits options.memory_mb is read at once; of a larger
/// one the curves held out are spread evenly over it, at most 16384, and a checkpoint may come
/// after each filling of the buffer.
Model train(const nmrsim::DatasetReader& data, const TrainingOptions& options,
            const TrainingReport& report = {}, const TrainingPeers& peers = {});

/// Trains on curves simulated as it goes, in the background: epochs * curves_per_epoch of them,
/// fewer where `minutes` end before. Noise is the options', or the experiment's where they have
/// none.
Model train(const nmrsim::Experiment& experiment, const TrainingOptions& options,
            const TrainingReport& report = {}, const TrainingPeers& peers = {});

/// What train() takes for this many curves where the options leave it open, in words:
/// "4 networks, convolution, phase-free features, aliases of alpha_z".
std::string network_in_words(const TrainingOptions& options, const nmrsim::Experiment& experiment,
                             std::size_t count);

/// "epoch 3, 52000 curves/s, loss 1.234, held out 5.678 nats, alpha_x 2.3 kHz, alpha_z 28 kHz": the
/// last are root mean squared errors on the held-out part.
std::string progress_in_words(const TrainingProgress& now, const nmrsim::Prior& prior);

/// The same of a trained model, with the curves seen and what its widths are by. Args: kept: epoch
/// whose weights it has.
std::string training_in_words(const Model& model, int kept);

/// What a data set's curves leave in doubt as something to train on, one line each: fewer than 500,
/// values that no echo has, curves of nothing but zeros or of one number, parameters outside the
/// prior. Of many curves, 20,000 all over the set are looked at.
std::vector<std::string> doubts_about(const nmrsim::DatasetReader& data);
std::vector<std::string> doubts_about(const nmrsim::Dataset& data);

/// What a trained model leaves in doubt: "" or a line, where it learnt too little to say much more
/// than the prior.
std::string doubt_about(const Model& model);

/// The model with its widths fitted anew, on curves that it was not trained on.
///
/// Args: data: noise-free curves of the model's experiment, some thousand; noise of every level
/// that the model was trained for is put on here, and the receiver's freedom. A model without noise
/// of its own takes curves as they are. receiver: absent, what the model's record tells, or a fixed
/// one where it does not.
/// Throws: std::invalid_argument for data that do not fit the model: another size, noise beside the
/// model's own, or a clock that is right where the model's may be off.
Model calibrate(const Model& model, const nmrsim::Dataset& data,
                const std::optional<ReceiverSpread>& receiver = {}, std::uint64_t seed = 1,
                int threads = 0);

}  // namespace nmrinverse
