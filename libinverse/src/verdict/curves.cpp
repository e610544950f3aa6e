#include "nmrinverse/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "nmrsim/curve_format.h"
#include "nmrsim/errors.h"
#include "nmrsim/interpolation.h"
#include "nmrsim/resampling.h"
#include "nmrsim/simulate.h"

namespace nmrinverse {
namespace {

/// Fewest samples in a period of the line's largest offset for which a cubic through four samples
/// is good to 1% of it: the error is (2 pi / n)^4 * 3/128 at most.
constexpr double kSamplesPerPeriod = 8.0;

bool same_times(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) return false;
    const double spacing = a.size() > 1 ? (a.back() - a.front()) / (a.size() - 1) : 1.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (std::abs(a[i] - b[i]) > 1e-3 * spacing) return false;
    }
    return true;
}

/// So far may the window of these times reach beyond the samples, whose times were rounded [us].
double slack_of(const std::vector<double>& times) {
    constexpr double kSlack = 1e-2;  // spacings
    return kSlack * (times.back() - times.front()) / static_cast<double>(times.size());
}

/// What to say where times in another unit would cover the window.
std::string unit_hint(const std::vector<double>& from, const std::vector<double>& times) {
    if (from.size() < 4) return "";
    const double slack = slack_of(times);
    for (const char* unit : {"s", "ms", "ns"}) {
        const double us = *nmrsim::unit_in_us(unit);
        if (from.front() * us <= times.front() + slack &&
            from.back() * us >= times.back() - slack) {
            return fmt::format("; taken as {} they would: --time-unit {}", unit, unit);
        }
    }
    return "";
}

/// Which four samples, with which weights, give the value at a time: Lagrange's cubic.
struct Stencil {
    std::size_t first;
    std::array<double, 4> weight;
};

std::vector<Stencil> stencils(const std::string& name, const std::vector<double>& from,
                              const nmrsim::Experiment& experiment,
                              const std::vector<double>& times) {
    const double slack = slack_of(times);
    if (from.size() < 4 || from.front() > times.front() + slack ||
        from.back() < times.back() - slack) {
        throw nmrsim::InputError(fmt::format(
            "{}: expected times that cover {:.7g} to {:.7g} us, the model's window, found {} from "
            "{:.7g} to {:.7g} us{}",
            name, times.front(), times.back(), from.size(), from.empty() ? 0.0 : from.front(),
            from.empty() ? 0.0 : from.back(), unit_hint(from, times)));
    }
    const double largest_us = largest_spacing_us(experiment);
    std::vector<Stencil> result;
    result.reserve(times.size());
    for (const double time : times) {
        const auto above = std::upper_bound(from.begin(), from.end(), time);
        const auto upper =
            std::clamp<std::ptrdiff_t>(above - from.begin(), 1, std::ssize(from) - 1);
        const double gap = from[upper] - from[upper - 1];
        if (gap > largest_us) {
            throw nmrsim::InputError(fmt::format(
                "{}: samples at {:.6g} and {:.6g} us are too far apart for a line cut at {:g} kHz: "
                "expected at most {:.3g} us",
                name, from[upper - 1], from[upper], nmrsim::largest_cut_khz(experiment),
                largest_us));
        }
        Stencil stencil = {};
        stencil.first = static_cast<std::size_t>(
            std::clamp<std::ptrdiff_t>(upper - 2, 0, std::ssize(from) - 4));
        const double* t = from.data() + stencil.first;
        const auto node = [t](std::size_t j) { return t[j]; };
        stencil.weight = nmrsim::lagrange_weights<4>(time, node).value;
        result.push_back(stencil);
    }
    return result;
}

/// Keeps curves as they were sampled, as far as the window goes.
void keep_samples(const nmrsim::MeasuredCurves& data, const std::vector<Stencil>& weights,
                  Curves& curves) {
    const double spacing = nmrsim::even_spacing_us(data.time_us);
    if (!(spacing > 0.0)) {
        curves.own.resize(curves.own.size() + data.count());
        curves.uneven.resize(curves.own.size(), true);
        return;
    }
    const double slack = 1e-3 * spacing;
    const auto begin = data.time_us.begin(), end = data.time_us.end();
    const auto first = std::lower_bound(begin, end, curves.time_us.front() - slack) - begin;
    const auto past = std::upper_bound(begin, end, curves.time_us.back() + slack) - begin;
    // What a slow curve sees of the samples' white noise, in the mean over the window.
    std::vector<double> share(data.points(), 0.0);
    for (const Stencil& stencil : weights) {
        for (std::size_t i = 0; i < 4; ++i) share[stencil.first + i] += stencil.weight[i];
    }
    double square = 0.0;
    for (const double w : share) square += w * w;
    for (std::size_t c = 0; c < data.count(); ++c) {
        auto own = std::make_shared<Curves::Own>();
        // The mean spacing is better known than single times, which files round.
        own->start_us = data.time_us.front() + static_cast<double>(first) * spacing;
        own->stop_us = data.time_us.front() + static_cast<double>(past - 1) * spacing;
        own->noise_share = std::sqrt(square / static_cast<double>(weights.size()));
        for (const std::size_t row : {2 * c, 2 * c + 1}) {
            const auto from =
                data.signal.begin() + static_cast<std::ptrdiff_t>(row * data.points());
            own->signal.insert(own->signal.end(), from + first, from + past);
        }
        curves.own.push_back(std::move(own));
    }
    curves.uneven.resize(curves.own.size());
}

