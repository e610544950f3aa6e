#include "measured/echo_bank.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/resampling.h"
#include "nmrsim/series.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"

namespace nmrinverse {
namespace {

using Complex = std::complex<float>;
using Eigen::MatrixXcf;
using Eigen::VectorXcf;

/// Filters are compared at this many samples in the period of the line's cut, at no fewer in all.
constexpr double kSamplesPerPeriod = 8.0;
constexpr double kFewestRows = 32.0;
/// The filters need not be better than this.
constexpr double kTolerance = 1e-2;
/// A window holds more than noise where its energy is so many standard deviations above noise's;
/// one with less than this share of the largest energy, of what noise leaves, is passed over. (What
/// rings down after a pulse may be a thousand times an echo.)
constexpr double kAboveNoise = 5.0;
constexpr double kLeastEnergy = 1e-3;
/// The zero of a clock is sought within this [us], so many samples, or this share of the line's
/// inverse half width.
constexpr double kClock_us = 2.0;
constexpr double kClockSamples = 4.0;
constexpr double kClockShare = 1.0 / 8.0;
/// Draws about each of so many candidates, within this share of the prior's range in the first
/// round, half of it in the next. Their random numbers begin beyond those of the bank.
constexpr std::size_t kParents = 128;
constexpr int kChildren = 8;
constexpr double kSpread = 0.08;
constexpr std::uint64_t kAbout = std::uint64_t{1} << 32;

/// Best factor for correlation c and energy e of a filter, and the energy that it explains.
std::complex<double> best_factor(std::complex<double> c, double e, const EchoOptions& options) {
    if (e == 0.0) return 1.0;
    if (options.fit_phase) {
        if (options.fit_gain) return c / e;
        return c == 0.0 ? std::complex<double>(1.0) : c / std::abs(c);
    }
    return options.fit_gain ? std::max(c.real() / e, 1e-6) : 1.0;
}

double explained_by(std::complex<double> f, std::complex<double> c, double e) {
    return 2.0 * (std::conj(f) * c).real() - std::norm(f) * e;
}

/// At times this far apart, as an acquisition that counts from the start.
nmrsim::Acquisition coarse(const nmrsim::Experiment& experiment, double spacing_us) {
    nmrsim::Acquisition window = nmrsim::counted_from_start(experiment);
    const double length_us = window.stop_us - window.start_us;
    window.points = static_cast<int>(std::floor(length_us / spacing_us + 1e-6)) + 1;
    window.stop_us = window.start_us + (window.points - 1) * spacing_us;
    return window;
}

}  // namespace

double clock_range_us(const nmrsim::Experiment& experiment, double spacing_us) {
    const double width_khz = experiment.line.half_width_khz;
    return std::max({kClock_us, kClockSamples * spacing_us,
                     width_khz > 0.0 ? 1e3 * kClockShare / width_khz : 0.0});
}

EchoBank::EchoBank(const nmrsim::Experiment& experiment, const EchoOptions& options, bool covered)
    : options_(options), covered_(covered), sparse_(experiment) {
    const std::vector<nmrsim::Experiment> records = nmrsim::series_records(experiment);
    spacing_us_ = 1e3 / (kSamplesPerPeriod * nmrsim::largest_cut_khz(experiment));
    for (const nmrsim::Experiment& record : records) {
        const double length_us = nmrsim::last_sample_us(record) - nmrsim::first_sample_us(record);
        spacing_us_ = std::min(spacing_us_, length_us / kFewestRows);
    }
    sparse_.accuracy.tolerance = kTolerance;
    first_row_.push_back(0);
    for (std::size_t r = 0; r < records.size(); ++r) {
        nmrsim::Experiment sparse = records[r];
        sparse.acquisition = coarse(records[r], spacing_us_);
        sparse_times_.push_back(nmrsim::acquisition_times_us(sparse));
        first_row_.push_back(first_row_.back() + sparse.acquisition.points);
        if (experiment.series.empty()) {
            sparse_.acquisition = sparse.acquisition;
        } else {
            nmrsim::set_window(sparse_.series[r], sparse.acquisition);
        }
    }
    first_draws_ = drawn(0);
    first_filters_ = simulated(first_draws_);
}

std::vector<double> EchoBank::drawn(int attempt) const {
    nmrsim::CounterRandom random(options_.seed, static_cast<std::uint64_t>(attempt),
                                 nmrsim::RandomStream::echo_bank);
    const int count = attempt == 0 ? options_.bank : kMoreDraws * options_.bank;
    std::vector<double> all;
    for (int d = 0; d < count; ++d) {
        for (const nmrsim::PriorRange& range : sparse_.prior) {
            all.push_back(range.low + (range.high - range.low) * random.uniform());
        }
    }
    return all;
}

std::vector<double> EchoBank::about(std::span<const Candidate> best, int round, int attempt) const {
    nmrsim::CounterRandom random(options_.seed,
                                 kAbout + static_cast<std::uint64_t>(64 * attempt + round),
                                 nmrsim::RandomStream::echo_bank);
    const double spread = kSpread * std::pow(0.5, round);
    std::vector<double> all;
    for (const Candidate& parent : best.first(std::min(best.size(), kParents))) {
        for (int child = 0; child < kChildren; ++child) {
            for (std::size_t k = 0; k < sparse_.prior.size(); ++k) {
                const nmrsim::PriorRange& range = sparse_.prior[k];
                const double width = range.high - range.low;
                double value = parent.parameters[k] + spread * width * random.normal();
                if (value < range.low) value = 2.0 * range.low - value;
                if (value > range.high) value = 2.0 * range.high - value;
                all.push_back(std::clamp(value, range.low, range.high));
            }
        }
    }
    return all;
}

MatrixXcf EchoBank::simulated(std::span<const double> draws) const {
    const auto n = static_cast<std::size_t>(first_row_.back());
    const std::size_t count = draws.size() / sparse_.prior.size();
    std::vector<float> signal(count * 2 * n);
    const std::vector<std::uint64_t> seeds(nmrsim::is_uniform(sparse_) ? 0 : count,
                                           static_cast<std::uint64_t>(sparse_.lattice.seed));
    nmrsim::simulate_batch(sparse_, draws, seeds, signal, options_.threads);
    MatrixXcf curves(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(count));
    for (std::size_t c = 0; c < count; ++c) {
        for (std::size_t i = 0; i < n; ++i) {
            curves(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(c)) =
                Complex(signal[2 * n * c + i], signal[2 * n * c + n + i]);
        }
    }
    return curves;
}

std::vector<EchoBank::Sparse> EchoBank::at_spacing(std::span<const MeasuredRecord> measured,
                                                   double base_us) const {
    std::vector<Sparse> result;
    for (std::size_t r = 0; r < records(); ++r) {
        const MeasuredRecord& record = measured[r];
        const double zero = sparse_times_[r].front() + base_us;
        const double low = std::ceil((record.time_us.front() - zero) / spacing_us_ - 1e-4);
        const double high = std::floor((record.time_us.back() - zero) / spacing_us_ + 1e-4);
        std::vector<double> grid;
        for (double i = low; i <= high; i += 1.0) grid.push_back(zero + i * spacing_us_);
        for (double& t : grid) {
            t = std::clamp(t, record.time_us.front(), record.time_us.back());
        }
        Sparse sparse{static_cast<Eigen::Index>(low), {}, {}};
        const std::vector<float> values = nmrsim::resampled(record.time_us, record.signal, grid);
        sparse.y.resize(static_cast<Eigen::Index>(grid.size()));
        for (std::size_t i = 0; i < grid.size(); ++i) {
            sparse.y(static_cast<Eigen::Index>(i)) = Complex(values[i], values[grid.size() + i]);
        }
        const bool some_dead =
            std::any_of(record.relative_noise.begin(), record.relative_noise.end(),
                        [](double relative) { return std::isinf(relative); });
        if (some_dead) {
            sparse.live.setOnes(sparse.y.size());
            for (std::size_t i = 0; i < grid.size(); ++i) {
                // Both samples about it must count.
                const double at = (grid[i] - record.time_us.front()) / record.spacing_us();
                const auto last = static_cast<double>(record.points() - 1);
                for (const double k : {std::floor(at), std::ceil(at)}) {
                    const auto sample = static_cast<std::size_t>(std::clamp(k, 0.0, last));
                    if (std::isinf(record.relative_noise[sample])) {
                        sparse.live(static_cast<Eigen::Index>(i)) = 0.0f;
                    }
                }
            }
            sparse.y.array() *= sparse.live.array().cast<Complex>();
        }
        result.push_back(std::move(sparse));
    }
    return result;
}

std::vector<Eigen::Index> EchoBank::lags(const std::vector<Sparse>& sparse,
                                         double outside_us) const {
    Eigen::Index least = std::numeric_limits<Eigen::Index>::min();
    Eigen::Index most = std::numeric_limits<Eigen::Index>::max();
    for (std::size_t r = 0; r < records(); ++r) {
        const Eigen::Index n = first_row_[r + 1] - first_row_[r], all = sparse[r].y.size();
        const Eigen::Index slack =
            std::min(static_cast<Eigen::Index>(outside_us / spacing_us_), std::min(n, all) / 4);
        least = std::max(least, sparse[r].first - std::max(n - all, Eigen::Index{0}) - slack);
        most = std::min(most, sparse[r].past() - std::min(n, all) + slack);
    }
    std::vector<Eigen::Index> result;
    for (Eigen::Index q = least; q <= most; ++q) result.push_back(q);
    return result;
}

std::pair<Eigen::Index, Eigen::Index> EchoBank::met(const Sparse& sparse, std::size_t r,
                                                    Eigen::Index lag) const {
    const Eigen::Index n = first_row_[r + 1] - first_row_[r];
    const Eigen::Index from = std::clamp(sparse.first - lag, Eigen::Index{0}, n);
    return {first_row_[r] + from, first_row_[r] + std::clamp(sparse.past() - lag, from, n)};
}

MatrixXcf EchoBank::windows_of(const std::vector<Sparse>& sparse,
                               const std::vector<Eigen::Index>& lags) const {
    MatrixXcf windows = MatrixXcf::Zero(first_row_.back(), static_cast<Eigen::Index>(lags.size()));
    for (std::size_t i = 0; i < lags.size(); ++i) {
        auto window = windows.col(static_cast<Eigen::Index>(i));
        for (std::size_t r = 0; r < records(); ++r) {
            const auto [from, past] = met(sparse[r], r, lags[i]);
            window.segment(from, past - from) =
                sparse[r].y.segment(lags[i] + from - first_row_[r] - sparse[r].first, past - from);
        }
    }
    return windows;
}

EchoBank::Sums EchoBank::sums_of(const Eigen::Ref<const VectorXcf>& column,
                                 const std::vector<Sparse>& sparse, Eigen::Index lag) const {
    Sums sums;
    for (std::size_t r = 0; r < records(); ++r) {
        const auto [from, past] = met(sparse[r], r, lag);
        const auto part = column.segment(from, past - from);
        if (sparse[r].live.size() == 0) {
            sums.first.emplace_back(part.sum());
            sums.second.push_back(static_cast<double>(part.squaredNorm()));
            continue;
        }
        const auto live =
            sparse[r].live.segment(lag + from - first_row_[r] - sparse[r].first, past - from);
        const VectorXcf counted = part.cwiseProduct(live.cast<Complex>());
        sums.first.emplace_back(counted.sum());
        sums.second.push_back(static_cast<double>(counted.squaredNorm()));
    }
    return sums;
}

EchoBank::Centred EchoBank::centred(std::complex<double> product, const Sums& filter,
                                    const Sums& window, const std::vector<double>& rows) const {
    Centred result{product, 0.0, 0.0};
    for (std::size_t r = 0; r < records(); ++r) {
        result.filter += filter.second[r];
        result.window += window.second[r];
        if (!options_.fit_offset || rows[r] == 0.0) continue;
        result.product -= std::conj(filter.first[r]) * window.first[r] / rows[r];
        result.filter -= std::norm(filter.first[r]) / rows[r];
        result.window -= std::norm(window.first[r]) / rows[r];
    }
    result.filter = std::max(result.filter, 0.0);
    result.window = std::max(result.window, std::numeric_limits<double>::min());
    return result;
}

EchoBank::Place EchoBank::place_at(const VectorXcf& window, const std::vector<Sparse>& sparse,
                                   Eigen::Index lag) const {
    Place place{lag, sums_of(window, sparse, lag), {}, 0.0, true};
    for (std::size_t r = 0; r < records(); ++r) {
        const auto [from, past] = met(sparse[r], r, lag);
        double rows = static_cast<double>(past - from);
        if (sparse[r].live.size() > 0) {
            rows = static_cast<double>(
                sparse[r]
                    .live.segment(lag + from - first_row_[r] - sparse[r].first, past - from)
                    .sum());
        }
        place.rows.push_back(rows);
        place.whole = place.whole && sparse[r].live.size() == 0 &&
                      past - from == first_row_[r + 1] - first_row_[r];
    }
    Sums nothing = place.window;
    for (auto& value : nothing.first) value = 0.0;
    place.energy = centred(0.0, nothing, place.window, place.rows).window;
    return place;
}

std::vector<Candidate> EchoBank::matched(std::span<const double> draws,
                                         std::span<const MeasuredRecord> records) const {
    return matched(simulated(draws), draws, records);
}

std::vector<Candidate> EchoBank::matched(const MatrixXcf& filters, std::span<const double> draws,
                                         std::span<const MeasuredRecord> measured) const {
    const MeasuredRecord& first = measured.front();
    const double base_us =
        options_.align ? first.time_us.front() - sparse_times_.front().front() : 0.0;
    const double outside_us = covered_ ? 0.0 : kOutside * range_us(measured);
    const std::vector<Sparse> sparse = at_spacing(measured, base_us);
    double noise = 0.0;  // energy of a row's
    for (const MeasuredRecord& record : measured) {
        noise +=
            2.0 * std::pow(sigma(record, spacing_us_), 2) / static_cast<double>(measured.size());
    }
    std::vector<Place> places;
    double most = 0.0;
    const std::vector<Eigen::Index> tried =
        options_.align ? lags(sparse, outside_us) : std::vector<Eigen::Index>{0};
    const MatrixXcf windows = windows_of(sparse, tried);
    for (std::size_t i = 0; i < tried.size(); ++i) {
        places.push_back(place_at(windows.col(static_cast<Eigen::Index>(i)), sparse, tried[i]));
        most = std::max(most, places.back().energy);
    }
    const double samples = static_cast<double>(filters.rows());
    const double all_noise = noise * samples;
    const double least =
        std::min(most, all_noise + std::max(kAboveNoise * all_noise / std::sqrt(samples),
                                            kLeastEnergy * (most - all_noise)));
    const std::size_t unknowns = sparse_.prior.size();
    std::vector<Candidate> result(static_cast<std::size_t>(filters.cols()));
    const MatrixXcf product = filters.adjoint() * windows;
    for (Eigen::Index d = 0; d < filters.cols(); ++d) {
        nmrsim::throw_if_stopped();
        Sums whole;
        for (std::size_t r = 0; r < records(); ++r) {
            const auto part =
                filters.col(d).segment(first_row_[r], first_row_[r + 1] - first_row_[r]);
            whole.first.emplace_back(part.sum());
            whole.second.push_back(static_cast<double>(part.squaredNorm()));
        }
        std::vector<double> explained(places.size(), 0.0);
        std::vector<Centred> at(places.size());
        std::size_t best = places.size();
        for (std::size_t i = 0; i < places.size(); ++i) {
            const Place& place = places[i];
            if (place.energy < least) continue;
            at[i] = centred(std::complex<double>(product(d, static_cast<Eigen::Index>(i))),
                            place.whole ? whole : sums_of(filters.col(d), sparse, place.lag),
                            place.window, place.rows);
            const std::complex<double> f = best_factor(at[i].product, at[i].filter, options_);
            explained[i] = explained_by(f, at[i].product, at[i].filter) / at[i].window;
            if (best == places.size() || explained[i] > explained[best]) best = i;
        }
        Candidate& candidate = result[static_cast<std::size_t>(d)];
        candidate.explained = explained[best];
        double lag = static_cast<double>(places[best].lag);
        if (best > 0 && best + 1 < places.size()) {
            const double before = explained[best - 1], after = explained[best + 1];
            const double bend = before - 2.0 * candidate.explained + after;
            if (bend < 0.0) {
                lag += std::clamp(0.5 * (before - after) / bend, -0.5, 0.5);
                candidate.explained -= 0.125 * (before - after) * (before - after) / bend;
            }
        }
        candidate.shift_us = options_.align ? base_us + lag * spacing_us_ : 0.0;
        candidate.factor = best_factor(at[best].product, at[best].filter, options_);
        const auto row = draws.subspan(static_cast<std::size_t>(d) * unknowns, unknowns);
        candidate.parameters.assign(row.begin(), row.end());
    }
    return result;
}

double EchoBank::range_us(std::span<const MeasuredRecord> records) const {
    double range = 0.0;
    for (const MeasuredRecord& record : records) {
        range = std::max(range, clock_range_us(sparse_, record.spacing_us()));
    }
    return range;
}

}  // namespace nmrinverse
