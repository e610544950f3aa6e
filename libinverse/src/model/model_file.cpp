// A model as one safetensors file: the weights, and in the header's metadata, as text, the
// experiment (TOML) and the features, sizes, calibration and record (JSON).

#include <fmt/format.h>
#include <fmt/ranges.h>
#include "network/torch.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "model/model_state.h"
#include "model/tensor_file.h"
#include "model/training_record.h"
#include "nmrinverse/model.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"

namespace nmrinverse {
namespace {

using nmrsim::InputError;

constexpr const char* kFormat = "nmrinverse-model";
constexpr const char* kFormatVersion = "2";
/// Before each name of a first look's metadata and tensors.
const std::string kFirstLook = "first_look.";
/// Before each name of what a posterior's file holds beside the model.
const std::string kPosterior = "posterior.";

TrainingRecord record_from_json(const std::string& text) {
    const nlohmann::json json = nlohmann::json::parse(text);
    TrainingRecord record;
    fields_from_json(json, record);
    if (json.contains("receiver")) {
        record.receiver = json["receiver"].get<std::array<double, 3>>();
        for (const double value : *record.receiver) {
            if (!(value >= 0.0) || !std::isfinite(value)) {
                throw std::invalid_argument(
                    fmt::format("receiver must be >= 0 and finite, got {}", value));
            }
        }
    }
    if (json.contains("calibrated_on")) json["calibrated_on"].get_to(record.calibrated_on);
    if (!json.contains("learnt")) return record;  // a file of an earlier version
    for (const nlohmann::json& each : json["learnt"]) {
        fields_from_json(each, record.learnt.emplace_back());
    }
    return record;
}

const std::string& metadata(const TensorFile& file, const std::string& key,
                            const std::string& path) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) {
        throw InputError(fmt::format("{}: expected a model, but its metadata lacks {}", path, key));
    }
    return found->second;
}

constexpr const char* kReferenceMean = "reference.mean";
constexpr const char* kReferenceWhitening = "reference.whitening";
constexpr const char* kReferenceQuantiles = "reference.quantiles";

using Shapes = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

Shapes shapes_of(const NetworkOptions& options) {
    Shapes shapes = weight_shapes(options);
    shapes.push_back({kReferenceMean, {options.width}});
    shapes.push_back({kReferenceWhitening, {options.width, options.width}});
    shapes.push_back({kReferenceQuantiles, {kReferenceSteps}});
    return shapes;
}

void require_tensors(const TensorFile& file, const Shapes& shapes, const std::string& path) {
    for (const auto& [name, shape] : shapes) {
        const auto found = file.tensors.find(name);
        if (found == file.tensors.end()) {
            throw InputError(fmt::format("{}: tensor {} is missing", path, name));
        }
        if (found->second.shape != shape) {
            throw InputError(fmt::format("{}: tensor {}: expected the shape [{}], found [{}]", path,
                                         name, fmt::join(shape, ", "),
                                         fmt::join(found->second.shape, ", ")));
        }
    }
    if (file.tensors.size() != shapes.size()) {
        throw InputError(fmt::format("{}: expected {} tensors, found {}", path, shapes.size(),
                                     file.tensors.size()));
    }
}

TensorFile to_file(const Model& model) {
    const Model::State& state = model.state();
    TensorFile file;
    file.metadata = {{"format", kFormat},
                     {"format_version", kFormatVersion},
                     {"experiment", nmrsim::experiment_to_toml(state.experiment)},
                     {"features", to_json(state.features.spec())},
                     {"network", to_json(state.net.options())},
                     {"calibration", to_json(state.calibration)},
                     {"record", record_json<nlohmann::json>(state.record).dump()}};
    for (const auto& [name, weight] : state.net.weights()) {
        file.tensors[name] = to_file_tensor(weight);
    }
    file.tensors[kReferenceMean] = to_file_tensor(state.reference.mean);
    file.tensors[kReferenceWhitening] = to_file_tensor(state.reference.whitening);
    file.tensors[kReferenceQuantiles] = to_file_tensor(state.reference.quantiles);
    if (!state.first) return file;
    TensorFile first = to_file(state.first->model());
    for (auto& [key, text] : first.metadata) file.metadata[kFirstLook + key] = std::move(text);
    for (auto& [name, tensor] : first.tensors) {
        file.tensors[kFirstLook + name] = std::move(tensor);
    }
    return file;
}

/// Moves what has the prefix, without it, from a map into another.
template <class Map>
void move_prefixed(const std::string& prefix, Map& from, Map& to) {
    for (auto at = from.begin(); at != from.end();) {
        if (at->first.starts_with(prefix)) {
            to[at->first.substr(prefix.size())] = std::move(at->second);
            at = from.erase(at);
        } else {
            ++at;
        }
    }
}

/// Takes what has the prefix out of a file.
TensorFile take_prefixed(const std::string& prefix, TensorFile& file) {
    TensorFile taken;
    move_prefixed(prefix, file.metadata, taken.metadata);
    move_prefixed(prefix, file.tensors, taken.tensors);
    return taken;
}

