#include "training/training_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "model/model_state.h"
#include "nmrsim/alpha_z_aliases.h"
#include "nmrsim/experiment_match.h"

namespace nmrinverse {
torch::Device device_of(const TrainingOptions& options) {
    const bool available = torch::cuda::is_available();
    if (options.device == Device::cuda && !available) {
        throw std::invalid_argument("device cuda asked for, but this LibTorch finds none");
    }
    if (options.device == Device::cpu) return torch::Device(torch::kCPU);
    // Mixed precision: factors of matrix products in TF32, sums in float.
    at::globalContext().setFloat32MatmulPrecision("high");
    return torch::Device(torch::kCUDA);
}

TrainingOptions settled(TrainingOptions options, const nmrsim::Experiment& experiment,
                        bool few_curves) {
    const bool drawn = !nmrsim::is_uniform(experiment) || experiment.line.spins > 0;
    const bool second_look = drawn && !few_curves;
    const auto settle = [](auto& option, auto value) { option = option.value_or(value); };
    // Held out where nothing else is asked for.
    constexpr double kHeldOut = 0.1;
    settle(options.held_out, kHeldOut);
    // Filters of a network that learns many drawn echoes.
    constexpr int kGates = 512;
    settle(options.gates, second_look ? kGates : 0);
    // Networks where curves are few.
    constexpr int kMembersForFew = 4;
    settle(options.members, few_curves ? kMembersForFew : 1);
    settle(options.embedding, few_curves ? Embedding::convolution : Embedding::dense);
    settle(options.features, few_curves    ? CurveFeatures::phase_free
                             : second_look ? CurveFeatures::plain
                                           : CurveFeatures::all);
    return options;
}

bool learns_from_aliases(const TrainingOptions& options, const nmrsim::Experiment& experiment,
                         bool few_curves) {
    return options.alpha_z_aliases && (few_curves || options.embedding == Embedding::convolution) &&
           nmrsim::has_alpha_z_aliases(experiment);
}

std::string network_in_words(const TrainingOptions& given, const nmrsim::Experiment& experiment,
                             std::size_t count) {
    const bool few_curves = count < kManyCurves;
    const TrainingOptions options = settled(given, experiment, few_curves);
    std::string words = fmt::format("{} network{}, {}, {} features", *options.members,
                                    *options.members == 1 ? "" : "s", name_of(*options.embedding),
                                    name_of(*options.features));
    if (*options.gates > 0) words += fmt::format(", {} gates", *options.gates);
    if (learns_from_aliases(options, experiment, few_curves)) words += ", aliases of alpha_z";
    return words;
}

int learning_threads(const TrainingOptions& options, int cores) {
    if (options.embedding == Embedding::convolution) return cores;
    // Multiply-adds of a step's forward pass that are worth a thread of their own.
    constexpr double kWorkOfThread = 1e8;
    const double weights = 2.0 * options.width * options.hidden * options.blocks;  // of a member
    return std::clamp(static_cast<int>(options.batch * weights / kWorkOfThread), 1, cores);
}

std::shared_ptr<const FirstLook> first_look_of(const TrainingOptions& options,
                                               const nmrsim::Experiment& experiment) {
    if (options.first_look.empty()) return {};
    if (options.noise_high > 0.0 || options.receiver.phase_deg > 0.0 ||
        options.receiver.gain > 0.0 || options.time_zero_us > 0.0) {
        throw std::invalid_argument(
            "training.first_look needs curves as they are: no noise, and the receiver's phase, "
            "gain and time zero known");
    }
    auto first = std::make_shared<FirstLook>(load_model(options.first_look));
    const std::string difference =
        nmrsim::experiment_difference(first->model().experiment(), experiment, true);
    if (!difference.empty()) {
        throw std::invalid_argument(
            fmt::format("training.first_look must be a model of this experiment: {}", difference));
    }
    return first;
}

Features features_for(const nmrsim::Experiment& experiment, std::span<const float> signal,
                      std::size_t count, const TrainingOptions& options, const FirstLook* first,
                      int threads) {
    if (!experiment.series.empty() || !experiment.acquisition.windows.empty()) {
        throw std::invalid_argument(
            fmt::format("a network is trained on one window of one record, got {} records of {}",
                        std::max<std::size_t>(1, experiment.series.size()),
                        std::max<std::size_t>(1, experiment.acquisition.windows.size())));
    }
    const int points = experiment.acquisition.points;
    const bool phase_free = options.features == CurveFeatures::phase_free;
    FeatureSpec spec = phase_free                                 ? phase_free_features()
                       : options.features == CurveFeatures::plain ? plain_features()
                                                                  : FeatureSpec();
    int step = std::max(decimation_for(signal, count, points), decimation_for(experiment));
    // Channels that are not linear in the curve are sampled so many times as often as the curve
    // needs.
    constexpr int kFinerForQuotients = 3;
    // A logarithm and a quotient are not as smooth as the curve that they are made of.
    if (phase_free) step = std::max(1, step / kFinerForQuotients);
    spec.low_pass = make_low_pass(points, step);
    spec.noise_low = options.noise_low;
    spec.noise_high = options.noise_high;
    spec.looked_at = first ? first->samples() : 0;
    Features features(spec);
    features.standardise(reduced_curves({spec.low_pass}, signal, count, threads));
    return features;
}

}  // namespace nmrinverse
