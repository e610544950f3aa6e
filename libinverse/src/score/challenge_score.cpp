#include "nmrinverse/challenge_score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "nmrsim/challenge_files.h"
#include "nmrsim/experiment_file.h"

namespace nmrinverse {
namespace {

/// More unknowns have too many corners; no challenge comes near.
constexpr std::size_t kMostUnknowns = 16;

std::size_t columns_of(const nmrsim::Experiment& experiment) {
    return experiment.challenge.empty() ? experiment.prior.size() : experiment.challenge.size();
}

std::string column_name(const nmrsim::Experiment& experiment, std::size_t column) {
    return experiment.challenge.empty() ? experiment.prior[column].name
                                        : experiment.challenge[column].name;
}

/// Ranges of the columns over the corners of the prior's box. Every column is monotone in each
/// unknown, so its extremes lie there.
std::vector<double> column_ranges(const nmrsim::Experiment& experiment) {
    const nmrsim::Prior& prior = experiment.prior;
    if (prior.size() > kMostUnknowns) {
        throw std::invalid_argument(fmt::format(
            "a score by ranges takes at most {} unknowns, got {}", kMostUnknowns, prior.size()));
    }
    const double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> low(columns_of(experiment), infinity), high(low.size(), -infinity);
    for (std::size_t corner = 0; corner < std::size_t{1} << prior.size(); ++corner) {
        std::vector<double> unknowns;
        for (std::size_t k = 0; k < prior.size(); ++k) {
            unknowns.push_back(corner >> k & 1 ? prior[k].high : prior[k].low);
        }
        const std::vector<double> values = nmrsim::challenge_values(experiment, unknowns);
        for (std::size_t c = 0; c < values.size(); ++c) {
            low[c] = std::min(low[c], values[c]);
            high[c] = std::max(high[c], values[c]);
        }
    }
    std::vector<double> ranges;
    for (std::size_t c = 0; c < low.size(); ++c) {
        ranges.push_back(high[c] - low[c]);
        if (!std::isfinite(ranges[c])) {
            throw std::invalid_argument(
                fmt::format("challenge.score = \"range\": the range of {} must be finite, got {}",
                            column_name(experiment, c), ranges[c]));
        }
    }
    return ranges;
}

/// Standard deviations of each column of (count, columns).
std::vector<double> column_deviations(std::span<const double> values, std::size_t columns) {
    const auto n = static_cast<double>(values.size() / columns);
    std::vector<double> mean(columns, 0.0), deviations(columns, 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) mean[i % columns] += values[i] / n;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double off = values[i] - mean[i % columns];
        deviations[i % columns] += off * off / n;
    }
    for (double& value : deviations) value = std::sqrt(value);
    return deviations;
}

bool same_columns(const nmrsim::Experiment& a, const nmrsim::Experiment& b) {
    return std::equal(a.challenge.begin(), a.challenge.end(), b.challenge.begin(),
                      b.challenge.end(), [](const auto& x, const auto& y) {
                          return x.name == y.name && x.parameter == y.parameter &&
                                 x.scale == y.scale;
                      });
}

}  // namespace

std::vector<double> challenge_columns(const nmrsim::Experiment& experiment,
                                      std::span<const double> unknowns) {
    const std::size_t k = experiment.prior.size();
    if (k == 0 || unknowns.size() % k != 0) {
        throw std::invalid_argument(
            fmt::format("{} numbers do not fit {} unknowns", unknowns.size(), k));
    }
    std::vector<double> columns;
    for (std::size_t i = 0; i < unknowns.size(); i += k) {
        const std::vector<double> row =
            nmrsim::challenge_values(experiment, unknowns.subspan(i, k));
        columns.insert(columns.end(), row.begin(), row.end());
    }
    return columns;
}

std::vector<double> challenge_means(const nmrsim::Experiment& experiment,
                                    std::span<const double> samples, std::size_t draws,
                                    std::size_t most_draws) {
    const std::size_t k = experiment.prior.size();
    if (k == 0 || draws == 0 || most_draws == 0 || samples.size() % (draws * k) != 0) {
        throw std::invalid_argument(
            fmt::format("{} samples do not fit {} draws of {} unknowns", samples.size(), draws, k));
    }
    const std::size_t used = std::min(draws, most_draws);
    std::vector<double> means;
    for (std::size_t begin = 0; begin < samples.size(); begin += draws * k) {
        const std::vector<double> rows =
            challenge_columns(experiment, samples.subspan(begin, used * k));
        const std::size_t columns = rows.size() / used;
        std::vector<double> mean(columns, 0.0);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            mean[i % columns] += rows[i] / static_cast<double>(used);
        }
        means.insert(means.end(), mean.begin(), mean.end());
    }
    return means;
}

std::optional<ChallengeResult> challenge_result(const nmrsim::Experiment& experiment,
                                                std::span<const double> truth,
                                                std::span<const double> estimates) {
    if (experiment.score.scale == nmrsim::ScoreScale::none) return std::nullopt;
    const std::vector<double> values = challenge_columns(experiment, truth);
    const std::size_t columns = columns_of(experiment);
    if (values.empty() || values.size() != estimates.size()) {
        throw std::invalid_argument(
            fmt::format("{} estimates of {} columns do not fit {} true values", estimates.size(),
                        columns, values.size()));
    }
    const std::vector<double> scales = experiment.score.scale == nmrsim::ScoreScale::range
                                           ? column_ranges(experiment)
                                           : column_deviations(values, columns);
    ChallengeResult result;
    result.rule = experiment.score;
    for (std::size_t c = 0; c < columns; ++c) {
        if (!(scales[c] > 0.0)) return std::nullopt;
        result.columns.push_back({column_name(experiment, c), scales[c], 0.0});
    }
    const std::size_t count = values.size() / columns;
    const auto n = static_cast<double>(count);
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
        double own = 0.0;
        for (std::size_t c = 0; c < columns; ++c) {
            const double scaled =
                (estimates[i * columns + c] - values[i * columns + c]) / scales[c];
            result.columns[c].mean_square += scaled * scaled / n;
            own += scaled * scaled;
        }
        sum += own;
        squares += own * own;
    }
    const double mean = sum / n;
    const auto curves = static_cast<double>(result.rule.curves);
    result.score = curves * mean;
    result.error = curves * std::sqrt(std::max(0.0, squares / n - mean * mean) / n);
    result.mean_scaled_error = mean / static_cast<double>(columns);
    return result;
}

nmrsim::Experiment with_shipped_score(nmrsim::Experiment experiment) {
    if (experiment.score.scale != nmrsim::ScoreScale::none) return experiment;
    for (const std::string& name : nmrsim::shipped_experiments()) {
        if (name != experiment.name) continue;
        const nmrsim::Experiment shipped = nmrsim::load_experiment(name);
        if (same_columns(experiment, shipped)) experiment.score = shipped.score;
    }
    return experiment;
}

}  // namespace nmrinverse
