#include "lattice/lattice_simulator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/required_time.h"
#include "lattice/lattice_spins.h"
#include "lattice/lattice_steps.h"
#include "model/dead_time.h"
#include "nmrsim/random.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

using Vector3 = std::array<double, 3>;

/// Errors count as a share of the largest |M+| in the window, or of this where it is smaller.
constexpr double kLeastPeak = 1e-9;

/// Where steps so many times as many do not keep the tolerance, this is not the method for it.
constexpr double kMostFiner = 4.0;

/// The curve with steps of at most `longest` [us], or `finer` times as many; `spins` are prepared.
template <class Real>
Signal simulate_as(const Experiment& experiment, LatticeSpins<Real>& spins, double longest,
                   double finer) {
    Signal signal;
    signal.time_us = acquisition_times_us(experiment);
    const std::size_t points = signal.points();
    signal.mx.reserve(points);
    signal.my.reserve(points);
    signal.mz.reserve(points);

    const double last = signal.time_us.back();
    const double same = kSameTime * std::max(last, std::numeric_limits<double>::min());
    const std::vector<Span> spans = sequence_spans(experiment.sequence, last);
    MagnetizationTrack track;
    std::size_t next = 0;  // sample
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const Span& span = spans[i];
        for (const Pulse& pulse : span.pulses) spins.pulse(pulse);
        track.start(span.start_us, spins.mean());
        const auto advance_to = [&](double begin, double end) {
            throw_if_stopped();
            spins.advance(begin, end - begin);
            track.add(end, spins.mean());
        };
        // A sample at the end waits for the next pulse.
        const double until = i + 1 == spans.size() ? span.end_us + same : span.end_us - same;
        if (span.end_us - span.start_us > same) {
            const bool sampled = next < points && signal.time_us[next] < until;
            const long steps = steps_in(span.end_us - span.start_us, longest, sampled, finer);
            const double length = (span.end_us - span.start_us) / static_cast<double>(steps);
            double time = span.start_us;
            for (int level = kRampLevels; level >= 0; --level) {
                const double end = span.start_us + std::ldexp(length, -level);
                advance_to(time, end);
                time = end;
            }
            for (long k = 1; k < steps; ++k) {
                const double begin = span.start_us + static_cast<double>(k) * length;
                advance_to(begin, span.start_us + static_cast<double>(k + 1) * length);
            }
        }
        for (; next < points && signal.time_us[next] < until; ++next) {
            const Vector3 m = track.at(signal.time_us[next]);
            signal.mx.push_back(m[0]);
            signal.my.push_back(m[1]);
            signal.mz.push_back(m[2]);
        }
    }
    return signal;
}

/// A curve, and how many times as many steps it took.
struct Compared {
    Signal signal;
    double finer = 1.0;
};

/// The curve in double with more and more steps than those of `longest` [us] until two curves
/// differ by no more than the tolerance allows, or once where steps_per_point asks for its own;
/// none where that takes more than kMostFiner times as many. `flops`: of the curve with the longest
/// steps.
std::optional<Compared> compared(const Experiment& experiment, LatticeSpins<double>& spins,
                                 double longest, double flops) {
    const double tolerance = experiment.accuracy.tolerance;
    const bool refines =
        !experiment.accuracy.steps_per_point || sample_spacing_us(experiment) == 0.0;
    const auto run = [&](double finer) {
        require_time(flops * finer);
        spins.prepare(experiment);
        return simulate_as(experiment, spins, longest, finer);
    };
    Signal coarse = run(1.0);
    // Where the steps' error is not known beforehand, it is taken from the difference of two
    // curves, one with kFiner times the steps: 6.6 times the better one's error for the scheme's
    // fifth order, 1.25 times where the first piece after a pulse rules, which is of second order.
    // So much of it bounds both, steps being whole numbers and single samples agreeing by accident
    // now and then (2.5 times it did not in 3 of 1,000 draws, by a fifth at most).
    constexpr double kDifferenceShare = 3.5;
    // Steps were chosen for the tolerance: where two curves differ by far less than that lets
    // expect, errors of the scheme and of the first pieces cancel by accident. Of 660 random
    // lattices that came to this none was off by more.
    constexpr double kLeastEstimate = 0.05;
    // What double's rounding may leave, of M.
    constexpr double kRounding = 2e-15;
    for (double finer = kFiner; finer <= kMostFiner; finer *= kFiner) {
        Signal fine = run(finer);
        const double difference = relative_difference(experiment, coarse, fine, kLeastPeak);
        fine.estimated_error = kDifferenceShare * difference +
                               kRounding / std::max(heard_peak(experiment, fine), kLeastPeak);
        if (refines) {
            fine.estimated_error = std::max(fine.estimated_error, kLeastEstimate * tolerance);
        }
        if (!refines || fine.estimated_error <= tolerance) return Compared{std::move(fine), finer};
        const double wanted = std::pow(fine.estimated_error / tolerance, 1.0 / kOrder);
        if (!(finer * wanted <= kMostFiner)) break;
        coarse = std::move(fine);
    }
    return std::nullopt;
}

}  // namespace

