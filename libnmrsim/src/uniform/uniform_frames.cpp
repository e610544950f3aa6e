#include "uniform/uniform_frames.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// (1 - exp(-x)) / x and (1 - that) / x, each with its derivative.
struct DecayFunctions {
    double first = 1.0, first_slope = -0.5;
    double second = 0.5, second_slope = -1.0 / 6.0;
};

/// 1 / k!
constexpr auto kInverseFactorial = [] {
    std::array<double, 22> values{1.0};
    for (std::size_t k = 1; k < values.size(); ++k) {
        values[k] = values[k - 1] / static_cast<double>(k);
    }
    return values;
}();

DecayFunctions decay_functions(double x) {
    constexpr double kFewTerms = 0.5, kFewerTerms = 1e-3;
    if (x == 0.0) return {};
    DecayFunctions f;
    if (std::abs(x) > kFewTerms) {
        f.first = -std::expm1(-x) / x;
        f.first_slope = (std::exp(-x) - f.first) / x;
        f.second = (1.0 - f.first) / x;
        f.second_slope = (-f.first_slope - f.second) / x;
        return f;
    }
    // Sums of (-x)^k / (k + 1)! and (-x)^k / (k + 2)!.
    f = {0.0, 0.0, 0.0, 0.0};
    for (std::size_t k = std::abs(x) > kFewerTerms ? 18 : 6; k-- > 0;) {
        const double slope = -static_cast<double>(k + 1);
        f.first = kInverseFactorial[k + 1] - x * f.first;
        f.first_slope = slope * kInverseFactorial[k + 2] - x * f.first_slope;
        f.second = kInverseFactorial[k + 2] - x * f.second;
        f.second_slope = slope * kInverseFactorial[k + 3] - x * f.second_slope;
    }
    return f;
}

}  // namespace

LongitudinalDecay longitudinal_decay(const UniformNumbers& curve, double time_s) {
    const double x = curve.rates.longitudinal_per_s * time_s;
    return {std::exp(-x), curve.rates.recovery_per_s * time_s * decay_functions(x).first};
}

LongitudinalDecay longitudinal_decay(const UniformNumbers& curve, const UniformNumbers& tangent,
                                     double time_s) {
    const double x = curve.rates.longitudinal_per_s * time_s;
    const double dx = tangent.rates.longitudinal_per_s * time_s;
    const DecayFunctions f = decay_functions(x);
    return {-dx * std::exp(-x), time_s * (tangent.rates.recovery_per_s * f.first +
                                          curve.rates.recovery_per_s * f.first_slope * dx)};
}

UniformFrames::UniformFrames(std::span<const UniformCurve> curves, double total_weight)
    : curves_(curves),
      plan_weight_(total_weight),
      rows_(1 + curves.front().tangents.size()),
      mz_(rows_ * curves.size(), 0.0),
      start_phase_(rows_ * curves.size(), 0.0),
      end_phase_(rows_ * curves.size(), 0.0) {}

double UniformFrames::total_weight(std::size_t row, std::size_t lane) const {
    const UniformNumbers& one = numbers(row, lane);
    if (one.line) return one.line->total;
    return row == 0 ? plan_weight_ : 0.0;
}

double UniformFrames::mz_at(std::size_t row, std::size_t lane, double time_s) const {
    const UniformNumbers& curve = numbers(0, lane);
    const LongitudinalDecay decay = longitudinal_decay(curve, time_s);
    double value = mz(row, lane) * decay.kept + total_weight(row, lane) * decay.gain;
    if (row > 0) {
        const LongitudinalDecay change = longitudinal_decay(curve, numbers(row, lane), time_s);
        value += mz(0, lane) * change.kept + total_weight(0, lane) * change.gain;
    }
    return value;
}

double UniformFrames::mz_integral(std::size_t row, std::size_t lane, double time_s) const {
    const UniformNumbers& curve = numbers(0, lane);
    const DecayFunctions f = decay_functions(curve.rates.longitudinal_per_s * time_s);
    const double square = time_s * time_s;
    double integral = mz(row, lane) * time_s * f.first +
                      total_weight(row, lane) * curve.rates.recovery_per_s * square * f.second;
    if (row > 0) {
        const UniformNumbers& tangent = numbers(row, lane);
        const double dx = tangent.rates.longitudinal_per_s * time_s;
        integral += mz(0, lane) * time_s * f.first_slope * dx +
                    total_weight(0, lane) * square *
                        (tangent.rates.recovery_per_s * f.second +
                         curve.rates.recovery_per_s * f.second_slope * dx);
    }
    return integral;
}

double UniformFrames::phase(std::size_t row, std::size_t lane, double time_s) const {
    const auto rate = [&](std::size_t r) {
        return kTwoPi * (numbers(r, lane).alpha_z_hz - numbers(r, lane).alpha_plane_hz);
    };
    double phase = rate(0) * mz_integral(row, lane, time_s);
    if (row > 0) {
        phase +=
            rate(row) * mz_integral(0, lane, time_s) + start_phase_[row * curves_.size() + lane];
    }
    const double centre_hz = numbers(row, lane).centre_hz;
    return centre_hz == 0.0 ? phase : phase + kTwoPi * centre_hz * time_s;
}

bool UniformFrames::steady(std::size_t lane) const {
    for (std::size_t row = 0; row < rows_; ++row) {
        const UniformNumbers& one = numbers(row, lane);
        if (one.rates.longitudinal_per_s != 0.0 || one.rates.recovery_per_s != 0.0) return false;
    }
    return true;
}

double UniformFrames::phase_rate(std::size_t lane, double time_s) const {
    const UniformNumbers& one = numbers(0, lane);
    return kTwoPi *
           ((one.alpha_z_hz - one.alpha_plane_hz) * mz_at(0, lane, time_s) + one.centre_hz);
}

void UniformFrames::end_segment(std::size_t row, std::size_t lane, double duration_s,
                                double added) {
    end_phase_[row * curves_.size() + lane] = phase(row, lane, duration_s) + added;
    start_phase_[row * curves_.size() + lane] = 0.0;
}

void UniformFrames::stand() {
    std::ranges::fill(end_phase_, 0.0);
    std::ranges::fill(start_phase_, 0.0);
}

TurnWithTangents UniformFrames::turn(std::size_t lane, std::size_t first_event,
                                     std::size_t end_event, const UniformBlock& block) const {
    const auto end_phase = [&](std::size_t row) { return end_phase_[row * curves_.size() + lane]; };
    TurnWithTangents result;
    result.turn = turn_z(end_phase(0));
    for (std::size_t t = 1; t < rows_; ++t) {
        result.tangent.push_back(turn_z_tangent(end_phase(0), end_phase(t)));
    }
    const UniformNumbers& curve = numbers(0, lane);
    for (std::size_t e = first_event; e < end_event; ++e) {
        const Pulse pulse = pulse_on(block, curve, e);
        const Matrix3 matrix = pulse_matrix(pulse);
        for (std::size_t t = 1; t < rows_; ++t) {
            const Pulse slope = pulse_slope_on(block, curve, numbers(t, lane), e);
            result.tangent[t - 1] = sum(product(matrix, result.tangent[t - 1]),
                                        product(pulse_tangent(pulse, slope), result.turn));
        }
        result.turn = product(matrix, result.turn);
    }
    return result;
}

}  // namespace nmrsim
