#include "nmrinverse/measured_echo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "measured/echo_bank.h"
#include "nmrsim/resampling.h"
#include "nmrsim/series.h"

namespace nmrinverse {
namespace {

/// Candidates kept from round to round, of each microsecond of shifts: many that explain much in a
/// wrong place must not crowd out the right one.
constexpr int kKept = 64;
/// Starts that are handed out for one place of the echo: draws within clock_range_us() of its
/// shift.
constexpr std::size_t kStarts = 256;
/// Places that are handed out at most, and the network's looks at each microsecond of shifts.
constexpr std::size_t kPlaces = 6;
constexpr int kLooks = 4;

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
    EchoBank filters;
    std::vector<std::vector<double>> times;  ///< (records): the model's [us]

    std::size_t records() const { return times.size(); }

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

    /// Draws of what the proposal makes of the best candidates, (count, unknowns).
    std::vector<double> proposed(const std::vector<Candidate>& pool,
                                 std::span<const MeasuredRecord> measured, int round,
                                 int attempt) const {
        const double sigma =
            EchoBank::sigma(measured.front(), nmrsim::even_spacing_us(times.front()));
        std::vector<float> curves;
        std::vector<double> noise;
        for (const std::size_t h : looked_at(pool, attempt)) {
            const std::vector<float> one = curve(pool[h], measured);
            curves.insert(curves.end(), one.begin(), one.end());
            noise.push_back(sigma / std::abs(pool[h].factor));
        }
        return proposal(curves, noise, static_cast<std::size_t>(options.draws),
                        options.seed + static_cast<std::uint64_t>(round), options.threads);
    }

    /// The records at the model's times for a candidate, divided by its factor.
    std::vector<float> curve(const Candidate& candidate,
                             std::span<const MeasuredRecord> measured) const {
        std::size_t all = 0, first = 0;
        for (const std::vector<double>& of_record : times) all += of_record.size();
        std::vector<float> result(2 * all);
        for (std::size_t r = 0; r < records(); ++r) {
            const std::vector<double>& from = measured[r].time_us;
            // A record as long as its window covers it at one shift alone: rounding must not lead
            // out of it.
            const double shift_us = covering(candidate.shift_us, measured[r], r);
            const double slack = 1e-4 * measured[r].spacing_us();
            std::vector<double> inside;
            std::vector<std::size_t> places;
            for (std::size_t i = 0; i < times[r].size(); ++i) {
                const double t = times[r][i] + shift_us;
                if (t < from.front() - slack || t > from.back() + slack) continue;
                inside.push_back(std::clamp(t, from.front(), from.back()));
                places.push_back(first + i);
            }
            const std::vector<float> values = nmrsim::resampled(from, measured[r].signal, inside);
            for (std::size_t i = 0; i < inside.size(); ++i) {
                const std::complex<double> m =
                    std::complex<double>(values[i], values[inside.size() + i]) / candidate.factor;
                result[places[i]] = static_cast<float>(m.real());
                result[all + places[i]] = static_cast<float>(m.imag());
            }
            first += times[r].size();
        }
        return result;
    }

    /// The best of a pool, which is sorted, and all that are near each.
    std::vector<FoundEcho> places_of(const std::vector<Candidate>& pool,
                                     std::span<const MeasuredRecord> records) const {
        const double range_us = filters.range_us(records);
        std::vector<FoundEcho> places;
        std::vector<bool> taken(pool.size(), false);
        for (std::size_t i = 0; i < pool.size() && places.size() < kPlaces; ++i) {
            if (taken[i]) continue;
            const Candidate& best = pool[i];
            FoundEcho found;
            found.shift_us = best.shift_us;
            found.factor = best.factor;
            found.signal = curve(best, records);
            found.explained = std::min(1.0, best.explained);
            for (std::size_t j = i; j < pool.size(); ++j) {
                if (std::abs(pool[j].shift_us - best.shift_us) > range_us) continue;
                taken[j] = true;
                if (found.starts.size() == kStarts * best.parameters.size()) continue;
                found.starts.insert(found.starts.end(), pool[j].parameters.begin(),
                                    pool[j].parameters.end());
                found.time_zeros_us.push_back(best.shift_us - pool[j].shift_us);
            }
            places.push_back(std::move(found));
        }
        return places;
    }

