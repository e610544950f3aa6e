#include "run/spin_simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/batch_state.h"
#include "general/ensemble_simulator.h"
#include "lattice/lattice_simulator.h"
#include "model/dead_time.h"
#include "model/finite_numbers.h"
#include "model/spin_groups.h"
#include "nmrsim/parameters.h"
#include "nmrsim/threads.h"
#include "uniform/uniform_answer.h"
#include "uniform/uniform_batch.h"
#include "uniform/uniform_curve.h"

namespace nmrsim {
namespace {

bool beyond_first_order(const Accuracy& accuracy) {
    return accuracy.magnus_order > 1 || accuracy.frame == Frame::laboratory;
}

/// Whether the uniform kernel's own simulator runs every draw of these parameters with shared
/// plans.
bool shares_uniform_plans(const Experiment& experiment) {
    return is_uniform(experiment) && !needs_ensemble(experiment) &&
           // Where pulses that take time move, they may meet samples.
           !(has_finite_pulses(experiment.sequence) && OwnUnknowns(experiment.prior).times) &&
           !beyond_first_order(experiment.accuracy) &&
           std::all_of(experiment.prior.begin(), experiment.prior.end(),
                       [&](const PriorRange& range) {
                           return shares_plan(experiment, range.name) &&
                                  !moves_samples(experiment, range.name);
                       });
}

SignalJacobian differentiate_unchecked(const Experiment& experiment,
                                       std::span<const std::string> parameters, int threads);

Signal simulate_generally(const Experiment& experiment, int threads) {
    Signal signal = simulate_ensemble_in_team(experiment, threads);
    Experiment judged = experiment;
    judged.accuracy.precision = Precision::double_;  // it is always
    require_right(judged, signal);
    return signal;
}

Signal simulate_one(const Experiment& experiment, LatticeWorkspace& workspace, int threads) {
    if (needs_ensemble(experiment)) return simulate_generally(experiment, threads);
    std::optional<Signal> signal;
    if (is_uniform(experiment)) {
        signal = differentiate_unchecked(experiment, {}, threads).signal;
    } else {
        signal = simulate_lattice(experiment, workspace);
        if (!signal) return simulate_generally(experiment, threads);
    }
    require_right(experiment, *signal);
    return std::move(*signal);
}

/// Calls `use(i, one)` for each curve's experiment, on all threads.
template <class Use>
void for_each_curve(const Experiment& shared, std::span<const double> parameters,
                    std::span<const std::uint64_t> lattice_seeds, int threads, BatchState& state,
                    const Use& use) {
    const std::size_t unknowns = shared.prior.size();
    const std::size_t count = parameters.size() / unknowns;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (std::size_t i = 0; i < count; ++i) {
        state.run(1, [&] {
            Experiment one = with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
            if (!lattice_seeds.empty()) one.lattice.seed = lattice_seeds[i];
            one.validate();
            use(i, one);
        });
    }
}

/// require_possible() for (3, points) of a curve of a batch of the uniform kernel.
///
/// Args: own: of the batch. parameters: (count, unknowns) of it.
void require_possible_rows(const Experiment& shared, const OwnUnknowns& own,
                           std::span<const double> parameters, std::size_t curve, const float* rows,
                           std::size_t points) {
    const auto row = [&](std::size_t k) { return std::span(rows + k * points, points); };
    const auto check = [&](const Experiment& experiment) {
        require_possible<float>(experiment, row(0), row(1), row(2));
    };
    if (!own.bounds()) return check(shared);
    const std::size_t unknowns = shared.prior.size();
    check(with_parameters(shared, parameters.subspan(curve * unknowns, unknowns)));
}

/// Puts a curve's (2, points) where it belongs.
void put(const std::vector<double>& mx, const std::vector<double>& my, std::span<float> to,
         std::size_t row) {
    const std::size_t points = mx.size();
    for (std::size_t k = 0; k < points; ++k) {
        to[2 * row * points + k] = static_cast<float>(mx[k]);
        to[(2 * row + 1) * points + k] = static_cast<float>(my[k]);
    }
}

SignalJacobian differentiate_unchecked(const Experiment& experiment,
                                       std::span<const std::string> parameters, int threads) {
    // Beyond first order a derivative by alpha_x or alpha_y moves what turns at twice the Larmor
    // frequency, also where that is nothing.
    const bool by_kernel =
        is_uniform(experiment) && !needs_ensemble(experiment) &&
        (parameters.empty() || !beyond_first_order(experiment.accuracy)) &&
        std::all_of(parameters.begin(), parameters.end(), [&](const std::string& name) {
            const Parameter& row = parameter(name);
            return shares_plan(experiment, row.name) && !moves_samples(experiment, row.name) &&
                   name != "noise" && row.applies(experiment);
        });
    if (!by_kernel && (has_spin_groups(experiment) || may_be_stretched(experiment))) {
        throw std::invalid_argument(
            "derivatives of ensembles with line.sites, pulses of several strengths or "
            "relaxation.stretching are by couplings, angles, rates, the line's widths and centre, "
            "the start state, tau_us and names of the sequence");
    }
    if (!by_kernel) return simulate_ensemble_with_jacobian(experiment, parameters, threads);
    return answer_uniform(experiment, parameters);
}

}  // namespace

Signal simulate_spins(const Experiment& experiment, int threads) {
    thread_local LatticeWorkspace workspace;
    return simulate_one(experiment, workspace, team_size(threads));
}

std::size_t simulate_spins_batch(const Experiment& experiment, std::span<const double> parameters,
                                 std::span<const std::uint64_t> lattice_seeds,
                                 std::span<float> signal, int threads,
                                 const BatchProgress& progress) {
    const std::size_t points = sample_count(experiment);
    threads = team_size(threads);
    BatchState state(progress);
    if (shares_uniform_plans(experiment)) {
        const OwnUnknowns own(experiment.prior);
        run_uniform_batch(experiment, parameters, {}, threads, state,
                          [&](std::size_t i, std::size_t, std::size_t, const float* rows) {
                              require_possible_rows(experiment, own, parameters, i, rows, points);
                              std::copy_n(rows, 2 * points, &signal[i * 2 * points]);
                          });
    } else {
        for_each_curve(experiment, parameters, lattice_seeds, threads, state,
                       [&](std::size_t i, const Experiment& one) {
                           thread_local LatticeWorkspace workspace;
                           const Signal curve = simulate_one(one, workspace, 1);
                           put(curve.mx, curve.my, signal, i);
                       });
    }
    return state.finish();
}

SignalJacobian differentiate_spins(const Experiment& experiment,
                                   std::span<const std::string> parameters, int threads) {
    SignalJacobian result = differentiate_unchecked(experiment, parameters, team_size(threads));
    require_right(experiment, result.signal);
    return result;
}

void differentiate_spins_batch(const Experiment& experiment, std::span<const double> parameters,
                               std::span<float> signal, std::span<float> jacobian, int threads) {
    const std::vector<std::string> names = names_of(experiment.prior);
    const std::size_t unknowns = names.size();
    const std::size_t points = sample_count(experiment);
    threads = team_size(threads);
    const BatchProgress none;
    BatchState state(none);
    if (shares_uniform_plans(experiment)) {
        const OwnUnknowns own(experiment.prior);
        run_uniform_batch(
            experiment, parameters, names, threads, state,
            [&](std::size_t i, std::size_t first, std::size_t count, const float* rows) {
                if (first == 0) {
                    require_possible_rows(experiment, own, parameters, i, rows, points);
                    std::copy_n(rows, 2 * points, &signal[i * 2 * points]);
                }
                for (std::size_t t = 0; t < count; ++t) {
                    std::copy_n(rows + (1 + t) * 3 * points, 2 * points,
                                &jacobian[(i * unknowns + first + t) * 2 * points]);
                }
            });
    } else {
        for_each_curve(experiment, parameters, {}, threads, state,
                       [&](std::size_t i, const Experiment& one) {
                           const SignalJacobian j = differentiate_spins(one, names, 1);
                           put(j.signal.mx, j.signal.my, signal, i);
                           for (std::size_t t = 0; t < unknowns; ++t) {
                               put(j.dmx[t], j.dmy[t], jacobian, i * unknowns + t);
                           }
                       });
    }
    state.finish();
}

}  // namespace nmrsim
