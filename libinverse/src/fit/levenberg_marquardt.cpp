#include "fit/levenberg_marquardt.h"

#include <cmath>

#include "fit/linear_algebra.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// At first, after a step that falls and after one that does not, and where a fit is given up.
struct Damping {
    double first = 0.3, less = 0.2, more = 5.0, most = 1e8;
};
constexpr Damping kDamping;

}  // namespace

VectorXd damped_step(const VectorXd& position, const Linearised& at, double damping) {
    const Eigen::Index k = position.size();
    std::vector<bool> held(static_cast<std::size_t>(k), false);
    VectorXd step = VectorXd::Zero(k);  // of those held: to the edge, and not beyond
    MatrixXd damped = at.information;
    damped.diagonal() *= 1.0 + damping;
    damped.diagonal().array() += 1e-30;
    for (;;) {
        MatrixXd matrix = damped;
        VectorXd gradient = at.gradient;
        for (Eigen::Index a = 0; a < k; ++a) {
            if (held[static_cast<std::size_t>(a)]) gradient += damped.col(a) * step(a);
        }
        for (Eigen::Index a = 0; a < k; ++a) {
            if (!held[static_cast<std::size_t>(a)]) continue;
            matrix.row(a).setZero();
            matrix.col(a).setZero();
            matrix(a, a) = 1.0;
            gradient(a) = -step(a);
        }
        const VectorXd all = -solved(matrix, gradient);
        // The one that meets its edge first is held, then the others are looked at again.
        Eigen::Index first = -1;
        double earliest = 1.0;
        for (Eigen::Index a = 0; a < k; ++a) {
            const double to = position(a) + all(a);
            if (held[static_cast<std::size_t>(a)] || (to >= 0.0 && to <= 1.0)) continue;
            const double share = ((to < 0.0 ? 0.0 : 1.0) - position(a)) / all(a);
            if (first < 0 || share < earliest) {
                first = a;
                earliest = share;
            }
        }
        if (first < 0) return (position + all).cwiseMax(0.0).cwiseMin(1.0) - position;
        held[static_cast<std::size_t>(first)] = true;
        step(first) = (all(first) < 0.0 ? 0.0 : 1.0) - position(first);
    }
}

double predicted_fall(const Linearised& at, const VectorXd& step) {
    return -2.0 * at.gradient.dot(step) - (step.transpose() * at.information * step).value();
}

void Fit::tighten() {
    freedom = Freedom::as_asked;
    at = std::move(as_asked);
    damping = kDamping.first;
    converged = at_rest = false;
}

bool iterate(std::vector<Fit>& fits, const Linearise& linearise, double small_fall, int iterations,
             const Jump& jump) {
    std::vector<std::size_t> active;
    std::vector<VectorXd> trials;
    std::vector<Freedom> freedoms;
    for (std::size_t i = 0; i < fits.size(); ++i) {
        Fit& fit = fits[i];
        if (fit.at_rest) continue;
        if (fit.iterations == 0) fit.trial = fit.position;
        active.push_back(i);
        trials.push_back(fit.trial);
        freedoms.push_back(fit.freedom);
    }
    if (active.empty()) return false;
    std::vector<Linearisations> found = linearise(trials, freedoms);
    bool any = false;
    for (std::size_t j = 0; j < active.size(); ++j) {
        Fit& fit = fits[active[j]];
        bool ready = false;
        if (found[j].free.chi_square < fit.at.chi_square) {
            if (fit.iterations > 0) fit.damping *= kDamping.less;
            fit.position = fit.trial;
            fit.at = std::move(found[j].free);
            fit.as_asked = std::move(found[j].as_asked);
            ready = found[j].same_minimum;
        } else {
            fit.damping *= kDamping.more;
        }
        ++fit.iterations;
        if (!std::isfinite(fit.at.chi_square)) {
            fit.at_rest = true;
            continue;
        }
        const auto next = [&] {
            const VectorXd step = damped_step(fit.position, fit.at, fit.damping);
            fit.trial = fit.position + step;
            const double left = predicted_fall(fit.at, damped_step(fit.position, fit.at, 0.0));
            fit.converged = left < small_fall;
            fit.at_rest = fit.converged || fit.damping > kDamping.most;
        };
        next();
        if (fit.freedom == Freedom::frequency && fit.at_rest && !ready && jump && jump(fit)) {
            fit.freedom = Freedom::as_asked;
            fit.at = {};
            fit.trial = fit.position;
            fit.damping = kDamping.first;
            fit.converged = fit.at_rest = false;
        } else if (fit.freedom != Freedom::as_asked && (ready || fit.at_rest)) {
            fit.tighten();
            next();
        }
        fit.at_rest = fit.at_rest || fit.iterations >= iterations;
        any = any || !fit.at_rest;
    }
    return any;
}

}  // namespace nmrinverse
