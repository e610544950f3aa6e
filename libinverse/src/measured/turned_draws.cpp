// Draws of the prior that would fit a record if they might turn evenly.

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <numeric>

#include "measured/echo_bank.h"
#include "nmrsim/alpha_z_aliases.h"
#include "nmrsim/prior.h"
#include "nmrsim/stop.h"

namespace nmrinverse {
namespace {

using Complex = std::complex<float>;
using Eigen::MatrixXcf;

/// Draws that turn are compared with the records at every so many lags, at so many rows; the best
/// are kept.
constexpr Eigen::Index kTurnLagStep = 3;
constexpr Eigen::Index kTurnRows = 96;
constexpr std::size_t kTurnedKept = 256;

}  // namespace

std::vector<Candidate> EchoBank::turned(int attempt,
                                        std::span<const MeasuredRecord> measured) const {
    if (!options_.fit_phase || records() > 1 || !nmrsim::has_alpha_z_aliases(sparse_)) return {};
    const nmrsim::Prior& prior = sparse_.prior;
    const nmrsim::PriorRange& range =
        *std::find_if(prior.begin(), prior.end(),
                      [](const nmrsim::PriorRange& one) { return one.name == "alpha_z_khz"; });
    const MeasuredRecord& first = measured.front();
    const std::vector<double>& times = sparse_times_.front();
    const double base_us = options_.align ? first.time_us.front() - times.front() : 0.0;
    const std::vector<Sparse> sparse = at_spacing(measured, base_us);
    std::vector<Eigen::Index> tried = {0};
    if (options_.align) {
        tried.clear();
        for (const Eigen::Index lag :
             lags(sparse, covered_ ? 0.0 : kOutside * range_us(measured))) {
            if (lag % kTurnLagStep == 0) tried.push_back(lag);
        }
        if (tried.empty()) tried.push_back(0);
    }
    MatrixXcf windows = windows_of(sparse, tried);
    windows.rowwise() -= windows.colwise().mean().eval();
    const std::vector<double> more = attempt == 0 ? std::vector<double>() : drawn(attempt);
    const std::vector<double>& draws = attempt == 0 ? first_draws_ : more;
    const MatrixXcf others = attempt == 0 ? MatrixXcf() : simulated(more);
    const MatrixXcf& filters = attempt == 0 ? first_filters_ : others;
    // Every few rows do: what a draw leaves of the curve is slow.
    const Eigen::Index step = std::max<Eigen::Index>(1, filters.rows() / kTurnRows);
    const Eigen::Index rows = (filters.rows() + step - 1) / step;
    MatrixXcf few(rows, filters.cols()), held(rows, windows.cols());
    Eigen::VectorXd time_us(rows);
    for (Eigen::Index i = 0; i < rows; ++i) {
        few.row(i) = filters.row(i * step);
        held.row(i) = windows.row(i * step);
        time_us(i) = times[static_cast<std::size_t>(i * step)];
    }
    const Eigen::VectorXf filter_energy = few.colwise().squaredNorm();
    const Eigen::VectorXf held_energy = held.colwise().squaredNorm();
    const float least = 0.05f * held_energy.maxCoeff();
    // Mz is at most 1/2: so fast may an alpha_z turn another one's curve.
    const double fastest = std::numbers::pi * 1e-3 * (range.high - range.low);
    const double apart = std::numbers::pi / (time_us(rows - 1) - time_us(0));
    const auto turns = static_cast<int>(std::ceil(fastest / apart));
    struct Turned {
        float explained = 0.0f;
        Eigen::Index lag = 0;
        std::complex<double> factor = 1.0;
    };
    std::vector<Turned> best(static_cast<std::size_t>(few.cols()));
    for (int k = -turns; k <= turns; ++k) {
        nmrsim::throw_if_stopped();
        const Eigen::VectorXcd phases =
            (std::complex<double>(0.0, -k * apart) * time_us.cast<std::complex<double>>())
                .array()
                .exp();
        const MatrixXcf product =
            few.adjoint() * (phases.cast<Complex>().asDiagonal() * held).eval();
        for (Eigen::Index lag = 0; lag < held.cols(); ++lag) {
            if (!(held_energy(lag) > least)) continue;
            for (Eigen::Index d = 0; d < few.cols(); ++d) {
                const float explained =
                    std::norm(product(d, lag)) / (filter_energy(d) * held_energy(lag));
                Turned& own = best[static_cast<std::size_t>(d)];
                if (!(explained > own.explained)) continue;
                own = {
                    explained, tried[static_cast<std::size_t>(lag)],
                    std::complex<double>(product(d, lag)) / static_cast<double>(filter_energy(d))};
            }
        }
    }
    std::vector<std::size_t> order(best.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::size_t kept = std::min(order.size(), kTurnedKept);
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
        [&](std::size_t a, std::size_t b) { return best[a].explained > best[b].explained; });
    std::vector<Candidate> result;
    for (std::size_t i = 0; i < kept; ++i) {
        const auto row = std::span(draws).subspan(order[i] * prior.size(), prior.size());
        Candidate candidate;
        candidate.parameters.assign(row.begin(), row.end());
        const Turned& own = best[order[i]];
        candidate.shift_us =
            options_.align ? base_us + static_cast<double>(own.lag) * spacing_us_ : 0.0;
        candidate.factor = own.factor;
        candidate.explained = own.explained;
        result.push_back(std::move(candidate));
    }
    return result;
}

}  // namespace nmrinverse
