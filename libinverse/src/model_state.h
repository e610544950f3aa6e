/// What is behind a Model.
#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

#include "calibration.h"
#include "curve_features.h"
#include "embedding_net.h"
#include "nmrinverse/model.h"
#include "tensor_file.h"

namespace nmrinverse {

struct Model::State {
    nmrsim::Experiment experiment;
    TrainingRecord record;
    Features features;
    EmbeddingNet net;
    Calibration calibration;
    torch::Device device = torch::kCPU;
};

/// The network's output on the CPU, (count, unknowns) each, unit-box coordinates.
struct NetworkOutput {
    std::vector<float> mean;
    std::vector<float> log_sd;
};

/// Runs low-passed curves through the network in pieces that fit the cache.
///
/// Args: reduced: (count, 2, samples). noise: (count), or undefined where no level is needed.
NetworkOutput run_network(const Features& features, EmbeddingNet& net, const torch::Tensor& reduced,
                          const torch::Tensor& noise, const torch::Device& device);

/// The network's weights by name, as tensors that share memory with it.
std::vector<std::pair<std::string, torch::Tensor>> named_weights(const EmbeddingNet& net);

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
