#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <stdexcept>

#include "nmrinverse/trainer.h"

namespace nmrinverse {
namespace {

template <typename Number>
void require(bool holds, const char* condition, Number value) {
    if (!holds) {
        throw std::invalid_argument(fmt::format("training.{}, got {}", condition, value));
    }
}

double noise_level(const std::string& text, const std::string& whole, const std::string& what) {
    double value = 0.0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end || !std::isfinite(value) || value < 0.0) {
        throw std::invalid_argument(
            fmt::format("{} must be SIGMA or LOW:HIGH with 0 <= LOW <= HIGH, got {}", what, whole));
    }
    return value;
}

}  // namespace

void set_noise(TrainingOptions& options, const std::string& text, const std::string& what) {
    const std::size_t colon = text.find(':');
    options.noise_low = noise_level(text.substr(0, colon), text, what);
    options.noise_high = colon == std::string::npos
                             ? options.noise_low
                             : noise_level(text.substr(colon + 1), text, what);
    if (options.noise_high < options.noise_low) noise_level("", text, what);
}

void TrainingOptions::validate() const {
    require(epochs >= 1, "epochs must be >= 1", epochs);
    require(minutes >= 0.0 && std::isfinite(minutes), "minutes must be >= 0", minutes);
    require(batch >= 1, "batch must be >= 1", batch);
    require(learning_rate > 0.0 && std::isfinite(learning_rate), "learning_rate must be > 0",
            learning_rate);
    require(weight_decay >= 0.0 && std::isfinite(weight_decay), "weight_decay must be >= 0",
            weight_decay);
    require(warm_up >= 0.0 && warm_up < 1.0, "warm_up must be in [0, 1)", warm_up);
    if (held_out) {
        require(*held_out > 0.0 && *held_out <= 0.5, "held_out must be in (0, 0.5]", *held_out);
    }
    require(patience >= 0, "patience must be >= 0", patience);
    require(replays >= 1, "replays must be >= 1", replays);
    require(width >= 1 && width <= 1 << 14, "width must be in [1, 16384]", width);
    require(hidden >= 1 && hidden <= 1 << 14, "hidden must be in [1, 16384]", hidden);
    require(blocks >= 1 && blocks <= 256, "blocks must be in [1, 256]", blocks);
    if (gates) require(*gates >= 0 && *gates <= 1 << 14, "gates must be in [0, 16384]", *gates);
    if (members) require(*members >= 1 && *members <= 64, "members must be in [1, 64]", *members);
    require(noise_low >= 0.0 && std::isfinite(noise_low), "noise_low must be >= 0", noise_low);
    require(noise_high >= noise_low && std::isfinite(noise_high),
            "noise_high must be >= noise_low and finite", noise_high);
    require(noise_low > 0.0 || noise_high == 0.0,
            "noise_low must be > 0 where noise_high is: the range is logarithmic", noise_low);
    require(pieces >= 1 && pieces <= 256, "pieces must be in [1, 256]", pieces);
    require(posterior_weight > 0.0 && std::isfinite(posterior_weight),
            "posterior_weight must be > 0", posterior_weight);
    require(receiver.phase_deg >= 0.0 && receiver.phase_deg <= 180.0,
            "receiver.phase_deg must be in [0, 180]", receiver.phase_deg);
    require(receiver.gain >= 0.0 && receiver.gain <= 5.0, "receiver.gain must be in [0, 5]",
            receiver.gain);
    require(time_zero_us >= 0.0 && std::isfinite(time_zero_us), "time_zero_us must be >= 0",
            time_zero_us);
    require(memory_mb >= 1, "memory_mb must be >= 1", memory_mb);
    require(threads >= 0, "threads must be >= 0", threads);
}

}  // namespace nmrinverse
