#include "nmrinverse/classification.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "nmrsim/prior.h"
#include "nmrsim/random.h"

namespace nmrinverse {
namespace {

/// Sums of probabilities that a network gives in float are 1 to some of its ulps.
constexpr double kSumTolerance = 1e-4;
/// A truth that was held impossible costs 28 nat, not infinity: JSON has no word for that.
constexpr double kLeastProbability = 1e-12;
/// Outcomes drawn to see what chance makes of the calibration error: p-values down to 0.001.
constexpr int kChanceDraws = 999;
constexpr std::uint64_t kChanceSeed = 1;

void require_probabilities(std::span<const double> probabilities, std::size_t choices) {
    for (std::size_t i = 0; i < probabilities.size() / choices; ++i) {
        double sum = 0.0;
        for (const double p : probabilities.subspan(i * choices, choices)) {
            if (!(p >= 0.0 && p <= 1.0 + kSumTolerance)) {
                throw std::invalid_argument(
                    fmt::format("probabilities of curve {} must be in [0, 1], got {}", i, p));
            }
            sum += p;
        }
        if (!(std::abs(sum - 1.0) <= kSumTolerance)) {
            throw std::invalid_argument(
                fmt::format("probabilities of curve {} must sum to 1, got {}", i, sum));
        }
    }
}

double ratio(double part, double whole) {
    return whole > 0.0 ? part / whole : 0.0;
}

void score_answers(std::span<const std::size_t> truth, std::span<const std::size_t> answers,
                   Classification& result) {
    const std::size_t k = result.choices.size();
    result.confusion.assign(k * k, 0);
    for (std::size_t i = 0; i < truth.size(); ++i) ++result.confusion[truth[i] * k + answers[i]];
    std::size_t right = 0;
    std::size_t occurring = 0;
    for (std::size_t c = 0; c < k; ++c) {
        ChoiceScore score;
        score.name = result.choices[c];
        std::size_t answered = 0;
        for (std::size_t other = 0; other < k; ++other) {
            score.count += result.confusion[c * k + other];
            answered += result.confusion[other * k + c];
        }
        const auto hits = static_cast<double>(result.confusion[c * k + c]);
        score.precision = ratio(hits, static_cast<double>(answered));
        score.recall = ratio(hits, static_cast<double>(score.count));
        // 2 p r / (p + r) is twice the hits over both counts.
        score.f1 = ratio(2.0 * hits, static_cast<double>(answered + score.count));
        right += result.confusion[c * k + c];
        if (answered + score.count > 0) {
            ++occurring;
            result.macro_f1 += score.f1;
        }
        result.scores.push_back(std::move(score));
    }
    result.macro_f1 = ratio(result.macro_f1, static_cast<double>(occurring));
    result.accuracy = static_cast<double>(right) / static_cast<double>(truth.size());
}

void score_probabilities(std::span<const double> probabilities, std::span<const std::size_t> truth,
                         Classification& result) {
    const std::size_t k = result.choices.size();
    const auto n = static_cast<double>(truth.size());
    double variance = 0.0;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        double entropy = 0.0;
        double square = 0.0;  // mean of ln^2 p
        for (std::size_t c = 0; c < k; ++c) {
            const double p = probabilities[i * k + c];
            const double loss = -std::log(std::max(p, kLeastProbability));
            entropy += p * loss;
            square += p * loss * loss;
            const double miss = p - (c == truth[i] ? 1.0 : 0.0);
            result.brier += miss * miss / n;
            result.expected_brier += p * (1.0 - p) / n;
            if (c == truth[i]) result.log_loss += loss / n;
        }
        result.expected_log_loss += entropy / n;
        variance += std::max(square - entropy * entropy, 0.0);
    }
    result.log_loss_error = std::sqrt(variance) / n;
}

/// First curve of each bin and the end, (bins + 1), of `count` curves in order.
std::vector<std::size_t> bin_edges(std::size_t count, int bins) {
    const std::size_t n = std::min(count, static_cast<std::size_t>(bins));
    std::vector<std::size_t> edges;
    for (std::size_t b = 0; b <= n; ++b) edges.push_back(b * count / n);
    return edges;
}

/// Mean over curves of |sum of probabilities - number right| of their bin.
template <class Right>
double calibration_error(std::span<const double> sorted, std::span<const std::size_t> edges,
                         const Right& right) {
    double error = 0.0;
    for (std::size_t b = 0; b + 1 < edges.size(); ++b) {
        double excess = 0.0;
        for (std::size_t i = edges[b]; i < edges[b + 1]; ++i) excess += sorted[i] - right(i);
        error += std::abs(excess);
    }
    return error / static_cast<double>(sorted.size());
}

void score_reliability(std::span<const double> probability, const std::vector<bool>& is_right,
                       int bins, Classification& result) {
    std::vector<std::size_t> order(probability.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return probability[a] < probability[b]; });
    std::vector<double> sorted, right;
    for (const std::size_t i : order) {
        sorted.push_back(std::min(probability[i], 1.0));
        right.push_back(is_right[i] ? 1.0 : 0.0);
    }
    const std::vector<std::size_t> edges = bin_edges(sorted.size(), bins);
    for (std::size_t b = 0; b + 1 < edges.size(); ++b) {
        ReliabilityBin bin;
        bin.count = edges[b + 1] - edges[b];
        bin.low = sorted[edges[b]];
        bin.high = sorted[edges[b + 1] - 1];
        const auto n = static_cast<double>(bin.count);
        double variance = 0.0;
        for (std::size_t i = edges[b]; i < edges[b + 1]; ++i) {
            bin.probability += sorted[i] / n;
            bin.frequency += right[i] / n;
            variance += sorted[i] * (1.0 - sorted[i]);
        }
        bin.standard_error = std::sqrt(variance) / n;
        result.reliability.push_back(bin);
    }
    result.calibration_error =
        calibration_error(sorted, edges, [&](std::size_t i) { return right[i]; });

