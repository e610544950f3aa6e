#include "nmrsim/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include "base/batch_state.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_warnings.h"
#include "nmrsim/parameters.h"
#include "nmrsim/threads.h"
#include "text/text_numbers.h"

namespace nmrsim {

namespace {

/// More columns than any program reads is a typing error.
constexpr int kMostValues = 100'000;

constexpr const char* kExpected =
    "table.key=from:to:count or table.key=value,value,..., as in sequence.flip_deg=10:90:9";

double finite_number(std::string_view field, const std::string& place) {
    double value = 0.0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) {
        throw InputError(fmt::format("{}: expected {}, found \"{}\"", place, kExpected, field));
    }
    return value;
}

/// Throws where curves of different values would not share their times, or would be the same.
void require_sweepable(const Parameter& row) {
    const std::string_view name = row.name;
    if (row.categorical) {
        throw std::invalid_argument(fmt::format(
            "{}.{} cannot be swept: it is a choice, not a number", row.table, row.name));
    }
    if (name == "start_us" || name == "stop_us" || name == "dwell_us") {
        throw std::invalid_argument(fmt::format(
            "{}.{} cannot be swept: the curves of a sweep share their times", row.table, name));
    }
    if (name == "noise") {
        throw std::invalid_argument(
            "acquisition.noise cannot be swept: simulated curves have none");
    }
}

}  // namespace

SweepRange parse_sweep(std::string_view text) {
    const std::string place = fmt::format("sweep \"{}\"", text);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) {
        throw InputError(fmt::format("{}: expected {}", place, kExpected));
    }
    const std::string_view key = trimmed(text.substr(0, equals));
    const std::string_view list = trimmed(text.substr(equals + 1));
    SweepRange range;
    const auto dot = key.find('.');
    range.parameter = key.substr(dot == std::string_view::npos ? 0 : dot + 1);
    try {
        const Parameter& row = parameter(range.parameter);
        if (dot != std::string_view::npos && key.substr(0, dot) != row.table) {
            throw InputError(fmt::format("{}: unknown key {}; did you mean {}.{}?", place, key,
                                         row.table, row.name));
        }
        require_sweepable(row);
    } catch (const std::invalid_argument& error) {
        throw InputError(fmt::format("{}: {}", place, error.what()));
    }
    if (list.find(':') == std::string_view::npos) {
        for (const std::string_view field : split(list, ',')) {
            range.values.push_back(finite_number(field, place));
        }
        return range;
    }
    const std::vector<std::string_view> fields = split(list, ':');
    if (fields.size() != 3) throw InputError(fmt::format("{}: expected {}", place, kExpected));
    const double from = finite_number(fields[0], place);
    const double to = finite_number(fields[1], place);
    const double count = finite_number(fields[2], place);
    if (!(count >= 2.0 && count <= kMostValues) || count != std::floor(count)) {
        throw InputError(fmt::format("{}: expected a whole number in [2, {}] as count, found {}",
                                     place, kMostValues, fields[2]));
    }
    const int last = static_cast<int>(count) - 1;
    for (int i = 0; i <= last; ++i) {
        range.values.push_back(i == last ? to : from + (to - from) * i / last);
    }
    return range;
}

std::vector<std::string> sweep_warnings(Experiment experiment, const SweepRange& range) {
    std::vector<std::string> warnings;
    for (const double value : {range.values.front(), range.values.back()}) {
        set_parameter(experiment, range.parameter, value);
        for (const std::string& warning : experiment_warnings(experiment)) {
            if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) {
                warnings.push_back(warning);
            }
        }
    }
    return warnings;
}

std::vector<Signal> simulate_sweep(const Experiment& experiment, std::string_view parameter_name,
                                   std::span<const double> values, int threads,
                                   const BatchProgress& progress) {
    const Parameter& row = parameter(parameter_name);
    require_sweepable(row);
    if (!experiment.series.empty()) {
        throw std::invalid_argument("a series cannot be swept: its records differ already");
    }
    if (moves_samples(experiment, row.name)) {
        throw std::invalid_argument(
            fmt::format("{}.{} cannot be swept: it moves the window, and the curves of a sweep "
                        "share their times; records of a series have their own",
                        row.table, row.name));
    }
    // Before any is simulated.
    std::vector<Experiment> experiments(values.size(), experiment);
    for (std::size_t i = 0; i < values.size(); ++i) {
        set_parameter(experiments[i], row.name, values[i]);
        experiments[i].validate();
    }
    std::vector<Signal> curves(values.size());
    BatchState state(progress);
    const int team = team_size(threads);
#pragma omp parallel for schedule(dynamic) num_threads(team)
    for (std::size_t i = 0; i < experiments.size(); ++i) {
        state.run(1, [&] { curves[i] = simulate(experiments[i]); });
    }
    if (state.finish() < values.size()) return {};
    return curves;
}

std::string sweep_to_csv(const SweepRange& range, std::span<const Signal> curves) {
    if (curves.size() != range.values.size() || curves.empty()) {
        throw std::invalid_argument(fmt::format(
            "sweep_to_csv: expected a curve for each of {} values, at least one, got {}",
            range.values.size(), curves.size()));
    }
    std::string text = "time_us";
    for (const double value : range.values) {
        for (const char* component : {"mx", "my", "mz"}) {
            text += fmt::format(",{}({}={})", component, range.parameter, value);
        }
    }
    const auto out = std::back_inserter(text);
    for (std::size_t k = 0; k < curves[0].points(); ++k) {
        fmt::format_to(out, "\n{:.9g}", curves[0].time_us[k]);
        for (const Signal& curve : curves) {
            fmt::format_to(out, ",{:.9g},{:.9g},{:.9g}", curve.mx[k], curve.my[k], curve.mz[k]);
        }
    }
    return text + '\n';
}

}  // namespace nmrsim
