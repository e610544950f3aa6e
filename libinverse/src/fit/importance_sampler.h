/// Weighted samples of a posterior on the unit cube, drawn where they are wanted.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "fit/candidates.h"
#include "nmrinverse/importance.h"
#include "nmrsim/random.h"

namespace nmrinverse {

/// The box, as the densities see it: the unit cube.
class Box {
public:
    explicit Box(const nmrsim::Prior& prior) : prior_(prior) {}
    Eigen::Index size() const { return static_cast<Eigen::Index>(prior_.size()); }
    double width(Eigen::Index k) const {
        const nmrsim::PriorRange& range = prior_[static_cast<std::size_t>(k)];
        return range.high - range.low;
    }
    double log_volume() const {
        double sum = 0.0;
        for (Eigen::Index k = 0; k < size(); ++k) sum += std::log(width(k));
        return sum;
    }
    Eigen::VectorXd to_unit(const double* parameters) const {
        Eigen::VectorXd unit(size());
        for (Eigen::Index k = 0; k < size(); ++k) {
            unit(k) = (parameters[k] - prior_[static_cast<std::size_t>(k)].low) / width(k);
        }
        return unit;
    }
    void append(const Eigen::VectorXd& unit, std::vector<double>& parameters) const {
        for (Eigen::Index k = 0; k < size(); ++k) {
            parameters.push_back(prior_[static_cast<std::size_t>(k)].low + width(k) * unit(k));
        }
    }

private:
    const nmrsim::Prior& prior_;
};

/// Samples drawn so far, on the unit cube, with what they were drawn from. Those outside the cube
/// have no weight and are not kept, but count among the drawn.
struct Sampler {
    const Box& box;
    const LogDensity& log_likelihood;
    const Proposal* proposal;
    const ImportanceOptions& options;
    nmrsim::CounterRandom random{options.seed, options.index, nmrsim::RandomStream::importance};

    /// Logarithms of a density at positions (k, n).
    using Density = std::function<Eigen::VectorXd(const Eigen::MatrixXd&)>;
    struct Drawn {
        Density log_density;
        double log_count;
    };
    std::vector<Drawn> drawn{};
    double proposed = 0.0;  ///< how many samples of the proposal
    double all = 0.0;       ///< how many samples, those outside among them
    std::vector<Eigen::VectorXd> samples{};
    std::vector<double> likelihood{};  ///< (samples), logarithms
    std::vector<double> density{};     ///< (samples), log of what they were drawn from, times `all`
    std::size_t counted = 0;           ///< how many of `drawn` are in `density`
    std::vector<double> log_weight{};  ///< (samples)

    /// Draws from a Student density, those inside the cube put behind `fresh`.
    void add_student(Eigen::VectorXd centre, const Eigen::MatrixXd& covariance, int draws,
                     std::vector<Eigen::VectorXd>& fresh);

    Eigen::MatrixXd columns(std::size_t first, std::size_t last) const;  ///< of the samples

    /// Adds samples that have been drawn, and weights all anew against all that was drawn from.
    void take(const std::vector<Eigen::VectorXd>& fresh);

    /// (samples), their sum 1. Throws: std::invalid_argument where the likelihood vanishes.
    std::vector<double> weights() const;

    /// The weights to the largest power at most 1 that leaves so many effective samples: a few
    /// large ones say little about where the others should be.
    std::vector<double> tempered(double effective_size) const;

    /// Another round, where the weights are.
    void further();

    /// Draws by a polynomial in the likelihood's place.
    /// Returns: how many; 0 where none stands for the likelihood well enough.
    int by_polynomial(std::vector<Eigen::VectorXd>& fresh);

    /// Keeps so many candidates, each as often as its weight says.
    void pick(const Surrogate& surrogate, const Candidates& candidates, double power, int draws,
              std::vector<Eigen::VectorXd>& fresh);
};

}  // namespace nmrinverse