    int as_large = 0;
    for (int draw = 0; draw < kChanceDraws; ++draw) {
        nmrsim::CounterRandom random(kChanceSeed, static_cast<std::uint64_t>(draw),
                                     nmrsim::RandomStream::bootstrap);
        const double by_chance = calibration_error(
            sorted, edges, [&](std::size_t i) { return random.uniform() < sorted[i] ? 1.0 : 0.0; });
        result.chance_calibration_error += by_chance / kChanceDraws;
        // To rounding: sure answers give the very same sums.
        as_large += by_chance >= result.calibration_error - 1e-12;
    }
    result.calibration_p_value = (as_large + 1.0) / (kChanceDraws + 1.0);
}

/// Name, then the numbers of its row: count, precision, recall, F1.
std::vector<std::string> score_cells(const ChoiceScore& score) {
    return {score.name, fmt::format("{}", score.count), fmt::format("{:.4f}", score.precision),
            fmt::format("{:.4f}", score.recall), fmt::format("{:.4f}", score.f1)};
}

/// Header and rows of scores with the confusion table beside them.
Table choice_rows(const Classification& c) {
    Table table;
    table.header = {"choice", "curves", "precision", "recall", "f1"};
    for (const std::string& choice : c.choices) table.header.push_back("as " + choice);
    const std::size_t k = c.choices.size();
    for (std::size_t row = 0; row < k; ++row) {
        std::vector<std::string> cells = score_cells(c.scores[row]);
        for (std::size_t column = 0; column < k; ++column) {
            cells.push_back(fmt::format("{}", c.confusion[row * k + column]));
        }
        table.rows.push_back(std::move(cells));
    }
    return table;
}

std::string overall_in_words(const Classification& c) {
    return fmt::format(
        "accuracy {:.4f}, macro F1 {:.4f}, log loss {:.4f} ({:.4f} +- {:.4f} were the "
        "probabilities right), Brier {:.4f} ({:.4f}), calibration error {:.4f} ({:.4f} by chance, "
        "p = {:.3f})",
        c.accuracy, c.macro_f1, c.log_loss, c.expected_log_loss, c.log_loss_error, c.brier,
        c.expected_brier, c.calibration_error, c.chance_calibration_error, c.calibration_p_value);
}

}  // namespace

std::size_t likeliest_choice(std::span<const double> probabilities) {
    return static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) -
                                    probabilities.begin());
}

Classification evaluate_classification(std::span<const double> probabilities,
                                       std::span<const std::size_t> truth,
                                       std::vector<std::string> choices, int bins) {
    const std::size_t k = choices.size();
    if (k < 2) throw std::invalid_argument(fmt::format("choices must be >= 2, got {}", k));
    if (bins < 1) throw std::invalid_argument(fmt::format("bins must be >= 1, got {}", bins));
    if (truth.empty() || probabilities.size() != truth.size() * k) {
        throw std::invalid_argument(
            fmt::format("{} probabilities do not fit {} curves of {} choices", probabilities.size(),
                        truth.size(), k));
    }
    for (std::size_t i = 0; i < truth.size(); ++i) {
        if (truth[i] >= k) {
            throw std::invalid_argument(
                fmt::format("the true choice of curve {} must be < {}, got {}", i, k, truth[i]));
        }
    }
    require_probabilities(probabilities, k);

    Classification result;
    result.count = truth.size();
    result.choices = std::move(choices);
    std::vector<std::size_t> answers;
    std::vector<double> of_answer;
    std::vector<bool> right;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        const std::span<const double> row = probabilities.subspan(i * k, k);
        answers.push_back(likeliest_choice(row));
        of_answer.push_back(row[answers.back()]);
        right.push_back(answers.back() == truth[i]);
    }
    score_answers(truth, answers, result);
    score_probabilities(probabilities, truth, result);
    score_reliability(of_answer, right, bins, result);
    return result;
}

