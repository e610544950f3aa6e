#include "nmrinverse/measured_echo.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>

#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/resampling.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"

namespace nmrinverse {
namespace {

using Complex = std::complex<float>;
using Eigen::MatrixXcf;
using Eigen::MatrixXf;
using Eigen::VectorXcf;

/// Filters are compared at every so many of the model's samples, at most this far apart [us]: an
/// eighth of the period of a line cut at 250 kHz.
constexpr double kCoarse_us = 0.5;
/// The filters need not be better than this.
constexpr double kTolerance = 1e-2;
/// A window holds more than noise where its energy is so many standard deviations above noise's;
/// one with less than this share of the largest energy, of what noise leaves, is passed over. (What
/// rings down after a pulse may be a thousand times an echo.)
constexpr double kAboveNoise = 5.0;
constexpr double kLeastEnergy = 1e-3;
/// Candidates kept from round to round, of each microsecond of shifts: many that explain much in a
/// wrong place must not crowd out the right one.
constexpr int kKept = 64;
/// Starts that are handed out for one place of the echo: draws within this of its shift [us].
constexpr std::size_t kStarts = 256;
constexpr double kSamePlace_us = 2.0;
/// Places that are handed out at most, and the network's looks at each microsecond of shifts.
constexpr std::size_t kPlaces = 6;
constexpr int kLooks = 4;

/// From the second attempt on so many times more draws of the prior, and looks of the network.
constexpr int kMoreDraws = 4;

/// A draw with the shift and the factor that fit it best.
struct Candidate {
    std::vector<double> parameters;
    double shift_us = 0.0;
    std::complex<double> factor = 1.0;
    double explained = 0.0;  ///< share of the energy of the record there
};

/// Best factor for correlation c and energy e of a filter, and the energy that it explains.
std::complex<double> best_factor(std::complex<double> c, double e, const EchoOptions& options) {
    if (e == 0.0) return 1.0;
    if (options.phase) {
        if (options.gain) return c / e;
        return c == 0.0 ? std::complex<double>(1.0) : c / std::abs(c);
    }
    return options.gain ? std::max(c.real() / e, 1e-6) : 1.0;
}

double explained_by(std::complex<double> f, std::complex<double> c, double e) {
    return 2.0 * (std::conj(f) * c).real() - std::norm(f) * e;
}

/// Every `stride`th time, as an acquisition.
nmrsim::Experiment coarse(nmrsim::Experiment experiment, int stride) {
    nmrsim::Acquisition& window = experiment.acquisition;
    const double spacing = (window.stop_us - window.start_us) / (window.points - 1);
    window.points = (window.points - 1) / stride + 1;
    window.stop_us = window.start_us + (window.points - 1) * stride * spacing;
    experiment.accuracy.tolerance = kTolerance;
    return experiment;
}

}  // namespace

void EchoOptions::validate() const {
    const auto at_least = [](const char* name, int value) {
        if (value < 1)
            throw std::invalid_argument(fmt::format("{} must be >= 1, got {}", name, value));
    };
    at_least("bank", bank);
    at_least("hypotheses", hypotheses);
    at_least("draws", draws);
    at_least("rounds", rounds);
}

struct EchoFinder::Bank {
    nmrsim::Experiment experiment;
    EchoProposal proposal;
    EchoOptions options;
    std::vector<double> times;  ///< the model's [us]
    nmrsim::Experiment sparse;  ///< at every few of them
    std::vector<double> sparse_times;
    double spacing_us = 0.0;         ///< of those
    std::vector<double> parameters;  ///< (bank, unknowns)
    MatrixXcf filters;               ///< (sparse points, bank)

    /// Of the record's noise, at samples this far apart.
    static double sigma(const MeasuredRecord& record, double spacing_us) {
        return record.noise.white() * std::sqrt(record.spacing_us() / spacing_us);
    }