void append_at_window(const std::string& input, const nmrsim::MeasuredCurves& data,
                      const nmrsim::Experiment& experiment, Curves& curves) {
    if (const auto dead = std::find(data.dead.begin(), data.dead.end(), true);
        dead != data.dead.end()) {
        const auto i = static_cast<std::size_t>(dead - data.dead.begin()) % data.points();
        throw nmrsim::InputError(
            fmt::format("{}: the sample at {:.6g} us is not a number: dead samples are for "
                        "measured curves (--measured)",
                        input, data.time_us[i]));
    }
    if (!data.sigma.empty()) {
        throw nmrsim::InputError(
            input + ": standard deviations of samples are for measured curves (--measured)");
    }
    if (same_times(data.time_us, curves.time_us)) {
        curves.signal.insert(curves.signal.end(), data.signal.begin(), data.signal.end());
        curves.own.resize(curves.own.size() + data.count());
        curves.uneven.resize(curves.own.size());
        return;
    }
    const auto weights = stencils(input, data.time_us, experiment, curves.time_us);
    keep_samples(data, weights, curves);
    for (std::size_t row = 0; row < 2 * data.count(); ++row) {
        const float* values = data.signal.data() + row * data.points();
        for (const Stencil& stencil : weights) {
            double sum = 0.0;
            for (std::size_t i = 0; i < 4; ++i) {
                sum += stencil.weight[i] * static_cast<double>(values[stencil.first + i]);
            }
            curves.signal.push_back(static_cast<float>(sum));
        }
    }
}

}  // namespace

std::span<const float> Curves::samples(std::size_t index) const {
    if (const Own* there = own_of(index)) return there->signal;
    return std::span(signal).subspan(index * 2 * points(), 2 * points());
}

nmrsim::Experiment Curves::experiment_of(std::size_t index, nmrsim::Experiment experiment) const {
    const Own* there = own_of(index);
    if (there != nullptr && !there->series.empty()) {
        experiment.series = there->series;
    } else if (there != nullptr) {
        experiment.acquisition.origin = nmrsim::TimeOrigin::start;
        experiment.acquisition.windows.clear();
        experiment.acquisition.start_us = there->start_us;
        experiment.acquisition.stop_us = there->stop_us;
        experiment.acquisition.points = static_cast<int>(there->signal.size() / 2);
    }
    return experiment;
}

std::vector<double> Curves::times_us(std::size_t index) const {
    const Own* there = own_of(index);
    if (there == nullptr) return time_us;
    if (!there->series.empty()) return there->time_us;
    return nmrsim::acquisition_times_us(experiment_of(index, {}));
}

double largest_spacing_us(const nmrsim::Experiment& experiment) {
    return 1e3 / (kSamplesPerPeriod * nmrsim::largest_cut_khz(experiment));
}

void append_curves(const InputCurves& input, const nmrsim::Experiment& experiment, Curves& curves) {
    if (curves.time_us.empty()) {
        curves.time_us = nmrsim::acquisition_times_us(experiment);
    }
    append_at_window(input.name, input.curves, experiment, curves);
    curves.names.insert(curves.names.end(), input.names.begin(), input.names.end());
    curves.made_with.resize(curves.count(), input.noise);
}

double told_noise(const std::string& input, double in_file, double given) {
    // The same number may have been rounded.
    if (given > 0.0 && given < 0.99 * in_file) {
        throw std::invalid_argument(
            fmt::format("{}: made with acquisition.noise = {}, --noise {} is less than that", input,
                        in_file, given));
    }
    return given > 0.0 ? given : in_file;
}

Curves with_empty_curves(const Curves& curves, std::span<const std::size_t> places) {
    Curves result = curves;
    const std::size_t row = 2 * curves.points();
    for (const std::size_t place : places) {
        std::fill_n(result.signal.begin() + static_cast<std::ptrdiff_t>(place * row), row, 0.0f);
        if (const Curves::Own* own = curves.own_of(place)) {
            auto empty = std::make_shared<Curves::Own>(*own);
            std::fill(empty->signal.begin(), empty->signal.end(), 0.0f);
            result.own[place] = std::move(empty);
        }
    }
    return result;
}

std::vector<std::size_t> unreadable_curves(const Curves& curves) {
    std::vector<std::size_t> which;
    const std::size_t row = 2 * curves.points();
    for (std::size_t c = 0; c < curves.count(); ++c) {
        const auto data = std::span<const float>(curves.signal).subspan(c * row, row);
        const auto finite = [](float x) { return std::isfinite(x); };
        const std::span<const float> own = curves.samples(c);
        if (!std::all_of(data.begin(), data.end(), finite) ||
            !std::all_of(own.begin(), own.end(), finite)) {
            which.push_back(c);
        }
    }
    return which;
}

}  // namespace nmrinverse
