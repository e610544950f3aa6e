// The C interface of the fits.
#include <fmt/format.h>

#include <algorithm>
#include <complex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "nmrinverse/fit.h"
#include "nmrsim/c_support.h"
#include "nmrsim/units.h"
#include "nmrsim_fit.h"

namespace {

using nmrsim::c::array;
using nmrsim::c::required;

std::optional<bool> three_way(int value) {
    if (value < 0) return {};
    return value != 0;
}

int of_three(const std::optional<bool>& value) {
    return value ? int{*value} : -1;
}

nmrinverse::FitOptions options_of(const nmrsim_fit_options& given) {
    nmrsim::c::check_threads(given.threads);
    nmrinverse::FitOptions options;
    options.noise = given.noise;
    options.measured = given.measured != 0;
    options.align = given.align != 0;
    options.fit_gain = three_way(given.fit_gain);
    options.fit_phase = three_way(given.fit_phase);
    options.fit_offset = three_way(given.fit_offset);
    if (given.time_zero_range_us != 0.0) {
        options.fit_time_zero = true;
        options.time_zero_range_us = given.time_zero_range_us;
    }
    options.seed = given.seed;
    options.threads = given.threads;
    return options;
}

nmrinverse::InputCurves input_of(const nmrsim::Experiment& experiment, const double* time_us,
                                 size_t time_size, const float* signal, size_t signal_size) {
    nmrinverse::InputCurves input;
    input.name = "signal";
    if (time_us || time_size > 0) {
        const auto times = array(time_us, time_size, time_size, "time_us", "(points)");
        input.curves.time_us.assign(times.begin(), times.end());
    } else {
        input.curves.time_us = nmrsim::acquisition_times_us(experiment);
    }
    const std::size_t curve = 2 * input.curves.time_us.size();
    if (curve == 0 || signal_size == 0 || signal_size % curve != 0) {
        throw std::invalid_argument(
            fmt::format("signal must have a multiple of {} elements, (count, 2, points), got {}",
                        curve, signal_size));
    }
    const auto values = array(signal, signal_size, signal_size, "signal", "(count, 2, points)");
    input.curves.signal.assign(values.begin(), values.end());
    for (std::size_t c = 0; c < signal_size / curve; ++c) {
        input.names.push_back(fmt::format("curve {}", c));
    }
    return input;
}

}  // namespace

extern "C" {

void nmrsim_fit_defaults(nmrsim_fit_options* options) {
    if (!options) return;
    const nmrinverse::FitOptions defaults;
    *options = {};
    options->noise = defaults.noise;
    options->measured = defaults.measured;
    options->align = defaults.align;
    options->fit_gain = of_three(defaults.fit_gain);
    options->fit_phase = of_three(defaults.fit_phase);
    options->fit_offset = of_three(defaults.fit_offset);
    options->seed = defaults.seed;
    options->threads = defaults.threads;
}

int nmrsim_fit(const nmrsim_experiment* experiment, const nmrsim_fit_options* options,
               const double* time_us, size_t time_size, const float* signal, size_t signal_size,
               double* estimates, size_t estimates_size, int* verdicts, size_t verdicts_size,
               double* receiver, size_t receiver_size, double* samples, size_t samples_size) {
    return nmrsim::c::guarded([&] {
        const nmrsim::Experiment& e = required(experiment, "experiment").value;
        nmrinverse::FitOptions how = options_of(required(options, "options"));
        const nmrinverse::InputCurves input = input_of(e, time_us, time_size, signal, signal_size);
        const std::size_t count = input.names.size(), values = count * e.prior.size();
        const auto rows =
            array(estimates, estimates_size, 6 * values, "estimates", "(count, unknowns, 6)");
        const bool judged = verdicts || verdicts_size > 0, told = receiver || receiver_size > 0;
        if (judged) array(verdicts, verdicts_size, count, "verdicts", "(count)");
        if (told) array(receiver, receiver_size, 3 * count, "receiver", "(count, 3)");
        if (samples || samples_size > 0) {
            how.samples = values > 0 ? samples_size / values : 0;
            array(samples, samples_size, std::max<std::size_t>(1, how.samples) * values, "samples",
                  "(count, draws, unknowns)");
        }
        how.judge = judged;
        const nmrinverse::FitResult fit = nmrinverse::fit(e, {&input, 1}, how);
        const nmrinverse::Predictions& found = fit.estimates;
        for (std::size_t i = 0; i < values; ++i) {
            const double row[] = {found.mean[i], found.sd[i],  found.q05[i],
                                  found.q25[i],  found.q75[i], found.q95[i]};
            std::copy(std::begin(row), std::end(row), &rows[6 * i]);
        }
        for (std::size_t c = 0; c < count; ++c) {
            if (judged) verdicts[c] = static_cast<int>(fit.judgements.verdict[c]);
            if (!told) continue;
            receiver[3 * c] = std::abs(fit.factor[c]);
            receiver[3 * c + 1] = std::arg(fit.factor[c]) / nmrsim::kRadiansPerDegree;
            receiver[3 * c + 2] = fit.shift_us[c];
        }
        std::copy(fit.samples.begin(), fit.samples.end(), samples);
    });
}

}  // extern "C"