    /// Draws of the prior, (count, unknowns); more of them from the second attempt on.
    std::vector<double> drawn(int attempt) const {
        nmrsim::CounterRandom random(options.seed, static_cast<std::uint64_t>(attempt),
                                     nmrsim::RandomStream::echo_bank);
        const int count = attempt == 0 ? options.bank : kMoreDraws * options.bank;
        std::vector<double> all;
        for (int d = 0; d < count; ++d) {
            for (const nmrsim::PriorRange& range : sparse.prior) {
                all.push_back(range.low + (range.high - range.low) * random.uniform());
            }
        }
        return all;
    }

    MatrixXcf simulated(std::span<const double> all) const {
        const std::size_t n = sparse_times.size();
        const std::size_t count = all.size() / sparse.prior.size();
        std::vector<float> signal(count * 2 * n);
        const std::vector<std::uint64_t> seeds(nmrsim::is_uniform(sparse) ? 0 : count,
                                               static_cast<std::uint64_t>(sparse.lattice.seed));
        nmrsim::simulate_batch(sparse, all, seeds, signal, options.threads);
        MatrixXcf curves(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(count));
        for (std::size_t c = 0; c < count; ++c) {
            for (std::size_t i = 0; i < n; ++i) {
                curves(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(c)) =
                    Complex(signal[2 * n * c + i], signal[2 * n * c + n + i]);
            }
        }
        return curves;
    }

    /// The record at the sparse spacing; `first_us`: where its first sample lies.
    VectorXcf record(std::span<const double> time_us, std::span<const float> signal,
                     double& first_us) const {
        std::vector<double> grid;
        if (options.align) {
            first_us = time_us.front();
            const auto count = static_cast<std::size_t>(
                std::floor((time_us.back() - time_us.front()) / spacing_us + 1e-4) + 1.0);
            for (std::size_t i = 0; i < count; ++i) {
                grid.push_back(first_us + static_cast<double>(i) * spacing_us);
            }
        } else {
            first_us = sparse_times.front();
            grid = sparse_times;
        }
        const std::vector<float> values = nmrsim::resampled(time_us, signal, grid);
        VectorXcf y(static_cast<Eigen::Index>(grid.size()));
        for (std::size_t i = 0; i < grid.size(); ++i) {
            y(static_cast<Eigen::Index>(i)) = Complex(values[i], values[grid.size() + i]);
        }
        return y;
    }

    /// The best shift and factor of each filter: those that explain the largest share of what the
    /// record holds there, however much that is.
    ///
    /// Args: sigma: noise of the record at the sparse times.
    std::vector<Candidate> matched(const MatrixXcf& bank, std::span<const double> all,
                                   const VectorXcf& y, double sigma, double first_us) const {
        const Eigen::Index n = bank.rows(), lags = y.size() - n + 1;
        Eigen::VectorXd energy(lags);
        for (Eigen::Index q = 0; q < lags; ++q) energy(q) = y.segment(q, n).squaredNorm();
        energy = energy.cwiseMax(std::numeric_limits<double>::min());
        const double most = energy.maxCoeff();
        const double samples = static_cast<double>(n);
        const double noise = 2.0 * sigma * sigma * samples;
        const double least =
            std::min(most, noise + std::max(kAboveNoise * noise / std::sqrt(samples),
                                            kLeastEnergy * (most - noise)));
        std::vector<Eigen::Index> worth;
        for (Eigen::Index q = 0; q < lags; ++q) {
            if (energy(q) >= least) worth.push_back(q);
        }
        MatrixXcf windows(n, static_cast<Eigen::Index>(worth.size()));
        for (std::size_t i = 0; i < worth.size(); ++i) {
            windows.col(static_cast<Eigen::Index>(i)) = y.segment(worth[i], n);
        }
        const std::size_t unknowns = sparse.prior.size();
        std::vector<Candidate> result(static_cast<std::size_t>(bank.cols()));
        const MatrixXcf product = bank.adjoint() * windows;
        for (Eigen::Index d = 0; d < bank.cols(); ++d) {
            nmrsim::throw_if_stopped();
            const double e = bank.col(d).squaredNorm();
            const auto explained = [&](Eigen::Index i) {
                const std::complex<double> c(product(d, i));
                const double all_there = energy(worth[static_cast<std::size_t>(i)]);
                return explained_by(best_factor(c, e, options), c, e) / all_there;
            };
            Candidate& candidate = result[static_cast<std::size_t>(d)];
            Eigen::Index best = 0;
            candidate.explained = explained(0);
            for (Eigen::Index i = 1; i < product.cols(); ++i) {
                if (const double value = explained(i); value > candidate.explained) {
                    candidate.explained = value;
                    best = i;
                }
            }
            double lag = static_cast<double>(worth[static_cast<std::size_t>(best)]);
            if (best > 0 && best + 1 < product.cols()) {
                const double before = explained(best - 1), after = explained(best + 1);
                const double bend = before - 2.0 * candidate.explained + after;
                if (bend < 0.0) {
                    lag += std::clamp(0.5 * (before - after) / bend, -0.5, 0.5);
                    candidate.explained -= 0.125 * (before - after) * (before - after) / bend;
                }
            }
            candidate.shift_us =
                options.align ? first_us + lag * spacing_us - sparse_times.front() : 0.0;
            candidate.factor = best_factor(std::complex<double>(product(d, best)), e, options);
            const auto row = all.subspan(static_cast<std::size_t>(d) * unknowns, unknowns);
            candidate.parameters.assign(row.begin(), row.end());
        }
        return result;
    }

