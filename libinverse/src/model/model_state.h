/// What is behind a Model.
#pragma once

#include "network/torch.h"

#include <string>
#include <utility>
#include <vector>

#include "curve/curve_features.h"
#include "model/reduction.h"
#include "model/tensor_file.h"
#include "network/calibration.h"
#include "network/posterior_net.h"
#include "nmrinverse/model.h"
#include "nmrinverse/receiver_spread.h"

namespace nmrinverse {

/// Numbers of EmbeddingReference::quantiles.
inline constexpr int kReferenceSteps = 201;

/// Where the embeddings of curves held out of the training lie (the first member's).
struct EmbeddingReference {
    torch::Tensor mean;       ///< (width)
    torch::Tensor whitening;  ///< (width, width): (embedding - mean) times it has unit covariance
    torch::Tensor quantiles;  ///< (kReferenceSteps), rising: quantiles of their distances from
                              ///< the least to the largest
};

struct Model::State {
    nmrsim::Experiment experiment;
    TrainingRecord record;
    Features features;
    PosteriorNet net;
    Calibration calibration;
    EmbeddingReference reference;
    torch::Device device = torch::kCPU;
    std::shared_ptr<const FirstLook> first = {};  ///< null: none
};

/// What the model's features are made from.
Reduction reduction_of(const Model::State& state);

struct Posterior::State {
    std::shared_ptr<Model::State> model;
    NetworkAnswer answer;  ///< on the CPU
    int threads = 0;
};

/// Runs reduced curves through the network in pieces that fit the cache.
///
/// Args: reduced: (count, 2, samples). noise: (count), or undefined where no level is needed.
/// stops: heeds request_stop(), which what ends a training does not.
/// Returns: on the CPU.
NetworkAnswer run_network(const Features& features, PosteriorNet& net, const torch::Tensor& reduced,
                          const torch::Tensor& noise, const torch::Device& device,
                          bool stops = false);

/// Logarithm of the joint density of the members' mixture, (n), on the unit box.
///
/// Args: u: (n, unknowns).
torch::Tensor joint_log_density(PosteriorNet& net, const NetworkAnswer& answer,
                                const Calibration& calibration, const torch::Tensor& u);

/// Mean, standard deviation and quantiles in the unknowns' units.
Predictions summarised(const PosteriorNet& net, const NetworkAnswer& answer,
                       const Calibration& calibration, const nmrsim::Prior& prior);

/// Args: embedding: (n, width), of n >= 2 curves.
EmbeddingReference embedding_reference(const torch::Tensor& embedding);

/// Fits the calibration on curves that were not trained on, at every level of noise.
///
/// Args: reduced: (count, 2, samples), low-passed, without the noise and the receiver that are put
/// on here. truth: (count, unknowns), unit-box coordinates. seed: of those.
Calibration calibrated_on(const Features& features, PosteriorNet& net,
                          const ReceiverSpread& receiver, const torch::Tensor& reduced,
                          const torch::Tensor& truth, std::uint64_t seed,
                          const torch::Device& device);

/// The members' standard deviations times the one of 1, 1.5, 1.5^2, ... under which each unknown's
/// true values surprise least: a quick look at what calibrated_on() would find.
Calibration widened_calibration(const PosteriorNet& net, const NetworkAnswer& answer,
                                const torch::Tensor& truth);

/// A copy for a file.
FileTensor to_file_tensor(const torch::Tensor& tensor);

/// Copies a file's tensor into one of the same shape.
void from_file_tensor(const FileTensor& from, torch::Tensor to);

/// Sets the number of threads that Torch uses, back to what it was at the end.
class ThreadGuard {
public:
    explicit ThreadGuard(int threads);
    ~ThreadGuard();
    ThreadGuard(const ThreadGuard&) = delete;
    ThreadGuard& operator=(const ThreadGuard&) = delete;

private:
    int before_;
};

}  // namespace nmrinverse
