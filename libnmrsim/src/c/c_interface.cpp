#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "nmrsim/c_support.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"
#include "nmrsim/version.h"
#include "nmrsim_c.h"

namespace {

using nmrsim::Experiment;
using nmrsim::c::array;
using nmrsim::c::check_threads;
using nmrsim::c::guarded;
using nmrsim::c::required;

std::size_t points_of(const Experiment& experiment) {
    return sample_count(experiment);
}

/// Parameter sets, (count, unknowns), of any count.
template <typename T>
std::span<T> parameter_rows(const Experiment& experiment, T* parameters, std::size_t size) {
    const std::size_t unknowns = experiment.prior.size();
    if (unknowns == 0) throw std::invalid_argument("prior must name at least one unknown");
    if (size % unknowns != 0) {
        throw std::invalid_argument(
            fmt::format("parameters must have a multiple of {} elements, (count, unknowns), got {}",
                        unknowns, size));
    }
    return array(parameters, size, size, "parameters", "(count, unknowns)");
}

/// Hands the experiment that `make` returns to the caller.
template <typename Make>
int create(nmrsim_experiment** result, const Make& make) noexcept {
    if (result) *result = nullptr;
    return guarded([&] {
        required(result, "experiment");
        // guarded() catches all.
        *result = new nmrsim_experiment{make()};  // NOLINT(bugprone-unhandled-exception-at-new)
    });
}

/// Changes a copy, so that nothing is half changed if it fails.
template <typename Change>
int change(nmrsim_experiment* experiment, const Change& action) noexcept {
    return guarded([&] {
        Experiment changed = required(experiment, "experiment").value;
        action(changed);
        experiment->value = std::move(changed);
    });
}

/// Mx, My, Mz into consecutive rows.
void copy_rows(const std::vector<double>& mx, const std::vector<double>& my,
               const std::vector<double>& mz, double* rows) {
    for (const auto* m : {&mx, &my, &mz}) rows = std::copy(m->begin(), m->end(), rows);
}

const nmrsim::Parameter* unknown(const nmrsim_experiment* experiment, std::size_t index) noexcept {
    try {
        if (!experiment || index >= experiment->value.prior.size()) return nullptr;
        return &nmrsim::parameter(experiment->value.prior[index].name);
    } catch (...) {
        return nullptr;
    }
}

}  // namespace