    /// The best candidates, not too many from one place; places in `pool`, which is sorted.
    std::vector<std::size_t> looked_at(const std::vector<Candidate>& pool, int attempt) const {
        const int more = attempt == 0 ? 1 : kMoreDraws;
        std::vector<std::size_t> chosen;
        std::map<long, int> looks;
        for (std::size_t i = 0; i < pool.size(); ++i) {
            if (chosen.size() == static_cast<std::size_t>(more * options.hypotheses)) break;
            if (++looks[std::lround(pool[i].shift_us)] <= more * kLooks) chosen.push_back(i);
        }
        return chosen;
    }

    /// The record at the model's times for a candidate, divided by its factor.
    std::vector<float> curve(const Candidate& candidate, std::span<const double> time_us,
                             std::span<const float> signal) const {
        std::vector<double> shifted = times;
        // Rounding must not lead out of the record.
        for (double& t : shifted) {
            t = std::clamp(t + candidate.shift_us, time_us.front(), time_us.back());
        }
        std::vector<float> values = nmrsim::resampled(time_us, signal, shifted);
        const std::size_t n = times.size();
        for (std::size_t i = 0; i < n; ++i) {
            const std::complex<double> m =
                std::complex<double>(values[i], values[n + i]) / candidate.factor;
            values[i] = static_cast<float>(m.real());
            values[n + i] = static_cast<float>(m.imag());
        }
        return values;
    }
};

EchoFinder::EchoFinder(const nmrsim::Experiment& experiment, EchoProposal proposal,
                       const EchoOptions& options)
    : bank_(new Bank{experiment, std::move(proposal), options, {}, {}, {}, 0.0, {}, {}}) {
    options.validate();
    bank_->times = nmrsim::acquisition_times_us(experiment);
    const double spacing = nmrsim::even_spacing_us(bank_->times);
    const int stride = std::max(1, static_cast<int>(std::floor(kCoarse_us / spacing)));
    bank_->sparse = coarse(experiment, stride);
    bank_->sparse_times = nmrsim::acquisition_times_us(bank_->sparse);
    bank_->spacing_us = stride * spacing;
    bank_->parameters = bank_->drawn(0);
    bank_->filters = bank_->simulated(bank_->parameters);
}

EchoFinder::~EchoFinder() = default;

const nmrsim::Experiment& EchoFinder::experiment() const {
    return bank_->experiment;
}

FoundEcho EchoFinder::at(const MeasuredRecord& record, double shift_us, std::complex<double> factor,
                         std::span<const double> guess) const {
    const Bank& bank = *bank_;
    FoundEcho place;
    // No farther than the record covers the window.
    const double first = record.time_us.front() - bank.times.front();
    const double last = record.time_us.back() - bank.times.back();
    place.shift_us = std::min(std::max(shift_us, first), std::max(first, last));
    place.factor = factor;
    place.signal = bank.curve({{}, place.shift_us, factor, 0.0}, record.time_us, record.signal);
    place.starts.assign(guess.begin(), guess.end());
    if (bank.proposal) {
        const double sigma = bank.sigma(record, nmrsim::even_spacing_us(bank.times));
        const std::vector<double> drawn =
            bank.proposal(place.signal, std::vector{sigma / std::abs(factor)}, kStarts,
                          bank.options.seed, bank.options.threads);
        place.starts.insert(place.starts.end(), drawn.begin(), drawn.end());
    }
    return place;
}

std::vector<FoundEcho> EchoFinder::find(const MeasuredRecord& record, int attempt) const {
    const Bank& bank = *bank_;
    const EchoOptions& options = bank.options;
    const std::span<const double> time_us = record.time_us;
    const std::span<const float> signal = record.signal;
    const double model_spacing = nmrsim::even_spacing_us(bank.times);
    const double sigma = bank.sigma(record, model_spacing);
    const double sparse_sigma = bank.sigma(record, bank.spacing_us);
    double first_us = 0.0;
    const VectorXcf y = bank.record(time_us, signal, first_us);
    if (y.size() < bank.filters.rows()) {
        throw std::invalid_argument(
            fmt::format("{:.6g} us are shorter than the model's window of {:.6g} us",
                        time_us.back() - time_us.front(), bank.times.back() - bank.times.front()));
    }
    const auto better = [](const Candidate& a, const Candidate& b) {
        return a.explained > b.explained;
    };
    std::vector<Candidate> pool;
    if (attempt == 0) {
        pool = bank.matched(bank.filters, bank.parameters, y, sparse_sigma, first_us);
    } else {
        const std::vector<double> drawn = bank.drawn(attempt);
        pool = bank.matched(bank.simulated(drawn), drawn, y, sparse_sigma, first_us);
    }
    std::stable_sort(pool.begin(), pool.end(), better);
    const int rounds = bank.proposal ? options.rounds : 0;
    for (int round = 0; round < rounds; ++round) {
        const std::vector<std::size_t> looked_at = bank.looked_at(pool, attempt);
        std::vector<float> curves;
        std::vector<double> noise;
        for (const std::size_t h : looked_at) {
            const std::vector<float> one = bank.curve(pool[h], time_us, signal);
            curves.insert(curves.end(), one.begin(), one.end());
            noise.push_back(sigma / std::abs(pool[h].factor));
        }
        const std::vector<double> samples =
            bank.proposal(curves, noise, static_cast<std::size_t>(options.draws),
                          options.seed + static_cast<std::uint64_t>(round), options.threads);
        std::vector<Candidate> fresh =
            bank.matched(bank.simulated(samples), samples, y, sparse_sigma, first_us);
        pool.insert(pool.end(), fresh.begin(), fresh.end());
        std::stable_sort(pool.begin(), pool.end(), better);
        std::map<long, int> kept;
        std::erase_if(pool, [&](const Candidate& candidate) {
            return ++kept[std::lround(candidate.shift_us)] > kKept;
        });
    }
    std::vector<FoundEcho> places;
    std::vector<bool> taken(pool.size(), false);
    for (std::size_t first = 0; first < pool.size() && places.size() < kPlaces; ++first) {
        if (taken[first]) continue;
        const Candidate& best = pool[first];
        FoundEcho found;
        found.shift_us = best.shift_us;
        found.factor = best.factor;
        found.signal = bank.curve(best, time_us, signal);
        found.explained = std::min(1.0, best.explained);
        for (std::size_t i = first; i < pool.size(); ++i) {
            if (std::abs(pool[i].shift_us - best.shift_us) > kSamePlace_us) continue;
            taken[i] = true;
            if (found.starts.size() == kStarts * best.parameters.size()) continue;
            found.starts.insert(found.starts.end(), pool[i].parameters.begin(),
                                pool[i].parameters.end());
        }
        places.push_back(std::move(found));
    }
    return places;
}

}  // namespace nmrinverse
