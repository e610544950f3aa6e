#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nmrinverse/trainer.h"
#include "nmrsim/parameters.h"

namespace nmrinverse {
namespace {

/// "alpha_x 2.3 kHz, alpha_z 28 kHz": root mean squared errors.
std::string errors_in_words(const std::vector<double>& mse, const nmrsim::Prior& prior) {
    std::string text;
    for (std::size_t k = 0; k < mse.size() && k < prior.size(); ++k) {
        if (prior[k].categorical()) continue;
        const nmrsim::Parameter& row = nmrsim::parameter(prior[k].name);
        text += fmt::format("{}{} {:.3g}{}{}", text.empty() ? "" : ", ", row.symbol,
                            std::sqrt(mse[k]), *row.unit ? " " : "", row.unit);
    }
    return text;
}

}  // namespace

std::string progress_in_words(const TrainingProgress& now, const nmrsim::Prior& prior) {
    std::string text = fmt::format("epoch {}, {:.0f} curves/s, loss {:.3f}", now.epoch,
                                   now.curves_per_s, now.train_loss);
    if (!now.held_out_mse.empty()) {
        text += fmt::format(", held out {:.3f} nats, {}", now.held_out_log_density,
                            errors_in_words(now.held_out_mse, prior));
    }
    return text;
}

std::string training_in_words(const Model& model, int kept) {
    const TrainingRecord& record = model.record();
    return fmt::format(
        "{} curves in {:.0f} s; weights of epoch {} of {}; held out: {:.3f} nats, root mean "
        "squared: {}; widths by {}",
        record.curves_seen, record.seconds, kept, std::max(kept, record.epochs),
        record.held_out_log_density, errors_in_words(record.held_out_mse, model.experiment().prior),
        record.calibrated_on);
}

}  // namespace nmrinverse