extern "C" {

const char* nmrsim_version(void) {
    return nmrsim::kVersion;
}

const char* nmrsim_last_error(void) {
    return nmrsim::c::last_error();
}

void nmrsim_request_stop(void) {
    nmrsim::request_stop();
}

void nmrsim_clear_stop(void) {
    nmrsim::clear_stop();
}

const char* nmrsim_shipped_experiment(size_t index) {
    try {
        static const std::vector<std::string> names = nmrsim::shipped_experiments();
        return index < names.size() ? names[index].c_str() : nullptr;
    } catch (...) {
        return nullptr;
    }
}

int nmrsim_load(const char* name_or_path, nmrsim_experiment** experiment) {
    return create(experiment,
                  [&] { return nmrsim::load_experiment(&required(name_or_path, "name_or_path")); });
}

int nmrsim_parse(const char* toml, nmrsim_experiment** experiment) {
    return create(experiment,
                  [&] { return nmrsim::parse_experiment(&required(toml, "toml"), "text"); });
}

int nmrsim_copy(const nmrsim_experiment* experiment, nmrsim_experiment** copy) {
    return create(copy, [&] { return required(experiment, "experiment").value; });
}

void nmrsim_free(nmrsim_experiment* experiment) {
    delete experiment;
}

int nmrsim_set(nmrsim_experiment* experiment, const char* setting) {
    return change(experiment, [&](Experiment& changed) {
        nmrsim::apply_setting(changed, &required(setting, "setting"));
    });
}

int nmrsim_set_value(nmrsim_experiment* experiment, const char* parameter, double value) {
    return change(experiment, [&](Experiment& changed) {
        nmrsim::set_parameter(changed, &required(parameter, "parameter"), value);
    });
}

int nmrsim_get_value(const nmrsim_experiment* experiment, const char* parameter, double* value) {
    return guarded([&] {
        const Experiment& e = required(experiment, "experiment").value;
        const nmrsim::Parameter& row = nmrsim::parameter(&required(parameter, "parameter"));
        if (!row.applies(e)) {
            throw std::invalid_argument(
                fmt::format("{}.{} does not apply to this experiment", row.table, row.name));
        }
        required(value, "value") = row.get(e);
    });
}

int nmrsim_to_toml(const nmrsim_experiment* experiment, char* toml, size_t capacity,
                   size_t* length) {
    return guarded([&] {
        const std::string text =
            nmrsim::experiment_to_toml(required(experiment, "experiment").value);
        if (length) *length = text.size();
        if (capacity == 0) return;
        if (capacity <= text.size()) {
            throw std::invalid_argument(
                fmt::format("capacity must be >= {}, got {}", text.size() + 1, capacity));
        }
        std::memcpy(&required(toml, "toml"), text.c_str(), text.size() + 1);
    });
}

size_t nmrsim_points(const nmrsim_experiment* experiment) {
    return experiment ? points_of(experiment->value) : 0;
}

int nmrsim_times_us(const nmrsim_experiment* experiment, double* time_us, size_t time_size) {
    return guarded([&] {
        const Experiment& e = required(experiment, "experiment").value;
        const auto out = array(time_us, time_size, points_of(e), "time_us", "(points)");
        const std::vector<double> times = nmrsim::acquisition_times_us(e);
        std::copy(times.begin(), times.end(), out.begin());
    });
}

size_t nmrsim_unknowns(const nmrsim_experiment* experiment) {
    return experiment ? experiment->value.prior.size() : 0;
}

const char* nmrsim_unknown_name(const nmrsim_experiment* experiment, size_t index) {
    const nmrsim::Parameter* row = unknown(experiment, index);
    return row ? row->name : nullptr;
}

const char* nmrsim_unknown_unit(const nmrsim_experiment* experiment, size_t index) {
    const nmrsim::Parameter* row = unknown(experiment, index);
    return row ? row->unit : nullptr;
}

int nmrsim_unknown_range(const nmrsim_experiment* experiment, size_t index, double* low,
                         double* high) {
    return guarded([&] {
        const nmrsim::Prior& prior = required(experiment, "experiment").value.prior;
        if (index >= prior.size()) {
            throw std::invalid_argument(
                fmt::format("index must be < {}, got {}", prior.size(), index));
        }
        required(low, "low") = prior[index].low;
        required(high, "high") = prior[index].high;
    });
}

int nmrsim_draw(const nmrsim_experiment* experiment, uint64_t seed, uint64_t first_index,
                double* parameters, size_t parameters_size) {
    return guarded([&] {
        const Experiment& e = required(experiment, "experiment").value;
        const auto rows = parameter_rows(e, parameters, parameters_size);
        const std::size_t unknowns = e.prior.size();
        for (std::size_t i = 0; i * unknowns < rows.size(); ++i) {
            const std::vector<double> draw =
                nmrsim::draw_parameters(e.prior, seed, first_index + i);
            std::copy(draw.begin(), draw.end(), &rows[i * unknowns]);
        }
    });
}

int nmrsim_draw_lattice_seeds(uint64_t seed, uint64_t first_index, uint64_t* lattice_seeds,
                              size_t lattice_seeds_size) {
    return guarded([&] {
        const auto out = array(lattice_seeds, lattice_seeds_size, lattice_seeds_size,
                               "lattice_seeds", "(count)");
        for (std::size_t i = 0; i < out.size(); ++i) {
            out[i] =
                nmrsim::CounterRandom(seed, first_index + i, nmrsim::RandomStream::lattice_seed)
                    .bits();
        }
    });
}

int nmrsim_simulate(const nmrsim_experiment* experiment, double* signal, size_t signal_size,
                    double* estimated_error) {
    return guarded([&] {
        const Experiment& e = required(experiment, "experiment").value;
        const auto out = array(signal, signal_size, 3 * points_of(e), "signal", "(3, points)");
        const nmrsim::Signal curve = nmrsim::simulate(e);
        copy_rows(curve.mx, curve.my, curve.mz, out.data());
        if (estimated_error) *estimated_error = curve.estimated_error;
    });
}

int nmrsim_simulate_batch(const nmrsim_experiment* experiment, const double* parameters,
                          size_t parameters_size, const uint64_t* lattice_seeds,
                          size_t lattice_seeds_size, float* signal, size_t signal_size,
                          int threads) {
    return guarded([&] {
        const Experiment& e = required(experiment, "experiment").value;
        check_threads(threads);
        const auto rows = parameter_rows(e, parameters, parameters_size);
        const std::size_t count = rows.size() / e.prior.size();
        std::span<const uint64_t> seeds;
        if (lattice_seeds || lattice_seeds_size > 0) {
            seeds = array(lattice_seeds, lattice_seeds_size, count, "lattice_seeds", "(count)");
        }
        const auto out =
            array(signal, signal_size, count * 2 * points_of(e), "signal", "(count, 2, points)");
        nmrsim::simulate_batch(e, rows, seeds, out, threads);
    });
}

int nmrsim_simulate_with_derivatives(const nmrsim_experiment* experiment, const char* const* names,
                                     size_t name_count, double* signal, size_t signal_size,
                                     double* derivatives, size_t derivatives_size) {
    return guarded([&] {
        const Experiment& e = required(experiment, "experiment").value;
        std::vector<std::string> parameters;
        if (!names && name_count == 0) {
            parameters = names_of(e.prior);
        } else {
            required(names, "names");
            for (std::size_t i = 0; i < name_count; ++i) {
                parameters.emplace_back(&required(names[i], "names[i]"));
            }
        }
        const std::size_t curve = 3 * points_of(e);
        const auto out = array(signal, signal_size, curve, "signal", "(3, points)");
        const auto slopes = array(derivatives, derivatives_size, parameters.size() * curve,
                                  "derivatives", "(name_count, 3, points)");
        const nmrsim::SignalJacobian j = nmrsim::simulate_with_jacobian(e, parameters);
        copy_rows(j.signal.mx, j.signal.my, j.signal.mz, out.data());
        for (std::size_t k = 0; k < parameters.size(); ++k) {
            copy_rows(j.dmx[k], j.dmy[k], j.dmz[k], slopes.data() + k * curve);
        }
    });
}

int nmrsim_simulate_batch_with_derivatives(const nmrsim_experiment* experiment,
                                           const double* parameters, size_t parameters_size,
                                           float* signal, size_t signal_size, float* derivatives,
                                           size_t derivatives_size, int threads) {
    return guarded([&] {
        const Experiment& e = required(experiment, "experiment").value;
        check_threads(threads);
        const auto rows = parameter_rows(e, parameters, parameters_size);
        const std::size_t curve = 2 * points_of(e);
        const auto out = array(signal, signal_size, rows.size() / e.prior.size() * curve, "signal",
                               "(count, 2, points)");
        const auto slopes = array(derivatives, derivatives_size, rows.size() * curve, "derivatives",
                                  "(count, unknowns, 2, points)");
        nmrsim::simulate_batch_with_jacobian(e, rows, out, slopes, threads);
    });
}

}  // extern "C"