struct LatticeWorkspace::State {
    LatticeSpins<float> single;
    LatticeSpins<double> twice;
};

LatticeWorkspace::LatticeWorkspace() : state(std::make_unique<State>()) {}
LatticeWorkspace::~LatticeWorkspace() = default;
LatticeWorkspace::LatticeWorkspace(LatticeWorkspace&&) noexcept = default;
LatticeWorkspace& LatticeWorkspace::operator=(LatticeWorkspace&&) noexcept = default;

std::vector<double> draw_offsets_hz(const Experiment& experiment) {
    CounterRandom random(experiment.lattice.seed, 0, RandomStream::offsets);
    std::vector<double> share(static_cast<std::size_t>(experiment.lattice.sites()));
    for (double& u : share) u = random.uniform();
    return line_quantiles(experiment.line, share);
}

std::optional<Signal> simulate_lattice(const Experiment& experiment, LatticeWorkspace& workspace) {
    LatticeWorkspace::State& state = *workspace.state;
    const Accuracy& accuracy = experiment.accuracy;
    const bool single = lattice_in_single(experiment);
    double norm = 0.0;
    if (single) {
        state.single.prepare(experiment);
        norm = state.single.kernel_norm();
    } else {
        state.twice.prepare(experiment);
        norm = state.twice.kernel_norm();
    }
    const FieldRates rates = field_rates(experiment, norm);
    const double longest = longest_step_us(experiment, rates);
    const bool measured = steps_are_measured(experiment, rates);
    const double flops = lattice_run_cost(experiment, longest).flops;
    require_time(measured ? flops : kComparedRuns * flops);
    const bool forced = accuracy.steps_per_point && sample_spacing_us(experiment) > 0.0;
    const bool must_be_single = accuracy.precision == Precision::single;
    const auto asked = [&](double finer) {
        return single ? simulate_as(experiment, state.single, longest, finer)
                      : simulate_as(experiment, state.twice, longest, finer);
    };
    Signal signal;
    if (measured || forced) signal = asked(1.0);
    // Measured steps are for echoes that are not small beside the spins' 1/2.
    constexpr double kSmallPeak = 0.05;
    if (measured && heard_peak(experiment, signal) >= kSmallPeak) {
        signal.estimated_error = estimated_lattice_error(experiment, rates, longest, single);
        return signal;
    }
    std::optional<Compared> better = compared(experiment, state.twice, longest, flops);
    if (!better) return std::nullopt;
    if (!forced) {
        if (!must_be_single) return std::move(better->signal);
        state.single.prepare(experiment);
        signal = asked(better->finer);
    }
    // What the difference to a better curve counts for as an error.
    constexpr double kDifferenceMargin = 1.1;
    signal.estimated_error =
        better->signal.estimated_error +
        kDifferenceMargin * relative_difference(experiment, signal, better->signal, kLeastPeak);
    // Where float does not keep the tolerance, what it was compared with does.
    if (!forced && signal.estimated_error > accuracy.tolerance) return std::move(better->signal);
    return signal;
}

}  // namespace nmrsim