/// Args: path: what errors name. May throw what load_model() makes InputErrors of.
Model from_file(TensorFile file, const std::string& path, bool is_first_look = false) {
    TensorFile looked = take_prefixed(kFirstLook, file);
    if (metadata(file, "format", path) != kFormat) {
        throw InputError(fmt::format("{}: expected the format {}, found {}", path, kFormat,
                                     metadata(file, "format", path)));
    }
    if (metadata(file, "format_version", path) != kFormatVersion) {
        throw InputError(fmt::format("{}: expected format version {}, found {}", path,
                                     kFormatVersion, metadata(file, "format_version", path)));
    }
    std::shared_ptr<const FirstLook> first;
    if (!looked.metadata.empty() || !looked.tensors.empty()) {
        if (is_first_look) {
            throw InputError(path + ": expected a model without a first look of its own");
        }
        first =
            std::make_shared<FirstLook>(from_file(std::move(looked), path + ": first look", true));
    }
    nmrsim::Experiment experiment =
        nmrsim::parse_experiment(metadata(file, "experiment", path), path + ": experiment");
    Features features(feature_spec_from_json(metadata(file, "features", path)));
    const NetworkOptions options = network_options_from_json(metadata(file, "network", path));
    const std::size_t unknowns = experiment.prior.size();
    const FeatureSpec& spec = features.spec();
    if (static_cast<std::size_t>(options.unknowns) != unknowns || options.inputs != spec.inputs() ||
        spec.low_pass.points != experiment.acquisition.points ||
        spec.looked_at != (first ? first->samples() : 0) ||
        (first && first->model().state().features.spec().low_pass.points != spec.low_pass.points)) {
        throw std::invalid_argument(
            "the experiment, the features and the network disagree in their sizes");
    }
    require_tensors(file, shapes_of(options), path);
    PosteriorNet net(options);
    for (auto& [name, weight] : net.weights()) {
        from_file_tensor(file.tensors.at(name), weight);
    }
    EmbeddingReference reference{torch::empty({options.width}),
                                 torch::empty({options.width, options.width}),
                                 torch::empty({kReferenceSteps})};
    from_file_tensor(file.tensors.at(kReferenceMean), reference.mean);
    from_file_tensor(file.tensors.at(kReferenceWhitening), reference.whitening);
    from_file_tensor(file.tensors.at(kReferenceQuantiles), reference.quantiles);
    return Model(std::make_shared<Model::State>(
        Model::State{std::move(experiment), record_from_json(metadata(file, "record", path)),
                     std::move(features), std::move(net),
                     calibration_from_json(metadata(file, "calibration", path), unknowns),
                     std::move(reference), torch::kCPU, std::move(first)}));
}

/// What errors in a file's contents come out as.
template <class Read>
auto naming(const std::string& path, const Read& read) {
    try {
        return read();
    } catch (const std::invalid_argument& error) {
        throw InputError(fmt::format("{}: {}", path, error.what()));
    } catch (const nlohmann::json::exception& error) {
        throw InputError(fmt::format("{}: record: {}", path, error.what()));
    }
}

/// Tensors of an answer by name; the last is undefined where the noise is no input.
std::vector<std::pair<std::string, torch::Tensor*>> tensors_of(NetworkAnswer& answer) {
    return {{"embedding", &answer.embedding},
            {"mean", &answer.mean},
            {"log_sd", &answer.log_sd},
            {"marginals", &answer.marginals},
            {"noise_position", &answer.noise_position}};
}

}  // namespace

void save_model(const Model& model, const std::string& path) {
    write_tensor_file(to_file(model), path);
}

Model load_model(const std::string& path) {
    TensorFile file = read_tensor_file(path);
    return naming(path, [&] { return from_file(std::move(file), path); });
}

void save_posterior(const Posterior& posterior, const std::string& path) {
    const Posterior::State& state = posterior.state();
    TensorFile file = to_file(Model(state.model));
    file.metadata[kPosterior + "threads"] = std::to_string(state.threads);
    NetworkAnswer answer = state.answer;
    for (const auto& [name, tensor] : tensors_of(answer)) {
        if (tensor->defined()) file.tensors[kPosterior + name] = to_file_tensor(*tensor);
    }
    write_tensor_file(file, path);
}

Posterior load_posterior(const std::string& path) {
    TensorFile file = read_tensor_file(path);
    const TensorFile own = take_prefixed(kPosterior, file);
    return naming(path, [&] {
        const Model model = from_file(std::move(file), path);
        const NetworkOptions& sizes = model.state().net.options();
        const auto mean = own.tensors.find("mean");
        const std::int64_t n =
            mean != own.tensors.end() && mean->second.shape.size() == 3 ? mean->second.shape[1] : 0;
        Shapes shapes = {
            {"embedding", {sizes.members, n, sizes.width}},
            {"mean", {sizes.members, n, sizes.unknowns}},
            {"log_sd", {sizes.members, n, sizes.unknowns}},
            {"marginals", {sizes.members, n, sizes.unknowns, sizes.density_parameters()}}};
        if (model.state().features.spec().noise_is_input())
            shapes.push_back({"noise_position", {n}});
        require_tensors(own, shapes, path + ": posterior");
        NetworkAnswer answer;
        for (const auto& [name, tensor] : tensors_of(answer)) {
            const auto found = own.tensors.find(name);
            if (found == own.tensors.end()) continue;
            *tensor = torch::empty(found->second.shape);
            from_file_tensor(found->second, *tensor);
        }
        return Posterior(std::make_shared<Posterior::State>(Posterior::State{
            std::make_shared<Model::State>(model.state()), std::move(answer),
            nlohmann::json::parse(metadata(own, "threads", path + ": posterior")).get<int>()}));
    });
}

}  // namespace nmrinverse
