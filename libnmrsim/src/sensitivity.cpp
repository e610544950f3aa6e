#include "nmrsim/sensitivity.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <stdexcept>

#include "nmrsim/parameters.h"
#include "spin_simulation.h"
#include "uniform_batch.h"
#include "uniform_simulator.h"

namespace nmrsim {
namespace {

void require_derivatives(const Experiment& experiment, std::span<const std::string> parameters) {
    require_simulator(experiment);
    if (!is_uniform(experiment)) {
        throw std::invalid_argument(
            fmt::format("derivatives are built for the uniform kernel only, not for {}",
                        kernel_name(experiment.interaction.kernel)));
    }
    for (const std::string& name : parameters) {
        const Parameter& row = parameter(name);
        if (!shares_plan(row.name) || name == "noise") {
            throw std::invalid_argument(
                fmt::format("no derivative with respect to {}.{} is built", row.table, row.name));
        }
        if (!row.applies(experiment)) {
            throw std::invalid_argument(
                fmt::format("{}.{} does not apply to this experiment", row.table, row.name));
        }
    }
}

template <typename Real>
SignalJacobian run(const Experiment& experiment, std::span<const std::string> parameters) {
    const UniformTables<Real> tables =
        uniform_tables<Real>(uniform_plan(experiment), experiment.relaxation);
    SignalJacobian result;
    result.parameters.assign(parameters.begin(), parameters.end());
    result.signal.time_us = tables.plan.time_us;
    const std::size_t points = tables.plan.time_us.size();
    // The kernels carry a few tangents at once; more parameters take more passes.
    std::size_t next = 0;
    do {
        UniformCurve curve = uniform_curve(experiment);
        const std::size_t n =
            std::min(parameters.size() - next, static_cast<std::size_t>(kMostTangents));
        for (std::size_t t = 0; t < n; ++t) {
            curve.tangents.push_back(uniform_tangent(experiment, parameters[next + t].c_str()));
        }
        std::vector<double> all((1 + n) * 3 * points);
        run_uniform<Real, double>(tables, std::span(&curve, 1), all);
        const auto part = [&](std::size_t row, std::size_t component) {
            const auto begin =
                all.begin() + static_cast<std::ptrdiff_t>((row * 3 + component) * points);
            return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(points));
        };
        result.signal.mx = part(0, 0);
        result.signal.my = part(0, 1);
        result.signal.mz = part(0, 2);
        for (std::size_t t = 1; t <= n; ++t) {
            result.dmx.push_back(part(t, 0));
            result.dmy.push_back(part(t, 1));
            result.dmz.push_back(part(t, 2));
        }
        next += n;
    } while (next < parameters.size());
    return result;
}

}  // namespace

SignalJacobian simulate_with_jacobian(const Experiment& experiment,
                                      std::span<const std::string> parameters) {
    experiment.validate();
    require_derivatives(experiment, parameters);
    return uniform_in_single(experiment.accuracy) ? run<float>(experiment, parameters)
                                                  : run<double>(experiment, parameters);
}

void simulate_batch_with_jacobian(const Experiment& experiment, std::span<const double> parameters,
                                  std::span<float> signal, std::span<float> jacobian, int threads) {
    experiment.validate();
    validate_prior(experiment.prior);
    std::vector<std::string> names;
    for (const PriorRange& range : experiment.prior) names.push_back(range.name);
    require_derivatives(experiment, names);
    const std::size_t unknowns = names.size();
    if (unknowns == 0 || unknowns > static_cast<std::size_t>(kMostTangents)) {
        throw std::invalid_argument(
            fmt::format("prior must name 1 to {} unknowns, got {}", kMostTangents, unknowns));
    }
    const std::size_t points = static_cast<std::size_t>(experiment.acquisition.points);
    const std::size_t count = parameters.size() / unknowns;
    if (parameters.size() != count * unknowns || signal.size() != count * 2 * points ||
        jacobian.size() != count * unknowns * 2 * points) {
        throw std::invalid_argument(fmt::format(
            "simulate_batch_with_jacobian: {} parameters, {} samples and {} derivatives do not fit "
            "{} unknowns and {} points",
            parameters.size(), signal.size(), jacobian.size(), unknowns, points));
    }
    const BatchProgress none;
    BatchState state(none);
    run_uniform_batch(experiment, parameters, names, threads > 0 ? threads : omp_get_num_procs(),
                      state, [&](std::size_t i, const float* rows) {
                          std::copy_n(rows, 2 * points, &signal[i * 2 * points]);
                          for (std::size_t t = 0; t < unknowns; ++t) {
                              std::copy_n(rows + (1 + t) * 3 * points, 2 * points,
                                          &jacobian[(i * unknowns + t) * 2 * points]);
                          }
                      });
    state.finish();
}

}  // namespace nmrsim
