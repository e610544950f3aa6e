#include "fit/student_density.h"

#include <cmath>
#include <numbers>

#include "fit/linear_algebra.h"

namespace nmrinverse {

using Eigen::MatrixXd;
using Eigen::VectorXd;

bool in_unit_box(const VectorXd& position) {
    return position.minCoeff() >= 0.0 && position.maxCoeff() <= 1.0;
}

StudentDensity::StudentDensity(VectorXd centre, const MatrixXd& scale, double tail)
    : centre_(std::move(centre)), tail_(tail) {
    const Eigen::Index k = centre_.size();
    // Rounding must not make it singular.
    const MatrixXd regular =
        scale + 1e-16 * MatrixXd::Identity(k, k) + 1e-10 * MatrixXd(scale.diagonal().asDiagonal());
    root_ = root_of(regular);
    const double d = static_cast<double>(k);
    log_factor_ = std::lgamma(0.5 * (tail + d)) - std::lgamma(0.5 * tail) -
                  0.5 * d * std::log(tail * std::numbers::pi) -
                  root_.diagonal().array().log().sum();
}

bool StudentDensity::finite() const {
    return std::isfinite(log_factor_) && root_.allFinite() && centre_.allFinite();
}

double StudentDensity::log_density(const VectorXd& position) const {
    const MatrixXd z = divided_by(root_, position - centre_);
    const double d = static_cast<double>(position.size());
    return log_factor_ - 0.5 * (tail_ + d) * std::log1p(z.squaredNorm() / tail_);
}

VectorXd StudentDensity::log_densities(const MatrixXd& positions) const {
    const MatrixXd z = divided_by(root_, positions.colwise() - centre_);
    const double power = 0.5 * (tail_ + static_cast<double>(positions.rows()));
    return log_factor_ -
           power * (1.0 + z.colwise().squaredNorm().transpose().array() / tail_).log();
}

VectorXd StudentDensity::draw(nmrsim::CounterRandom& random) const {
    VectorXd z(centre_.size());
    for (double& value : z) value = random.normal();
    // A gamma deviate of shape tail / 2, that is half of chi-square: G. Marsaglia and W. W. Tsang,
    // ACM Transactions on Mathematical Software 26, 363 (2000).
    const double shape = 0.5 * tail_ + (tail_ < 2.0 ? 1.0 : 0.0);
    const double a = shape - 1.0 / 3.0, b = 1.0 / std::sqrt(9.0 * a);
    double gamma = 0.0;
    for (;;) {
        const double x = random.normal();
        const double v = std::pow(1.0 + b * x, 3);
        if (v > 0.0 && std::log(random.uniform()) < 0.5 * x * x + a - a * v + a * std::log(v)) {
            gamma = a * v;
            break;
        }
    }
    if (tail_ < 2.0) gamma *= std::pow(random.uniform(), 2.0 / tail_);
    return centre_ + std::sqrt(0.5 * tail_ / gamma) * (root_ * z);
}

}  // namespace nmrinverse
