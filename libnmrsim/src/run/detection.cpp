#include "run/detection.h"

#include <algorithm>
#include <cmath>

#include "model/dead_time.h"
#include "model/finite_numbers.h"
#include "nmrsim/parameters.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

using Complex = std::complex<double>;

/// A mean of runs that is smaller than they are by more than this wants runs of a smaller
/// tolerance.
constexpr double kLeastCycleShare = 0.7;

/// The tolerance is scaled by no less: what is left of cancelling runs is then no signal.
constexpr double kLeastScale = 1e-9;

/// One pass through the cycle, before the receiver.
struct CycleMean {
    std::vector<Signal> rows;
    double peak = 0.0;   ///< of the first as it is heard
    double peaks = 0.0;  ///< weighted sum of the runs' own
    double error = 0.0;  ///< of the first, were the runs' errors all alike
};

CycleMean mean_of_runs(
    const Experiment& experiment, Experiment& spins,
    const std::function<std::vector<Signal>(const Experiment& spins)>& simulate_run) {
    CycleMean mean;
    for (const CycleRun& run : cycle_runs(experiment)) {
        spins.sequence = run.sequence;
        const std::vector<Signal> of_run = simulate_run(spins);
        if (mean.rows.empty()) {
            mean.rows = of_run;
            for (Signal& row : mean.rows) {
                for (auto* m : {&row.mx, &row.my, &row.mz}) std::fill(m->begin(), m->end(), 0.0);
            }
        }
        const double share = std::abs(run.weight);
        for (std::size_t r = 0; r < of_run.size(); ++r) {
            Signal& row = mean.rows[r];
            add_weighted<double>(run.weight, of_run[r].mx, of_run[r].my, row.mx, row.my);
            for (std::size_t k = 0; k < row.mz.size(); ++k) row.mz[k] += share * of_run[r].mz[k];
        }
        const double peak = heard_peak(spins, of_run.front());
        mean.peaks += share * peak;
        mean.error += share * peak * of_run.front().estimated_error;
    }
    mean.peak = heard_peak(spins, mean.rows.front());
    return mean;
}

}  // namespace

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
    e.prior.clear();
    for (std::size_t i = 0; i < experiment.prior.size(); ++i) {
        if (is_receiver_parameter(experiment.prior[i].name)) continue;
        e.prior.push_back(experiment.prior[i]);
        spins.column.push_back(i);
    }
    if (e.prior.empty() && !experiment.prior.empty()) {
        spins.placeholder = true;
        const Parameter& row = parameter("alpha_x_khz");
        const double value = row.get(experiment);
        const double beside = std::nextafter(value, value < row.upper ? row.upper : row.lower);
        e.prior.push_back({row.name, std::min(value, beside), std::max(value, beside)});
    }
    return spins;
}

double cycle_share(double mean_peak, double summed_peaks) {
    return summed_peaks > 0.0 ? mean_peak / summed_peaks : 1.0;
}

bool keeps_tolerance(double share) {
    return share >= kLeastCycleShare;
}

std::vector<Signal> receive(
    const Experiment& experiment,
    const std::function<std::vector<Signal>(const Experiment& spins)>& simulate_run) {
    Experiment spins = spin_experiment(experiment).experiment;
    CycleMean mean = mean_of_runs(experiment, spins, simulate_run);
    const Accuracy& accuracy = experiment.accuracy;
    const bool forced = accuracy.nodes || accuracy.steps_per_point;
    double scale = 1.0;
    // First for what counts as a signal, then for what is left above the error.
    for (const double least : {kLeastShare, kLeastScale}) {
        const double share = cycle_share(mean.peak, mean.peaks);
        const bool is_nothing = scale < 1.0 && mean.peak <= mean.error;
        if (forced || is_nothing || keeps_tolerance(share / scale)) break;
        scale = std::max(share, least);
        spins.accuracy.tolerance = scale * accuracy.tolerance;
        try {
            mean = mean_of_runs(experiment, spins, simulate_run);
        } catch (const Stopped&) {
            throw;
        } catch (const std::exception&) {
            break;  // there is no better, and the estimate below says whether this will do
        }
    }
    Signal& signal = mean.rows.front();
    if (mean.peak > 0.0) signal.estimated_error = mean.error / mean.peak;
    // Of nothing, as far as the error tells, no share need be kept.
    if (mean.peak > mean.error) require_right(spins, signal, accuracy.tolerance);
    const Receiver receiver = receiver_of(experiment);
    for (Signal& row : mean.rows) read<double>(receiver, row.mx, row.my);
    return std::move(mean.rows);
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