    /// The nearest shift at which a record covers its window, if there is one.
    double covering(double shift_us, const MeasuredRecord& record, std::size_t r) const {
        const double least = record.time_us.front() - times[r].front();
        const double most = record.time_us.back() - times[r].back();
        return proposal && least <= most ? std::clamp(shift_us, least, most) : shift_us;
    }
};

EchoFinder::EchoFinder(const nmrsim::Experiment& experiment, EchoProposal proposal,
                       const EchoOptions& options) {
    options.validate();
    const bool covered{proposal};
    bank_.reset(new Bank{
        experiment, std::move(proposal), options, EchoBank(experiment, options, covered), {}});
    for (const nmrsim::Experiment& record : nmrsim::series_records(experiment)) {
        bank_->times.push_back(nmrsim::acquisition_times_us(record));
    }
}

EchoFinder::~EchoFinder() = default;

std::unique_ptr<EchoFinder> EchoFinder::alone(std::size_t r) const {
    return std::make_unique<EchoFinder>(nmrsim::series_records(bank_->experiment).at(r),
                                        EchoProposal(), bank_->options);
}

const nmrsim::Experiment& EchoFinder::experiment() const {
    return bank_->experiment;
}

FoundEcho EchoFinder::at(std::span<const MeasuredRecord> records, double shift_us,
                         std::complex<double> factor, std::span<const double> guess) const {
    const Bank& bank = *bank_;
    FoundEcho place;
    place.shift_us = bank.covering(shift_us, records.front(), 0);
    place.factor = factor;
    place.signal = bank.curve({{}, place.shift_us, factor, 0.0}, records);
    place.starts.assign(guess.begin(), guess.end());
    if (bank.proposal) {
        const double sigma =
            EchoBank::sigma(records.front(), nmrsim::even_spacing_us(bank.times.front()));
        const std::vector<double> drawn =
            bank.proposal(place.signal, std::vector{sigma / std::abs(factor)}, kStarts,
                          bank.options.seed, bank.options.threads);
        place.starts.insert(place.starts.end(), drawn.begin(), drawn.end());
    }
    return place;
}

std::vector<FoundEcho> EchoFinder::find(std::span<const MeasuredRecord> records,
                                        int attempt) const {
    const Bank& bank = *bank_;
    const EchoOptions& options = bank.options;
    if (records.size() != bank.records()) {
        throw std::invalid_argument(fmt::format("expected {} records of the series, got {}",
                                                bank.records(), records.size()));
    }
    const MeasuredRecord& first = records.front();
    if (const std::vector<double>& window = bank.times.front();
        bank.proposal && first.time_us.back() - first.time_us.front() <
                             window.back() - window.front() - 1e-2 * first.spacing_us()) {
        throw std::invalid_argument(fmt::format(
            "{:.6g} us are shorter than the model's window of {:.6g} us",
            first.time_us.back() - first.time_us.front(), window.back() - window.front()));
    }
    const auto better = [](const Candidate& a, const Candidate& b) {
        return a.explained > b.explained;
    };
    std::vector<Candidate> pool = attempt == 0
                                      ? bank.filters.matched_first(records)
                                      : bank.filters.matched(bank.filters.drawn(attempt), records);
    std::stable_sort(pool.begin(), pool.end(), better);
    for (int round = 0; round < options.rounds; ++round) {
        const std::vector<double> samples = bank.proposal
                                                ? bank.proposed(pool, records, round, attempt)
                                                : bank.filters.about(pool, round, attempt);
        const std::vector<Candidate> fresh = bank.filters.matched(samples, records);
        pool.insert(pool.end(), fresh.begin(), fresh.end());
        std::stable_sort(pool.begin(), pool.end(), better);
        std::map<long, int> kept;
        std::erase_if(pool, [&](const Candidate& candidate) {
            return ++kept[std::lround(candidate.shift_us)] > kKept;
        });
    }
    return bank.places_of(pool, records);
}

std::vector<FoundEcho> EchoFinder::find_turned(std::span<const MeasuredRecord> records,
                                               int attempt) const {
    return bank_->places_of(bank_->filters.turned(attempt, records), records);
}

}  // namespace nmrinverse
