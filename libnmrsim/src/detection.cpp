#include "detection.h"

#include <algorithm>

#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

using Complex = std::complex<double>;

/// Times come with rounding; a sample at the very end of a dead time reads.
constexpr double kSameTime = 1e-9;

std::vector<std::size_t> dead_samples(const Experiment& experiment) {
    std::vector<std::size_t> dead;
    const double dead_time_us = experiment.acquisition.dead_time_us;
    if (dead_time_us == 0.0) return dead;
    const std::vector<double> times = acquisition_times_us(experiment.acquisition);
    const double slack_us = kSameTime * (1.0 + times.back());
    double now_us = 0.0;
    std::size_t next = 0;
    for (const Event& event : sequence_events(experiment.sequence)) {
        const auto* pulse = std::get_if<Pulse>(&event);
        if (!pulse) {
            now_us += std::get<Delay>(event).duration_us;
            continue;
        }
        const double start_us = now_us;
        now_us += pulse->duration_us;
        while (next < times.size() && times[next] < start_us - slack_us) ++next;
        for (; next < times.size() && times[next] < now_us + dead_time_us - slack_us; ++next) {
            dead.push_back(next);
        }
    }
    return dead;
}

}  // namespace

bool is_receiver_parameter(std::string_view name) {
    return name == "gain" || name == "receiver_phase_deg";
}

bool reads_spins_directly(const Experiment& experiment) {
    const Acquisition& a = experiment.acquisition;
    return experiment.phase_cycle.empty() && a.receiver_phase_deg == 0.0 && a.gain == 1.0 &&
           a.dead_time_us == 0.0 &&
           std::none_of(experiment.prior.begin(), experiment.prior.end(),
                        [](const PriorRange& range) { return is_receiver_parameter(range.name); });
}

std::vector<CycleRun> cycle_runs(const Experiment& experiment) {
    const std::vector<PhaseCycleStep>& steps = experiment.phase_cycle.steps;
    if (steps.empty()) return {{experiment.sequence, 1.0}};
    std::vector<CycleRun> runs;
    runs.reserve(steps.size());
    for (const PhaseCycleStep& step : steps) {
        runs.push_back({with_phases(experiment.sequence, step),
                        std::polar(1.0 / static_cast<double>(steps.size()),
                                   -step.receiver_deg * kRadiansPerDegree)});
    }
    return runs;
}

Receiver receiver_of(const Experiment& experiment) {
    const Acquisition& a = experiment.acquisition;
    return {std::polar(a.gain, a.receiver_phase_deg * kRadiansPerDegree), dead_samples(experiment)};
}

Complex receiver_slope(const Experiment& experiment, std::string_view name) {
    if (name == "gain") return 1.0 / experiment.acquisition.gain;
    return {0.0, kRadiansPerDegree};
}

template <typename Real>
void add_weighted(Complex weight, std::span<const Real> mx, std::span<const Real> my,
                  std::span<Real> sum_x, std::span<Real> sum_y) {
    for (std::size_t k = 0; k < mx.size(); ++k) {
        sum_x[k] += static_cast<Real>(weight.real() * mx[k] - weight.imag() * my[k]);
        sum_y[k] += static_cast<Real>(weight.real() * my[k] + weight.imag() * mx[k]);
    }
}

template <typename Real>
void read(const Receiver& receiver, std::span<Real> mx, std::span<Real> my) {
    const Complex factor = receiver.factor;
    for (std::size_t k = 0; k < mx.size(); ++k) {
        const double x = mx[k];
        const double y = my[k];
        mx[k] = static_cast<Real>(factor.real() * x - factor.imag() * y);
        my[k] = static_cast<Real>(factor.real() * y + factor.imag() * x);
    }
    for (const std::size_t k : receiver.dead) mx[k] = my[k] = 0;
}

template void add_weighted(Complex, std::span<const float>, std::span<const float>,
                           std::span<float>, std::span<float>);
template void add_weighted(Complex, std::span<const double>, std::span<const double>,
                           std::span<double>, std::span<double>);
template void read(const Receiver&, std::span<float>, std::span<float>);
template void read(const Receiver&, std::span<double>, std::span<double>);

SpinExperiment spin_experiment(const Experiment& experiment) {
    SpinExperiment spins;
    Experiment& e = spins.experiment;
    e = experiment;
    e.phase_cycle = {};
    const Acquisition plain;
    e.acquisition.receiver_phase_deg = plain.receiver_phase_deg;
    e.acquisition.gain = plain.gain;
    e.acquisition.dead_time_us = plain.dead_time_us;
    e.prior.clear();
    for (std::size_t i = 0; i < experiment.prior.size(); ++i) {
        if (is_receiver_parameter(experiment.prior[i].name)) continue;
        e.prior.push_back(experiment.prior[i]);
        spins.column.push_back(i);
    }
    if (e.prior.empty() && !experiment.prior.empty()) {
        spins.placeholder = true;
        const Parameter& row = parameter("alpha_x_khz");
        e.prior.push_back({row.name, row.lower, row.upper});
    }
    return spins;
}

std::vector<double> SpinExperiment::parameters(std::span<const double> original,
                                               std::size_t unknowns) const {
    const std::size_t count = original.size() / unknowns;
    if (placeholder) return std::vector<double>(count, experiment.interaction.alpha_x_khz);
    std::vector<double> values;
    values.reserve(count * column.size());
    for (std::size_t i = 0; i < count; ++i) {
        for (const std::size_t c : column) values.push_back(original[i * unknowns + c]);
    }
    return values;
}

std::size_t cycle_chunk(const Experiment& experiment) {
    // Some dozens of groups of lanes; a lattice curve takes its time alone.
    return is_uniform(experiment) ? 1024 : 64;
}

}  // namespace nmrsim
