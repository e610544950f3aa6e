// The optimiser on problems whose minimum is known, and the receiver's freedom that helps it.

#include "fit/levenberg_marquardt.h"

#include <cmath>
#include <numbers>

#include "catch_compat.h"
#include "fit/interpolation.h"
#include "fit/receiver_freedom.h"

using namespace nmrinverse;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// Rosenbrock's valley, its minimum 0 at (1, 1), on [0, 1] x [0, 1] as x = low + width u.
Linearise rosenbrock(double low, double width) {
    return [=](std::span<const VectorXd> positions, std::span<const Freedom>) {
        std::vector<Linearisations> result;
        for (const VectorXd& u : positions) {
            const double x = low + width * u(0), y = low + width * u(1);
            VectorXd residual(2);
            residual << 10.0 * (y - x * x), 1.0 - x;
            MatrixXd jacobian(2, 2);
            jacobian << -20.0 * x, 10.0, -1.0, 0.0;
            jacobian *= width;
            Linearisations at;
            at.free.chi_square = residual.squaredNorm();
            at.free.information = jacobian.transpose() * jacobian;
            at.free.gradient = jacobian.transpose() * residual;
            result.push_back(at);
        }
        return result;
    };
}

Fit fit_from(double x, double y) {
    Fit fit;
    fit.position = VectorXd(2);
    fit.position << x, y;
    return fit;
}

}  // namespace

TEST_CASE("all starts come down the same valley", "[levenberg_marquardt]") {
    std::vector<Fit> fits{fit_from(0.1, 0.9), fit_from(0.5, 0.1), fit_from(0.9, 0.9)};
    while (iterate(fits, rosenbrock(-2.0, 4.0), 1e-20, 200)) {
    }
    for (const Fit& fit : fits) {
        CHECK(fit.converged);
        // At chi-square 1e-20 the residuals, and with them 1 - x, are below 1e-10.
        CHECK(fit.position(0) == Approx(0.75).margin(1e-9));
        CHECK(fit.position(1) == Approx(0.75).margin(1e-9));
    }
}

TEST_CASE("a minimum outside the box is met at its edge", "[levenberg_marquardt]") {
    // On [-2, 0.5] the best has x = 0.5, and there y = x^2 = 0.25: u = (1, 0.9).
    std::vector<Fit> fits{fit_from(0.2, 0.2), fit_from(0.9, 0.1)};
    while (iterate(fits, rosenbrock(-2.0, 2.5), 1e-16, 500)) {
    }
    for (const Fit& fit : fits) {
        CHECK(fit.converged);
        CHECK(fit.position(0) == Approx(1.0).margin(1e-7));
        CHECK(fit.position(1) == Approx(0.9).margin(1e-7));
        CHECK(fit.at.chi_square == Approx(0.25));
    }
}

TEST_CASE("a start without a finite chi-square is given up", "[levenberg_marquardt]") {
    const Linearise broken = [](std::span<const VectorXd> positions, std::span<const Freedom>) {
        std::vector<Linearisations> result(positions.size());
        for (Linearisations& at : result) at.free.chi_square = std::nan("");
        return result;
    };
    std::vector<Fit> fits{fit_from(0.5, 0.5)};
    CHECK_FALSE(iterate(fits, broken, 1e-4, 10));
    CHECK(fits[0].at_rest);
    CHECK_FALSE(fits[0].converged);
}

TEST_CASE("a free frequency is found, and turning by it meets the curve", "[levenberg_marquardt]") {
    constexpr Eigen::Index n = 856;
    VectorXd model(2 * n);
    for (Eigen::Index i = 0; i < n; ++i) {
        const double t = static_cast<double>(i) / n;
        const double envelope = std::exp(-20.0 * (t - 0.5) * (t - 0.5));
        model(i) = envelope * std::cos(9.0 * t * t);
        model(n + i) = envelope * std::sin(9.0 * t * t);
    }
    for (const double turns : {0.0, 0.37, -2.8, 5.1}) {
        CAPTURE(turns);
        VectorXd curve = model;
        turn_evenly(turns, curve);
        turn(std::polar(0.7, 1.1), curve);
        const VectorXd x = curve.head(n), y = curve.tail(n);
        VectorXd turned = model;
        const double found = best_turns(turned, x, y);
        // Blocks of 13 or 14 samples are placed to half a sample: at five turns 0.02 rad, over a
        // third of the window 0.06 rad a window, 0.01 turns.
        CHECK(found == Approx(turns).margin(0.01));
        turn_evenly(found, turned);
        turn(correlation(turned, x, y) / turned.squaredNorm(), turned);
        // 0.01 turns are 0.03 rad at either end.
        CHECK((turned - curve).norm() < 0.03 * curve.norm());
    }
}

TEST_CASE("a shifted curve and its slope are interpolated", "[levenberg_marquardt]") {
    // 20 samples a turn: w h = 0.314, error 1.1e-3 (w h)^8 = 1e-7 and a float's 6e-8; the slope's
    // is at most 8 / (w h / ...) of it: below 1e-6 of a slope of w h.
    const double step = 2.0 * std::numbers::pi / 20.0;
    std::vector<float> curve;
    for (int i = 0; i < 64; ++i) curve.push_back(static_cast<float>(std::sin(step * i)));
    for (const double shift : {-3.0, -1.7, -0.5, 0.0, 0.2, 0.999, 4.25}) {
        CAPTURE(shift);
        const Stencil stencil = shift_stencil(shift);
        CHECK(std::abs(stencil.value(curve.data(), 30) - std::sin(step * (30.0 + shift))) < 3e-7);
        CHECK(std::abs(stencil.derivative(curve.data(), 30) -
                       step * std::cos(step * (30.0 + shift))) < 7e-7);
    }
}
