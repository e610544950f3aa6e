#include "general/step_size.h"

#include <algorithm>
#include <cmath>

#include "general/stretches.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

constexpr double kUsualRadians = 100.0;  // of a sequence that first_turn is for

// In longer steps than this [rad] the eighth order does not show yet, and the share is this one.
constexpr double kLongTurn = 0.7;
constexpr double kLongShare = 1.0 / 8.0;

// Steps a period of twice the Larmor frequency, laboratory frame, at a tolerance of 1e-4.
constexpr double kStepsPerCarrier = 12.0;

StepSize size_by(const Experiment& experiment, const StepMethod& method) {
    StepSize size;
    size.method = method;
    if (experiment.accuracy.steps_per_point) {
        size.forced_us = sample_spacing_us(experiment) / *experiment.accuracy.steps_per_point;
    }
    size.turn =
        method.first_turn * std::pow(experiment.accuracy.tolerance / 1e-4, 1.0 / method.order);
    return size;
}

}  // namespace

EnsembleRates ensemble_rates(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                             bool by_counter) {
    double mean_square = 0.0, weight = 0.0, edge = 0.0;
    for (std::size_t i = 0; i < inputs.offset.size(); ++i) {
        mean_square += std::abs(inputs.weight[i]) * inputs.offset[i] * inputs.offset[i];
        weight += std::abs(inputs.weight[i]);
        edge = std::max(edge, std::abs(inputs.offset[i]));
    }
    double norm = inputs.kernel.empty() ? weight : 0.0;
    for (const double f : inputs.kernel) norm += std::abs(f);
    const double losses = inputs.transverse + inputs.longitudinal;
    EnsembleRates rates;
    rates.typical = std::sqrt(mean_square / std::max(weight, 1e-300)) + losses;
    rates.fastest = edge + losses;
    rates.coupling =
        std::max(std::abs(inputs.plane) + std::abs(inputs.counter), std::abs(inputs.z));
    rates.most_field = kSpinLength * norm;
    const bool stepped = experiment.accuracy.frame == Frame::laboratory;
    if (stepped && (inputs.counter != 0.0 || by_counter)) rates.carrier = inputs.carrier;
    return rates;
}

double StepSize::share() const {
    return method.eighth && turn > kLongTurn ? kLongShare : method.share;
}

double StepSize::longest_us(const EnsembleRates& rates, double field, double drive,
                            double last_us) const {
    const double common = rates.coupling * field + drive;
    const double fastest = rates.fastest + common;
    double longest = last_us + 1.0;
    if (forced_us > 0.0) {
        longest = forced_us;
    } else {
        const double rate = method.eighth ? fastest : rates.typical + common;
        if (rate > 0.0) longest = std::min(longest, turn / rate);
        if (rates.carrier > 0.0) {
            const double share = std::min(turn / method.first_turn, 1.0);
            longest = std::min(longest, kTwoPi / rates.carrier / kStepsPerCarrier * share);
        }
    }
    return fastest > 0.0 ? std::min(longest, method.largest_turn / fastest) : longest;
}

double most_steps(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                  const EnsembleRates& rates, const StepSize& size) {
    const double last = inputs.sample.back();
    double steps = static_cast<double>(inputs.sample.size());
    for (const Stretch<double>& stretch : stretches(experiment, inputs)) {
        const double length = std::min(stretch.end, last) - stretch.begin;
        if (!(length > 0.0)) continue;
        steps += 1.0 + length / size.longest_us(rates, rates.most_field, stretch.drive(), last);
    }
    return size.parts * steps;
}

double flops_of_step(const EnsembleInputs<double>& inputs, const StepMethod& method) {
    // Fourth order: six turns of some ten terms, each a cross product and a sum, and four fields;
    // eighth: eleven slopes, sums of seven and fields.
    const double spins = static_cast<double>(inputs.offset.size());
    const double field = inputs.kernel.empty() ? 6.0 : 15.0 * std::log2(spins + 1.0);
    return method.eighth ? 11.0 * (15.0 + 7.0 * 6.0 + field) : 6.0 * 10.0 * 15.0 + 4.0 * field;
}

StepSize first_step_size(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                         const EnsembleRates& rates) {
    const StepSize fourth = size_by(experiment, kFourth);
    if (fourth.forced_us > 0.0) return fourth;
    StepSize eighth = size_by(experiment, kEighth);
    // Errors gather: beyond that many radian steps are shorter from the start, or the coarse answer
    // would mean nothing.
    const double radians =
        (rates.fastest + rates.coupling * rates.most_field) * inputs.sample.back();
    eighth.turn *= std::pow(std::min(1.0, kUsualRadians / std::max(radians, 1e-300)),
                            1.0 / eighth.method.order);
    eighth.turn = std::min(eighth.turn, eighth.method.largest_turn);
    const auto flops = [&](const StepSize& size) {
        return most_steps(experiment, inputs, rates, size) * flops_of_step(inputs, size.method);
    };
    return flops(eighth) < flops(fourth) ? eighth : fourth;
}

}  // namespace nmrsim
