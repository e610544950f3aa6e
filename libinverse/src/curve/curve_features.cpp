#include "curve/curve_features.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "network/json_fields.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

// Below this root mean square a curve counts as empty [units of M].
constexpr double kScaleFloor = 1e-6;
// Added under the logarithm of the amplitude.
constexpr double kLogFloor = 0.06;
// A phase-free network of few curves does better without the turns of faint samples.
constexpr double kPhaseFreeTurnFloor = 0.2;

// A limit against a file that asks for all memory.
constexpr int kMostLookedAt = 1 << 20;

}  // namespace

FeatureSpec phase_free_features() {
    FeatureSpec spec;
    spec.cartesian = spec.amplitude = spec.spectrum = false;
    spec.log_amplitude = true;
    spec.turn_floor = kPhaseFreeTurnFloor;
    return spec;
}

FeatureSpec plain_features() {
    FeatureSpec spec;
    spec.amplitude = spec.turn = spec.spectrum = false;
    return spec;
}

int FeatureSpec::channels() const {
    return 2 * cartesian + amplitude + log_amplitude + 2 * turn + 2 * spectrum;
}

int FeatureSpec::inputs() const {
    return channels() * low_pass.samples + 2 * looked_at + 1 + (noise_is_input() ? 1 : 0);
}

void FeatureSpec::validate() const {
    low_pass.validate();
    if (channels() < 1) throw std::invalid_argument("features must have at least one channel");
    if (!(noise_low >= 0.0) || !(noise_high >= noise_low) || !std::isfinite(noise_high) ||
        (noise_is_input() && !(noise_low > 0.0))) {
        throw std::invalid_argument(
            fmt::format("noise must be 0 <= low <= high, and > 0 for a range, got {}, {}",
                        noise_low, noise_high));
    }
    if (looked_at < 0 || looked_at > kMostLookedAt) {
        throw std::invalid_argument(
            fmt::format("looked_at must be in [0, {}], got {}", kMostLookedAt, looked_at));
    }
    if (looked_at > 0 && noise_high > 0.0) {
        throw std::invalid_argument(
            fmt::format("noise must be 0 with a first look, got {}", noise_high));
    }
    if (!(turn_floor > 0.0) || !std::isfinite(turn_floor)) {
        throw std::invalid_argument(fmt::format("turn_floor must be > 0, got {}", turn_floor));
    }
    const auto expected = static_cast<std::size_t>(channels());
    for (const std::vector<double>* values : {&channel_mean, &channel_sd}) {
        if (values->size() != expected) {
            throw std::invalid_argument(fmt::format("features must have {} channel scales, got {}",
                                                    expected, values->size()));
        }
        for (const double value : *values) {
            if (!std::isfinite(value) || (values == &channel_sd && !(value > 0.0))) {
                throw std::invalid_argument(
                    fmt::format("channel scales must be finite, and > 0 for sd, got {}", value));
            }
        }
    }
    if (!std::isfinite(log_scale_mean) || !std::isfinite(log_scale_sd) || !(log_scale_sd > 0.0)) {
        throw std::invalid_argument(
            fmt::format("log_scale_sd must be > 0 and finite, got {}", log_scale_sd));
    }
}

template <Of<FeatureSpec> Spec, class Visit>
void for_each_field(Spec& spec, const Visit& visit) {
    visit("points", spec.low_pass.points);
    visit("step", spec.low_pass.step);
    visit("half_width", spec.low_pass.half_width);
    visit("first", spec.low_pass.first);
    visit("samples", spec.low_pass.samples);
    visit("cartesian", spec.cartesian);
    visit("amplitude", spec.amplitude);
    visit("turn", spec.turn);
    visit("spectrum", spec.spectrum);
    visit("noise_low", spec.noise_low);
    visit("noise_high", spec.noise_high);
    visit("channel_mean", spec.channel_mean);
    visit("channel_sd", spec.channel_sd);
    visit("log_scale_mean", spec.log_scale_mean);
    visit("log_scale_sd", spec.log_scale_sd);
}

std::string to_json(const FeatureSpec& spec) {
    nlohmann::json json = fields_to_json(spec);
    json["log_amplitude"] = spec.log_amplitude;
    json["turn_floor"] = spec.turn_floor;
    json["looked_at"] = spec.looked_at;
    return json.dump();
}

FeatureSpec feature_spec_from_json(const std::string& text) {
    try {
        const nlohmann::json json = nlohmann::json::parse(text);
        FeatureSpec spec;
        fields_from_json(json, spec);
        // Older models lack these.
        spec.log_amplitude = json.value("log_amplitude", false);
        spec.turn_floor = json.value("turn_floor", FeatureSpec().turn_floor);
        spec.looked_at = json.value("looked_at", 0);
        if (json.value("log_power", false)) {
            throw std::invalid_argument("features: log_power is of an earlier version");
        }
        spec.validate();
        return spec;
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument(fmt::format("features: {}", error.what()));
    }
}

