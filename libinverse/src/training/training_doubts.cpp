// What is odd about curves to train on, and about a model that learnt too little.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "nmrinverse/trainer.h"

namespace nmrinverse {
namespace {

// Fewer curves than this make a network that is worth little, and held-out ones that tell little.
constexpr std::size_t kFewCurves = 500;
// |M| is at most 1/2 in units of M; a receiver's gain may make more of it, but not this.
constexpr double kLargeValue = 1e3;
constexpr std::size_t kDoubted = 20'000;
constexpr std::size_t kPieces = 50;

// A posterior that is narrower than the prior by less than this [nats an unknown] says no more.
constexpr double kFewNats = 0.1;
// Curves seen, again and again: some ten steps.
constexpr std::size_t kFewSeen = 5'000;

/// Counts of odd curves.
struct Oddities {
    std::size_t looked_at = 0;
    std::size_t zeros = 0;
    std::size_t constants = 0;
    std::size_t large = 0;
    std::size_t outside = 0;
    double largest = 0.0;
    std::string example;  ///< of a parameter outside

    void look_at(const nmrsim::Dataset& data) {
        const std::size_t row = 2 * data.points();
        const std::size_t unknowns = data.unknowns.size();
        for (std::size_t c = 0; c < data.count(); ++c) {
            const auto curve = std::span(data.signal).subspan(c * row, row);
            double most = 0.0;
            for (const float value : curve) most = std::max(most, std::abs(double{value}));
            const auto same_as_first = [](std::span<const float> channel) {
                return std::all_of(channel.begin(), channel.end(),
                                   [&](float value) { return value == channel[0]; });
            };
            const bool constant =
                same_as_first(curve.first(row / 2)) && same_as_first(curve.subspan(row / 2));
            zeros += most == 0.0;
            constants += constant && most > 0.0;
            large += most > kLargeValue;
            largest = std::max(largest, most);
            if (data.parameters.size() == data.count() * unknowns) {
                look_at(std::span(data.parameters).subspan(c * unknowns, unknowns), data.unknowns);
            }
        }
        looked_at += data.count();
    }

    void look_at(std::span<const double> parameters, const nmrsim::Prior& prior) {
        for (std::size_t k = 0; k < parameters.size(); ++k) {
            const double slack = 1e-6 * (prior[k].high - prior[k].low);  // a text's rounding
            if (parameters[k] >= prior[k].low - slack && parameters[k] <= prior[k].high + slack) {
                continue;
            }
            if (outside++ == 0) {
                example = fmt::format("{} = {:.6g}, its prior is {:.6g} to {:.6g}", prior[k].name,
                                      parameters[k], prior[k].low, prior[k].high);
            }
            return;
        }
    }

    std::vector<std::string> said(std::size_t count) const {
        std::vector<std::string> lines;
        const auto say = [&](std::size_t odd, const std::string& what) {
            if (odd == 0) return;
            const std::string of = looked_at < count ? fmt::format(" of {} looked at", looked_at)
                                                     : fmt::format(" of {}", count);
            lines.push_back(fmt::format("{}{} curves {}", odd, of, what));
        };
        if (count < kFewCurves) {
            lines.push_back(
                fmt::format("{} curves are few to train on: below {} a network learns "
                            "little, and its widths rest on next to none",
                            count, kFewCurves));
        }
        say(zeros, "are zero throughout");
        say(constants, "are constant");
        say(large, fmt::format("have values above {:g}, up to {:.3g}, where |M| is at most 0.5",
                               kLargeValue, largest));
        say(outside, "have parameters outside the prior, where no estimate can lie: " + example);
        return lines;
    }
};

}  // namespace

std::vector<std::string> doubts_about(const nmrsim::Dataset& data) {
    Oddities odd;
    odd.look_at(data);
    return odd.said(data.count());
}

std::vector<std::string> doubts_about(const nmrsim::DatasetReader& data) {
    Oddities odd;
    const std::size_t count = data.count();
    const std::size_t pieces = count <= kDoubted ? 1 : kPieces;
    const std::size_t piece = std::min(count, kDoubted) / pieces;
    for (std::size_t p = 0; p < pieces; ++p) {
        const std::size_t first = pieces > 1 ? p * (count - piece) / (pieces - 1) : 0;
        odd.look_at(data.rows(first, pieces > 1 ? piece : count));
    }
    return odd.said(count);
}

std::string doubt_about(const Model& model) {
    const TrainingRecord& record = model.record();
    const auto unknowns = static_cast<double>(model.experiment().prior.size());
    if (record.curves_seen < kFewSeen) {
        return fmt::format("it learnt from {} curves in all, which is next to nothing",
                           record.curves_seen);
    }
    if (!(record.held_out_log_density > kFewNats * unknowns)) {
        return fmt::format("it says hardly more than the prior: {:.2g} nats of held-out curves",
                           record.held_out_log_density);
    }
    return {};
}

}  // namespace nmrinverse
