#include "nmrsim/sensitivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <complex>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "model/finite_numbers.h"
#include "nmrsim/parameters.h"
#include "run/detection.h"
#include "run/series_runs.h"
#include "run/spin_simulation.h"

namespace nmrsim {
namespace {

void require_real(std::span<const std::string> parameters) {
    for (const std::string& name : parameters) {
        const Parameter& row = parameter(name);
        if (row.categorical) {
            throw std::invalid_argument(
                fmt::format("no curve has a derivative with respect to {}.{}: it is a choice, not "
                            "a number",
                            row.table, row.name));
        }
    }
}

SignalJacobian differentiate_series(const Experiment& experiment,
                                    std::span<const std::string> parameters, int threads) {
    SignalJacobian series;
    series.parameters.assign(parameters.begin(), parameters.end());
    for (auto* slopes : {&series.dmx, &series.dmy, &series.dmz}) slopes->resize(parameters.size());
    const auto add = [](const std::vector<double>& from, std::vector<double>& to) {
        to.insert(to.end(), from.begin(), from.end());
    };
    for (const Experiment& record : series_records(experiment)) {
        const SignalJacobian j = simulate_with_jacobian(record, parameters, threads);
        append(j.signal, series.signal);
        for (std::size_t t = 0; t < parameters.size(); ++t) {
            add(j.dmx[t], series.dmx[t]);
            add(j.dmy[t], series.dmy[t]);
            add(j.dmz[t], series.dmz[t]);
        }
    }
    return series;
}

}  // namespace

SignalJacobian simulate_with_jacobian(const Experiment& experiment,
                                      std::span<const std::string> parameters, int threads) {
    experiment.validate();
    require_real(parameters);
    if (!experiment.series.empty()) return differentiate_series(experiment, parameters, threads);
    const bool of_spins_only = std::none_of(parameters.begin(), parameters.end(),
                                            [](const auto& p) { return is_receiver_parameter(p); });
    if (of_spins_only && reads_spins_directly(experiment)) {
        return differentiate_spins(experiment, parameters, threads);
    }

    std::vector<std::string> of_spins;
    std::copy_if(parameters.begin(), parameters.end(), std::back_inserter(of_spins),
                 [](const auto& p) { return !is_receiver_parameter(p); });
    // Row 0 is the signal, row 1 + t its derivative by of_spins[t].
    std::vector<Signal> rows = receive(experiment, [&](const Experiment& spins) {
        SignalJacobian j = differentiate_spins(spins, of_spins, threads);
        std::vector<Signal> of_run{std::move(j.signal)};
        for (std::size_t t = 0; t < of_spins.size(); ++t) {
            of_run.push_back({{}, std::move(j.dmx[t]), std::move(j.dmy[t]), std::move(j.dmz[t])});
        }
        return of_run;
    });

    SignalJacobian result;
    result.parameters.assign(parameters.begin(), parameters.end());
    std::size_t next = 1;
    for (const std::string& name : parameters) {
        Signal row;
        if (is_receiver_parameter(name)) {
            row.mx.assign(rows[0].points(), 0.0);
            row.my = row.mz = row.mx;
            add_weighted<double>(receiver_slope(experiment, name), rows[0].mx, rows[0].my, row.mx,
                                 row.my);
        } else {
            row = std::move(rows[next++]);
        }
        result.dmx.push_back(std::move(row.mx));
        result.dmy.push_back(std::move(row.my));
        result.dmz.push_back(std::move(row.mz));
    }
    result.signal = std::move(rows[0]);
    for (const auto* m : {&result.signal.mx, &result.signal.my, &result.signal.mz}) {
        require_finite<double>(*m);
    }
    for (const auto* slopes : {&result.dmx, &result.dmy, &result.dmz}) {
        for (const std::vector<double>& row : *slopes) require_finite<double>(row);
    }
    return result;
}

namespace {

void differentiate_batch_unchecked(const Experiment& experiment, std::span<const double> parameters,
                                   std::span<float> signal, std::span<float> jacobian,
                                   int threads) {
    experiment.validate();
    const std::vector<std::string> names = names_of(experiment.prior);
    const std::size_t unknowns = names.size();
    require_real(names);
    if (unknowns == 0) throw std::invalid_argument("prior must name at least one unknown");
    const std::size_t points = sample_count(experiment);
    const std::size_t count = parameters.size() / unknowns;
    if (parameters.size() != count * unknowns || signal.size() != count * 2 * points ||
        jacobian.size() != count * unknowns * 2 * points) {
        throw std::invalid_argument(fmt::format(
            "simulate_batch_with_jacobian: {} parameters, {} samples and {} derivatives do not fit "
            "{} unknowns and {} points",
            parameters.size(), signal.size(), jacobian.size(), unknowns, points));
    }
    if (!experiment.series.empty()) {
        std::vector<float> of_record, slopes;
        for_each_record(
            experiment, [&](const Experiment& record, std::size_t, const RecordPlace& place) {
                of_record.resize(count * 2 * place.points);
                slopes.resize(unknowns * of_record.size());
                differentiate_batch_unchecked(record, parameters, of_record, slopes, threads);
                place.put(of_record, signal);
                place.put(slopes, jacobian);
                return true;
            });
        return;
    }
    if (reads_spins_directly(experiment)) {
        differentiate_spins_batch(experiment, parameters, signal, jacobian, threads);
        return;
    }

    const SpinExperiment spins = spin_experiment(experiment);
    Experiment one_run = spins.experiment;
    const std::size_t spin_unknowns = one_run.prior.size();
    const std::vector<CycleRun> runs = cycle_runs(experiment);
    const std::size_t chunk = cycle_chunk(experiment);
    std::vector<float> of_run, of_run_slopes;
    for (std::size_t first = 0; first < count; first += chunk) {
        const std::size_t size = std::min(chunk, count - first);
        const std::span<const double> originals =
            parameters.subspan(first * unknowns, size * unknowns);
        const std::vector<double> values = spins.parameters(originals, unknowns);
        of_run.resize(size * 2 * points);
        of_run_slopes.resize(size * spin_unknowns * 2 * points);
        const std::span<float> mean = signal.subspan(first * 2 * points, size * 2 * points);
        const std::span<float> slopes =
            jacobian.subspan(first * unknowns * 2 * points, size * unknowns * 2 * points);
        std::fill(mean.begin(), mean.end(), 0.0f);
        std::fill(slopes.begin(), slopes.end(), 0.0f);
        // Mx or My of row `index`.
        const auto part = [&](std::span<float> all, std::size_t index, std::size_t component) {
            return all.subspan((2 * index + component) * points, points);
        };
        const auto add = [&](std::complex<double> weight, std::span<float> from, std::size_t i,
                             std::span<float> to, std::size_t j) {
            add_weighted<float>(weight, part(from, i, 0), part(from, i, 1), part(to, j, 0),
                                part(to, j, 1));
        };
        for (const CycleRun& cycle_run : runs) {
            one_run.sequence = cycle_run.sequence;
            differentiate_spins_batch(one_run, values, of_run, of_run_slopes, threads);
            for (std::size_t i = 0; i < size; ++i) {
                add(cycle_run.weight, of_run, i, mean, i);
                for (std::size_t t = 0; t < spins.column.size(); ++t) {
                    add(cycle_run.weight, of_run_slopes, i * spin_unknowns + t, slopes,
                        i * unknowns + spins.column[t]);
                }
            }
        }
        for (std::size_t i = 0; i < size; ++i) {
            const Experiment one =
                with_parameters(experiment, originals.subspan(i * unknowns, unknowns));
            const Receiver receiver = receiver_of(one);
            read(receiver, part(mean, i, 0), part(mean, i, 1));
            for (std::size_t t = 0; t < unknowns; ++t) {
                const std::size_t row = i * unknowns + t;
                if (is_receiver_parameter(names[t])) {
                    add(receiver_slope(one, names[t]), mean, i, slopes, row);
                } else {
                    read(receiver, part(slopes, row, 0), part(slopes, row, 1));
                }
            }
        }
    }
}

}  // namespace

void simulate_batch_with_jacobian(const Experiment& experiment, std::span<const double> parameters,
                                  std::span<float> signal, std::span<float> jacobian, int threads) {
    differentiate_batch_unchecked(experiment, parameters, signal, jacobian, threads);
    require_finite<float>(signal);
    require_finite<float>(jacobian);
}

}  // namespace nmrsim
