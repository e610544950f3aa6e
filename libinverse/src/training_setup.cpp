#include "training_setup.h"

#include <algorithm>
#include <stdexcept>

namespace nmrinverse {
namespace {

// Networks where curves are few.
constexpr int kMembersForFew = 4;

// Filters of a network that learns many drawn echoes.
constexpr int kGates = 512;

// Channels that are not linear in the curve are sampled so many times as often as the curve needs.
constexpr int kFinerForQuotients = 3;

// Multiply-adds of a step's forward pass that are worth a thread of their own.
constexpr double kWorkOfThread = 1e8;

}  // namespace

torch::Device device_of(const TrainingOptions& options) {
    const bool available = torch::cuda::is_available();
    if (options.device == "cuda" && !available) {
        throw std::invalid_argument("device cuda asked for, but this LibTorch finds none");
    }
    if (options.device == "cpu" || !available) return torch::Device(torch::kCPU);
    // Mixed precision: factors of matrix products in TF32, sums in float.
    at::globalContext().setFloat32MatmulPrecision("high");
    return torch::Device(torch::kCUDA);
}

TrainingOptions settled(TrainingOptions options, const nmrsim::Experiment& experiment,
                        bool few_curves) {
    const bool drawn = !nmrsim::is_uniform(experiment) || experiment.line.spins > 0;
    const bool second_look = drawn && !few_curves;
    if (options.gates < 0) options.gates = second_look ? kGates : 0;
    if (options.members == 0) options.members = few_curves ? kMembersForFew : 1;
    if (options.embedding == "auto") options.embedding = few_curves ? "convolution" : "dense";
    if (options.features == "auto") {
        options.features = few_curves ? "phase-free" : second_look ? "plain" : "all";
    }
    return options;
}

int learning_threads(const TrainingOptions& options, int cores) {
    if (options.embedding == "convolution") return cores;
    const double weights = 2.0 * options.width * options.hidden * options.blocks;  // of a member
    return std::clamp(static_cast<int>(options.batch * weights / kWorkOfThread), 1, cores);
}

Features features_for(const nmrsim::Experiment& experiment, std::span<const float> signal,
                      std::size_t count, const TrainingOptions& options, int threads) {
    const int points = experiment.acquisition.points;
    FeatureSpec spec = options.features == "phase-free" ? phase_free_features()
                       : options.features == "plain"    ? plain_features()
                                                        : FeatureSpec();
    int step = std::max(decimation_for(signal, count, points), decimation_for(experiment));
    // A logarithm and a quotient are not as smooth as the curve that they are made of.
    if (options.features == "phase-free") step = std::max(1, step / kFinerForQuotients);
    spec.low_pass = make_low_pass(points, step);
    spec.noise_low = options.noise_low;
    spec.noise_high = options.noise_high;
    Features features(spec);
    torch::Tensor reduced =
        torch::empty({static_cast<std::int64_t>(count), 2, spec.low_pass.samples});
    apply_low_pass(spec.low_pass, signal, count,
                   {reduced.data_ptr<float>(), static_cast<std::size_t>(reduced.numel())}, threads);
    features.standardise(reduced);
    return features;
}

}  // namespace nmrinverse
