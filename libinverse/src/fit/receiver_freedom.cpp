#include "fit/receiver_freedom.h"

#include <algorithm>
#include <array>
#include <numbers>

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Complex = std::complex<double>;

/// A frequency that is left free is sought within so many turns over the window, in steps that no
/// peak (two turns wide) falls between, on sums over blocks of samples.
constexpr double kMostTurns = 24.0;
constexpr double kTurnsStep = 0.5;
constexpr Eigen::Index kRampBlocks = 64;
constexpr double kTwoPi = 2.0 * std::numbers::pi;

}  // namespace

void turn(Complex by, Eigen::Ref<VectorXd> curve) {
    if (by == 1.0) return;
    const Eigen::Index n = curve.size() / 2;
    const VectorXd x = curve.head(n);
    curve.head(n) = by.real() * x - by.imag() * curve.tail(n);
    curve.tail(n) = by.real() * curve.tail(n) + by.imag() * x;
}

void turn_evenly(double turns, Eigen::Ref<VectorXd> curve) {
    const Eigen::Index n = curve.size() / 2;
    const Complex step = std::polar(1.0, kTwoPi * turns / static_cast<double>(n));
    Complex phase = 1.0;
    for (Eigen::Index i = 0; i < n; ++i) {
        const Complex one = phase * Complex(curve(i), curve(n + i));
        curve(i) = one.real();
        curve(n + i) = one.imag();
        phase *= step;
    }
}

void project_out(const Eigen::Ref<const VectorXd>& direction, Eigen::Ref<MatrixXd> columns) {
    const double square = direction.squaredNorm();
    if (square > 0.0) columns -= direction * (direction.transpose() * columns / square);
}

Complex correlation(const VectorXd& model, const VectorXd& x, const VectorXd& y) {
    const Eigen::Index n = x.size();
    return {model.head(n).dot(x) + model.tail(n).dot(y),
            model.head(n).dot(y) - model.tail(n).dot(x)};
}

double best_turns(const VectorXd& model, const VectorXd& x, const VectorXd& y) {
    const Eigen::Index n = x.size();
    const auto block = [n](Eigen::Index b) { return b * n / kRampBlocks; };
    std::array<Complex, kRampBlocks> blocks{};
    for (Eigen::Index b = 0; b < kRampBlocks; ++b) {
        for (Eigen::Index i = block(b); i < block(b + 1); ++i) {
            blocks[static_cast<std::size_t>(b)] +=
                std::conj(Complex(model(i), model(n + i))) * Complex(x(i), y(i));
        }
    }
    const auto power = [&](double turns) {  // over the window
        const Complex step = std::polar(1.0, -kTwoPi * turns / kRampBlocks);
        Complex phase = 1.0, sum = 0.0;
        for (const Complex& c : blocks) {
            sum += c * phase;
            phase *= step;
        }
        return std::norm(sum);
    };
    double best = 0.0, most = power(0.0);
    for (double turns = -kMostTurns; turns <= kMostTurns; turns += kTurnsStep) {
        if (const double p = power(turns); p > most) {
            most = p;
            best = turns;
        }
    }
    for (double width = 0.5 * kTurnsStep; width > 1e-3; width *= 0.5) {
        const double before = power(best - width), after = power(best + width);
        const double bend = before - 2.0 * most + after;
        const double move =
            bend < 0.0 ? std::clamp(0.5 * width * (before - after) / bend, -width, width) : 0.0;
        if (const double p = power(best + move); p > most) {
            most = p;
            best += move;
        }
    }
    return best;
}

}  // namespace nmrinverse