std::optional<Classification> evaluate_classification(const Predictions& predictions,
                                                      const nmrsim::Dataset& data) {
    const nmrsim::PriorRange* unknown = nmrsim::find_categorical(data.unknowns);
    if (!unknown) return std::nullopt;
    const std::size_t k = data.unknowns.size();
    const auto column = static_cast<std::size_t>(unknown - data.unknowns.data());
    if (data.parameters.size() != data.count() * k) {
        throw std::invalid_argument("the data's parameters must be known to score probabilities");
    }
    std::vector<std::size_t> truth;
    for (std::size_t i = 0; i < data.count(); ++i) {
        truth.push_back(nmrsim::choice_of(*unknown, data.parameters[i * k + column]));
    }
    return evaluate_classification(predictions.probabilities, truth, unknown->choices);
}

std::string classification_table(const Classification& classification) {
    const Table table = choice_rows(classification);
    std::string text;
    const auto add_line = [&](const std::vector<std::string>& cells) {
        text += fmt::format("{:<14}", cells.front());
        for (std::size_t i = 1; i < cells.size(); ++i) text += fmt::format(" {:>13}", cells[i]);
        text += '\n';
    };
    add_line(table.header);
    for (const std::vector<std::string>& row : table.rows) add_line(row);
    return text + overall_in_words(classification) + '\n';
}

std::string classification_json(const Classification& c) {
    nlohmann::ordered_json json;
    json["count"] = c.count;
    json["accuracy"] = c.accuracy;
    json["macro_f1"] = c.macro_f1;
    json["log_loss"] = c.log_loss;
    json["expected_log_loss"] = c.expected_log_loss;
    json["log_loss_error"] = c.log_loss_error;
    json["brier"] = c.brier;
    json["expected_brier"] = c.expected_brier;
    json["calibration_error"] = c.calibration_error;
    json["chance_calibration_error"] = c.chance_calibration_error;
    json["calibration_p_value"] = c.calibration_p_value;
    json["choices"] = nlohmann::ordered_json::array();
    const std::size_t k = c.choices.size();
    for (std::size_t i = 0; i < k; ++i) {
        nlohmann::ordered_json answered;
        for (std::size_t j = 0; j < k; ++j) answered[c.choices[j]] = c.confusion[i * k + j];
        const ChoiceScore& score = c.scores[i];
        json["choices"].push_back({{"name", score.name},
                                   {"count", score.count},
                                   {"precision", score.precision},
                                   {"recall", score.recall},
                                   {"f1", score.f1},
                                   {"answered", answered}});
    }
    json["reliability"] = nlohmann::ordered_json::array();
    for (const ReliabilityBin& bin : c.reliability) {
        json["reliability"].push_back({{"count", bin.count},
                                       {"low", bin.low},
                                       {"high", bin.high},
                                       {"probability", bin.probability},
                                       {"frequency", bin.frequency},
                                       {"standard_error", bin.standard_error}});
    }
    return json.dump(2);
}

Table classification_report_table(const Classification& classification) {
    Table table = choice_rows(classification);
    table.caption =
        "Rows: the true choice. Columns \"as ...\": how many of its curves were "
        "answered so. " +
        overall_in_words(classification) + ".";
    return table;
}

Figure reliability_figure(const Classification& classification) {
    Figure figure;
    figure.title = "Reliability of the answers";
    figure.x_label = "probability of the answer";
    figure.y_label = "share that is right";
    Series series;
    series.label = "bins of equal count";
    series.style = Series::Style::points;
    for (const ReliabilityBin& bin : classification.reliability) {
        series.x.push_back(bin.probability);
        series.y.push_back(bin.frequency);
        series.error.push_back(bin.standard_error);
    }
    figure.series.push_back(std::move(series));
    figure.equal_axes = true;
    return figure;
}

}  // namespace nmrinverse
