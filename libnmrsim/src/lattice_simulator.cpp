#include "lattice_simulator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "lattice_spins.h"
#include "lattice_steps.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

using Vector3 = std::array<double, 3>;

template <class Real>
Signal simulate_as(const Experiment& experiment, LatticeSpins<Real>& spins) {
    spins.prepare(experiment);
    Signal signal;
    signal.time_us = acquisition_times_us(experiment.acquisition);
    const std::size_t points = signal.points();
    signal.mx.reserve(points);
    signal.my.reserve(points);
    signal.mz.reserve(points);

    const double last = signal.time_us.back();
    const double same = kSameTime * std::max(last, std::numeric_limits<double>::min());
    const double longest = longest_step_us(experiment, spins.kernel_norm());
    const std::vector<Span> spans = sequence_spans(experiment.sequence, last);
    MagnetizationTrack track;
    std::size_t next = 0;  // sample
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const Span& span = spans[i];
        for (const Pulse& pulse : span.pulses) spins.pulse(pulse);
        track.start(span.start_us, spins.mean());
        const auto advance_to = [&](double begin, double end) {
            spins.advance(begin, end - begin);
            track.add(end, spins.mean());
        };
        if (span.end_us - span.start_us > same) {
            const int steps = steps_in(span.end_us - span.start_us, longest);
            const double length = (span.end_us - span.start_us) / steps;
            double time = span.start_us;
            for (int level = kRampLevels; level >= 0; --level) {
                const double end = span.start_us + std::ldexp(length, -level);
                advance_to(time, end);
                time = end;
            }
            for (int k = 1; k < steps; ++k) {
                advance_to(span.start_us + k * length, span.start_us + (k + 1) * length);
            }
        }
        // A sample at the end waits for the next pulse.
        const double until = i + 1 == spans.size() ? span.end_us + same : span.end_us - same;
        for (; next < points && signal.time_us[next] < until; ++next) {
            const Vector3 m = track.at(signal.time_us[next]);
            signal.mx.push_back(m[0]);
            signal.my.push_back(m[1]);
            signal.mz.push_back(m[2]);
        }
    }
    signal.estimated_error = estimated_lattice_error(experiment, spins.kernel_norm(), longest,
                                                     std::is_same_v<Real, float>);
    return signal;
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
    std::vector<double> offsets(static_cast<std::size_t>(experiment.lattice.sites()));
    for (double& offset : offsets) offset = line_quantile(experiment.line, random.uniform());
    return offsets;
}

Signal simulate_lattice(const Experiment& experiment, LatticeWorkspace& workspace) {
    return lattice_in_single(experiment) ? simulate_as(experiment, workspace.state->single)
                                         : simulate_as(experiment, workspace.state->twice);
}

}  // namespace nmrsim
