#include "nmrsim/fisher.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "nmrsim/parameters.h"

namespace nmrsim {

FisherInformation fisher_information(const SignalJacobian& jacobian, double noise) {
    if (!(noise > 0.0) || !std::isfinite(noise)) {
        throw std::invalid_argument(
            fmt::format("acquisition.noise must be > 0 for a bound, got {}", noise));
    }
    const Eigen::Index k = static_cast<Eigen::Index>(jacobian.parameters.size());
    FisherInformation information{jacobian.parameters, Eigen::MatrixXd::Zero(k, k)};
    const auto column = [](const std::vector<double>& v) {
        return Eigen::Map<const Eigen::VectorXd>(v.data(), static_cast<Eigen::Index>(v.size()));
    };
    for (Eigen::Index a = 0; a < k; ++a) {
        for (Eigen::Index b = 0; b < k; ++b) {
            const std::size_t i = static_cast<std::size_t>(a), j = static_cast<std::size_t>(b);
            information.matrix(a, b) = (column(jacobian.dmx[i]).dot(column(jacobian.dmx[j])) +
                                        column(jacobian.dmy[i]).dot(column(jacobian.dmy[j]))) /
                                       (noise * noise);
        }
    }
    return information;
}

Eigen::MatrixXd cramer_rao_bound(const FisherInformation& information) {
    // In units in which each parameter alone is known to 1, so that units do not decide what is
    // singular.
    constexpr double kSingular = 1e-12;
    const Eigen::MatrixXd& f = information.matrix;
    const Eigen::Index k = f.rows();
    Eigen::VectorXd unit(k);
    for (Eigen::Index a = 0; a < k; ++a) unit(a) = f(a, a) > 0.0 ? 1.0 / std::sqrt(f(a, a)) : 0.0;
    const Eigen::MatrixXd scaled = unit.asDiagonal() * f * unit.asDiagonal();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> modes(scaled);
    Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(k, k);
    std::vector<bool> unknown(static_cast<std::size_t>(k), false);
    for (Eigen::Index m = 0; m < k; ++m) {
        const double value = modes.eigenvalues()(m);
        const Eigen::VectorXd mode = modes.eigenvectors().col(m);
        if (value > kSingular) {
            covariance += mode * mode.transpose() / value;
            continue;
        }
        for (Eigen::Index a = 0; a < k; ++a) {
            if (std::abs(mode(a)) > std::sqrt(kSingular))
                unknown[static_cast<std::size_t>(a)] = true;
        }
    }
    covariance = (unit.asDiagonal() * covariance * unit.asDiagonal()).eval();
    for (Eigen::Index a = 0; a < k; ++a) {
        if (!unknown[static_cast<std::size_t>(a)]) continue;
        covariance.row(a).setZero();
        covariance.col(a).setZero();
        covariance(a, a) = std::numeric_limits<double>::infinity();
    }
    return covariance;
}

std::vector<double> cramer_rao_deviations(const FisherInformation& information) {
    const Eigen::MatrixXd covariance = cramer_rao_bound(information);
    std::vector<double> deviations;
    for (Eigen::Index a = 0; a < covariance.rows(); ++a) {
        deviations.push_back(std::sqrt(covariance(a, a)));
    }
    return deviations;
}

std::vector<std::string> bounded_unknowns(const Experiment& experiment) {
    std::vector<std::string> names;
    for (const PriorRange& range : experiment.prior) {
        if (!range.categorical() && parameter(range.name).applies(experiment)) {
            names.push_back(range.name);
        }
    }
    return names;
}

std::string bounds_to_csv(const Experiment& experiment, const SignalJacobian& jacobian) {
    const std::vector<double> deviations =
        cramer_rao_deviations(fisher_information(jacobian, experiment.acquisition.noise));
    std::string text = "parameter,unit,value,bound\n";
    for (std::size_t k = 0; k < deviations.size(); ++k) {
        const Parameter& row = parameter(jacobian.parameters[k]);
        text += fmt::format("{},{},{},{:.6g}\n", row.name, row.unit, row.get(experiment),
                            deviations[k]);
    }
    return text;
}

}  // namespace nmrsim
