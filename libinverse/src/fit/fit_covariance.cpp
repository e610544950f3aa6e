#include "fit/fit_covariance.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "fit/linear_algebra.h"
#include "fit/search.h"
#include "nmrinverse/noise_correlation.h"

namespace nmrinverse {

using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// What noise of this correlation does to a least squares fit, on the unit box: A^-1 B A^-1 with A
/// the information of white noise and B = J^T R J.
///
/// Args: variance: of the noise, over that of `at`.
MatrixXd covariance_under(const Linearised& at, std::span<const double> correlation,
                          double variance) {
    const MatrixXd& slopes = *at.slopes;
    const Eigen::Index n = slopes.rows() / 2;
    MatrixXd spread = at.information;
    for (Eigen::Index lag = 1; lag <= std::min(std::ssize(correlation), n - 1); ++lag) {
        MatrixXd sum = MatrixXd::Zero(slopes.cols(), slopes.cols());
        for (const Eigen::Index part : {Eigen::Index{0}, n}) {
            sum += transposed_product(slopes.middleRows(part, n - lag),
                                      slopes.middleRows(part + lag, n - lag));
        }
        spread += correlation[static_cast<std::size_t>(lag - 1)] * (sum + sum.transpose());
    }
    // A correlation that was estimated may leave a direction with a negative variance.
    const Modes modes = modes_of(variance * spread);
    const MatrixXd positive =
        with_values(modes, modes.values.cwiseMax(1e-12 * modes.values.maxCoeff()));
    const MatrixXd inverse = box_covariance(at);
    return product(product(inverse, bounded(positive)), inverse);
}

}  // namespace

MatrixXd box_covariance(const Linearised& at) {
    return inverse_of(bounded(at.information));
}

MatrixXd covariance_of(const CurveLikelihood& likelihood, const MatrixXd& on_box) {
    const VectorXd width = likelihood.widths();
    const MatrixXd covariance = width.asDiagonal() * on_box * width.asDiagonal();
    const Eigen::Index unknowns = static_cast<Eigen::Index>(likelihood.unknowns());
    return covariance.topLeftCorner(unknowns, unknowns);
}

void correlate(const VectorXd& residual, Refinement& result) {
    const Eigen::Index n = residual.size() / 2;
    if (n < 3) return;
    double product = 0.0;
    for (const VectorXd& half : {VectorXd(residual.head(n)), VectorXd(residual.tail(n))}) {
        product += half.head(n - 1).dot(half.tail(n - 1));
    }
    const double square = residual.squaredNorm();
    if (square > 0.0) result.residual_correlation = product / square;
    result.residual_correlation_deviation = 1.0 / std::sqrt(2.0 * static_cast<double>(n - 1));
}

MatrixXd best_covariance(const Fit& end, const RefineOptions& options, const Refinement& result,
                         double excess) {
    const bool misfit = !result.within_noise() && result.chi_square > result.degrees;
    const bool coloured =
        options.noise_correlation.empty() &&
        std::abs(result.residual_correlation) > 5.0 * result.residual_correlation_deviation;
    if (!misfit && !coloured) {
        return options.noise_correlation.empty()
                   ? box_covariance(end.at)
                   : covariance_under(end.at, options.noise_correlation, 1.0 / excess);
    }
    const VectorXd& residual = end.at.residual;
    const std::vector<double> own =
        noise_correlation({residual.data(), static_cast<std::size_t>(residual.size())});
    const double scale = misfit ? result.chi_square / result.degrees : 1.0;
    return covariance_under(end.at, own, scale / excess);
}

}  // namespace nmrinverse
