#include "training/trainer_state.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "network/json_fields.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/sha256.h"
#include "nmrsim/version.h"

namespace nmrinverse {
namespace {

using nmrsim::InputError;
using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

constexpr const char* kFormat = "nmrinverse-checkpoint";

/// What must be the same for a training to go on. How long it takes, and on what, may change.
std::string fingerprint(const nmrsim::Experiment& experiment, const TrainingOptions& options) {
    return nlohmann::json{
        {"experiment", nmrsim::experiment_to_toml(experiment)},
        {"epochs", options.minutes > 0.0 ? 0 : options.epochs},
        {"curves_per_epoch", options.curves_per_epoch},
        {"batch", options.batch},
        {"learning_rate", options.learning_rate},
        {"weight_decay", options.weight_decay},
        {"warm_up", options.warm_up},
        {"held_out", options.held_out.value_or(0.0)},
        {"replays", options.replays},
        {"embedding", name_or_auto(options.embedding)},
        {"features", name_or_auto(options.features)},
        {"alpha_z_aliases", options.alpha_z_aliases},
        {"mirrored", options.mirrored},
        {"width", options.width},
        {"hidden", options.hidden},
        {"blocks", options.blocks},
        {"gates", options.gates.value_or(-1)},
        {"members", options.members.value_or(0)},
        {"head", name_of(options.head)},
        {"pieces", options.pieces},
        {"posterior_weight", options.posterior_weight},
        {"noise", {options.noise_low, options.noise_high}},
        {"receiver", {options.receiver.phase_deg, options.receiver.gain, options.time_zero_us}},
        {"first_look",
         options.first_look.empty() ? "" : nmrsim::sha256_of_file(options.first_look)},
        {"memory_mb", options.memory_mb},
        {"seed", options.seed}}
        .dump();
}

NamedTensors copies(const NamedTensors& tensors) {
    NamedTensors result;
    for (const auto& [name, tensor] : tensors) result.push_back({name, tensor.detach().clone()});
    return result;
}

/// The parts of a state that are tensors, each under a prefix.
std::vector<std::pair<std::string, NamedTensors>> tensor_groups(const TrainerState& state) {
    return {{"weights.", state.model->net.weights()},
            {"average.", state.average},
            {"best.", state.best},
            {"optimizer.", state.optimizer->state()},
            {"", {{"scale", state.scale}}}};
}

}  // namespace

template <Of<TrainerState> State, class Visit>
void for_each_field(State& state, const Visit& visit) {
    visit("epoch", state.epoch);
    visit("best_epoch", state.best_epoch);
    visit("steps", state.steps);
    visit("optimizer_steps", state.optimizer->steps);
    visit("chunks", state.chunks);
    visit("seconds", state.seconds);
    visit("curves_seen", state.model->record.curves_seen);
    visit("held_out_loss", state.held_out_loss);
    visit("best_loss", state.best_loss);
    visit("best_log_density", state.best_log_density);
    visit("held_out_log_density", state.held_out_log_density);
    visit("held_out_mse", state.held_out_mse);
    visit("best_mse", state.best_mse);
}

TrainerState new_trainer_state(const nmrsim::Experiment& experiment, Features features,
                               const TrainingOptions& options, const torch::Device& device) {
    torch::manual_seed(options.seed);
    NetworkOptions sizes;
    sizes.inputs = features.spec().inputs();
    sizes.unknowns = static_cast<int>(experiment.prior.size());
    if (options.embedding == Embedding::convolution) {
        sizes.convolutions.channels = features.spec().channels();
        sizes.convolutions.samples = features.spec().low_pass.samples;
    }
    sizes.width = options.width;
    sizes.hidden = options.hidden;
    sizes.blocks = options.blocks;
    sizes.gates = options.gates.value_or(0);
    sizes.members = options.members.value_or(1);
    sizes.head = {options.head, options.pieces};
    for (const nmrsim::PriorRange& range : experiment.prior) {
        sizes.choices.push_back(static_cast<int>(range.choices.size()));
    }
    PosteriorNet net(sizes);
    net.to(device);
    features.to(device);

    TrainingRecord record;
    record.version = nmrsim::kVersion;
    record.head = name_of(options.head);
    record.device = name_of(device.is_cuda() ? Device::cuda : Device::cpu);
    for (const auto& [name, weight] : net.weights()) {
        record.weights += static_cast<std::size_t>(weight.numel());
    }
    TrainerState state;
    state.model = std::make_shared<Model::State>(Model::State{experiment,
                                                              std::move(record),
                                                              std::move(features),
                                                              net,
                                                              Calibration(experiment.prior.size()),
                                                              {},
                                                              device});
    state.optimizer = std::make_unique<Optimizer>(net.weights(), options.weight_decay);
    state.average = copies(net.weights());
    state.best = copies(net.weights());
    state.scale = torch::zeros({sizes.unknowns}, torch::TensorOptions(device));
    return state;
}

void write_checkpoint(const TrainerState& state, const TrainingOptions& options) {
    TensorFile file;
    for (const auto& [prefix, tensors] : tensor_groups(state)) {
        for (const auto& [name, tensor] : tensors)
            file.tensors[prefix + name] = to_file_tensor(tensor);
    }
    nlohmann::json json = fields_to_json(state);
    json["chunk"] = state.portions.chunk;
    json["held_out"] = state.portions.held_out;
    file.metadata = {{"format", kFormat},
                     {"options", fingerprint(state.model->experiment, options)},
                     {"data", state.data},
                     {"features", to_json(state.model->features.spec())},
                     {"state", json.dump()}};
    write_tensor_file(file, options.checkpoint);
}

TrainerState read_checkpoint(const nmrsim::Experiment& experiment, const TrainingOptions& options,
                             const std::string& data, const torch::Device& device) {
    const std::string& path = options.checkpoint;
    const TensorFile file = read_tensor_file(path);
    const auto metadata = [&](const char* key) {
        const auto found = file.metadata.find(key);
        if (found == file.metadata.end()) {
            throw InputError(
                fmt::format("{}: expected a checkpoint, but its metadata lacks {}", path, key));
        }
        return found->second;
    };
    if (metadata("format") != kFormat) {
        throw InputError(
            fmt::format("{}: expected the format {}, found {}", path, kFormat, metadata("format")));
    }
    if (metadata("options") != fingerprint(experiment, options)) {
        throw InputError(
            fmt::format("{}: expected the checkpoint of a training with this experiment and these "
                        "options, found another's",
                        path));
    }
    if (metadata("data") != data) {
        const auto told = [](const std::string& mark) {
            return mark.empty() ? std::string("simulated curves") : mark;
        };
        throw InputError(
            fmt::format("{}: expected the checkpoint of a training on this data set "
                        "({}), found another's ({})",
                        path, told(data), told(metadata("data"))));
    }
    try {
        TrainerState state = new_trainer_state(
            experiment, Features(feature_spec_from_json(metadata("features"))), options, device);
        for (const auto& [prefix, tensors] : tensor_groups(state)) {
            for (const auto& [name, tensor] : tensors) {
                const auto found = file.tensors.find(prefix + name);
                if (found == file.tensors.end() || found->second.shape != tensor.sizes().vec()) {
                    throw InputError(fmt::format("{}: tensor {}{} is missing or of another shape",
                                                 path, prefix, name));
                }
                from_file_tensor(found->second, tensor);
            }
        }
        const nlohmann::json json = nlohmann::json::parse(metadata("state"));
        fields_from_json(json, state);
        state.portions = {json.value("chunk", std::int64_t{0}),
                          json.value("held_out", std::int64_t{0})};
        return state;
    } catch (const nlohmann::json::exception& error) {
        throw InputError(fmt::format("{}: state: {}", path, error.what()));
    } catch (const std::invalid_argument& error) {
        throw InputError(fmt::format("{}: {}", path, error.what()));
    }
}

}  // namespace nmrinverse