Features::Features(FeatureSpec spec) : spec_(std::move(spec)) {
    const auto channels = static_cast<std::size_t>(spec_.channels());
    if (spec_.channel_mean.empty()) spec_.channel_mean.assign(channels, 0.0);
    if (spec_.channel_sd.empty()) spec_.channel_sd.assign(channels, 1.0);
    spec_.validate();
    const int samples = spec_.low_pass.samples;
    if (spec_.spectrum) {
        // Centred in both time and frequency, so that a smooth echo has a smooth spectrum.
        const torch::Tensor index =
            torch::arange(samples, torch::kFloat64) - static_cast<double>(samples / 2);
        const torch::Tensor phase = torch::outer(index, index) * (nmrsim::kTwoPi / samples);
        fourier_cos_ = (phase.cos() / std::sqrt(samples)).to(torch::kFloat32);
        fourier_sin_ = (-phase.sin() / std::sqrt(samples)).to(torch::kFloat32);
    }
    if (spec_.noise_high > 0.0) {
        std::vector<float> matrix = low_pass_matrix(spec_.low_pass);
        const torch::Tensor filter =
            torch::from_blob(matrix.data(), {samples, spec_.low_pass.points}).to(torch::kFloat64);
        noise_factor_ =
            at::linalg_cholesky(filter.matmul(filter.t())).t().to(torch::kFloat32).contiguous();
    }
}

void Features::to(const torch::Device& device) {
    for (torch::Tensor* tensor : {&fourier_cos_, &fourier_sin_, &noise_factor_}) {
        if (tensor->defined()) *tensor = tensor->to(device);
    }
}

std::vector<torch::Tensor> Features::channels(const torch::Tensor& reduced,
                                              torch::Tensor& scale) const {
    // By way of the peak, so that squares of absurd numbers do not overflow. (n, 1, 1)
    const torch::Tensor curve = reduced.slice(2, 0, spec_.low_pass.samples);
    const torch::Tensor peak = curve.abs().amax({1, 2}, true) + kScaleFloor;
    scale = peak * (2.0 * (curve / peak).square().mean({1, 2}, true)).sqrt() + kScaleFloor;
    const torch::Tensor m = curve / scale;
    const torch::Tensor re = m.select(1, 0);
    const torch::Tensor im = m.select(1, 1);
    std::vector<torch::Tensor> channels;
    if (spec_.cartesian) {
        channels.push_back(re);
        channels.push_back(im);
    }
    const torch::Tensor amplitude = (re.square() + im.square()).sqrt();
    if (spec_.amplitude) channels.push_back(amplitude);
    if (spec_.log_amplitude) channels.push_back((amplitude + kLogFloor).log());
    if (spec_.turn) {
        const torch::Tensor next_re = torch::roll(re, -1, 1);
        const torch::Tensor next_im = torch::roll(im, -1, 1);
        const torch::Tensor norm =
            amplitude * torch::roll(amplitude, -1, 1) + spec_.turn_floor * spec_.turn_floor;
        channels.push_back((re * next_re + im * next_im) / norm);
        channels.push_back((re * next_im - im * next_re) / norm);
    }
    if (spec_.spectrum) {
        channels.push_back(re.matmul(fourier_cos_) - im.matmul(fourier_sin_));
        channels.push_back(re.matmul(fourier_sin_) + im.matmul(fourier_cos_));
    }
    return channels;
}

void Features::standardise(const torch::Tensor& reduced) {
    torch::NoGradGuard no_grad;
    torch::Tensor scale;
    const std::vector<torch::Tensor> all = channels(reduced, scale);
    // A channel that never changes keeps its size.
    const auto spread = [](const torch::Tensor& values) {
        const double sd = values.std(/*unbiased=*/false).item<double>();
        return sd > 1e-6 ? sd : 1.0;
    };
    for (std::size_t c = 0; c < all.size(); ++c) {
        spec_.channel_mean[c] = all[c].mean().item<double>();
        spec_.channel_sd[c] = spread(all[c]);
    }
    // Alone, they keep their ratio.
    if (spec_.cartesian && all.size() == 2) {
        spec_.channel_sd[0] = spec_.channel_sd[1] =
            std::hypot(spec_.channel_sd[0], spec_.channel_sd[1]);
    }
    const torch::Tensor log_scale = scale.log();
    spec_.log_scale_mean = log_scale.mean().item<double>();
    spec_.log_scale_sd = spread(log_scale);
    spec_.validate();
}

torch::Tensor Features::inputs(const torch::Tensor& reduced, const torch::Tensor& noise) const {
    torch::Tensor scale;
    std::vector<torch::Tensor> all = channels(reduced, scale);
    for (std::size_t c = 0; c < all.size(); ++c) {
        all[c] = (all[c] - spec_.channel_mean[c]) / spec_.channel_sd[c];
    }
    if (spec_.looked_at > 0) {
        all.push_back(reduced.slice(2, spec_.low_pass.samples).flatten(1));
    }
    all.push_back((scale.reshape({-1, 1}).log() - spec_.log_scale_mean) / spec_.log_scale_sd);
    if (spec_.noise_is_input()) {
        all.push_back((2.0 * noise_position(noise) - 1.0).reshape({-1, 1}));
    }
    return torch::cat(all, 1);
}

torch::Tensor Features::noise_position(const torch::Tensor& noise) const {
    if (!spec_.noise_is_input()) return {};
    const double low = std::log(spec_.noise_low);
    const double high = std::log(spec_.noise_high);
    const torch::Tensor level = noise.clamp(spec_.noise_low, spec_.noise_high).log();
    return (level - low) / (high - low);
}

torch::Tensor Features::noise_after_low_pass(const torch::Tensor& white) const {
    return white.matmul(noise_factor_);
}

}  // namespace nmrinverse
