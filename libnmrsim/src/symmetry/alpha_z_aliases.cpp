#include "nmrsim/alpha_z_aliases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <variant>

#include "model/spin_groups.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"
#include "nmrsim/threads.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

constexpr std::string_view kAlphaZ = "alpha_z_khz";
/// Mz counts as zero below this share of 1/2: the next alias is farther than any prior reaches.
constexpr double kSmallestMz = 1e-6;

std::size_t alpha_z_column(const Prior& prior) {
    const auto at = std::find_if(prior.begin(), prior.end(),
                                 [](const PriorRange& range) { return range.name == kAlphaZ; });
    return static_cast<std::size_t>(at - prior.begin());
}

/// A curve (2, points) turned by `rad_per_us` from `tau_us` on.
void turn(const float* from, std::span<const double> time_us, double tau_us, double rad_per_us,
          float* to) {
    const std::size_t points = time_us.size();
    for (std::size_t t = 0; t < points; ++t) {
        const std::complex<double> turned = std::complex<double>(from[t], from[points + t]) *
                                            std::polar(1.0, rad_per_us * (time_us[t] - tau_us));
        to[t] = static_cast<float>(turned.real());
        to[points + t] = static_cast<float>(turned.imag());
    }
}

}  // namespace

bool has_alpha_z_aliases(const Experiment& experiment) {
    const auto* echo = std::get_if<HahnEcho>(&experiment.sequence.program);
    if (echo == nullptr || has_finite_pulses(experiment.sequence) || !is_uniform(experiment) ||
        !experiment.series.empty() || !experiment.acquisition.windows.empty()) {
        return false;
    }
    // Unknowns that the symmetry outlasts.
    constexpr std::array<std::string_view, 17> kHarmless = {kAlphaZ,
                                                            "alpha_x_khz",
                                                            "half_width_khz",
                                                            "flip_deg",
                                                            "refocus_ratio",
                                                            "flip_phase_deg",
                                                            "pulse_scale",
                                                            "centre_khz",
                                                            "refocus_phase_deg",
                                                            "gain",
                                                            "cutoff_khz",
                                                            "receiver_phase_deg",
                                                            "summed_khz",
                                                            "noise",
                                                            "pulse_spread",
                                                            "gamma3_per_s",
                                                            "d"};
    const bool harmless =
        std::all_of(experiment.prior.begin(), experiment.prior.end(), [&](const PriorRange& range) {
            return std::find(kHarmless.begin(), kHarmless.end(), range.name) != kHarmless.end();
        });
    // A site's own pulses turn it otherwise, but all see one Mz; rates along z would change that.
    const std::vector<SiteSpins> sites = site_spins(experiment);
    const bool lasting = std::all_of(sites.begin(), sites.end(), [](const SiteSpins& site) {
        return site.relaxation.longitudinal_rate() == 0.0;
    });
    return harmless && alpha_z_column(experiment.prior) < experiment.prior.size() &&
           !experiment.interaction.alpha_y_khz && experiment.phase_cycle.empty() && lasting &&
           first_sample_us(experiment) >= echo->tau_us;
}

AlphaZAlias alpha_z_alias(const Experiment& experiment, double tolerance) {
    if (!has_alpha_z_aliases(experiment)) {
        throw std::invalid_argument(
            "alpha_z has aliases only in Hahn echoes of the uniform kernel with ideal pulses, "
            "alpha_x = alpha_y, no relaxation along z, and a window after the second pulse");
    }
    const double tau_us = std::get<HahnEcho>(experiment.sequence.program).tau_us;
    Experiment around = experiment;
    around.acquisition = {0.5 * tau_us, 1.5 * tau_us, 2};
    around.accuracy = {};
    around.accuracy.tolerance = tolerance;
    const Signal signal = simulate(around);
    const double before = signal.mz.front();
    const double after = signal.mz.back();
    if (std::abs(before) < 0.5 * kSmallestMz) {
        return {std::numeric_limits<double>::infinity(), 0.0};
    }
    const double tau_ms = 1e-3 * tau_us;
    // dm/dt = m x B: a field along +z turns M+ clockwise.
    return {1.0 / (tau_ms * std::abs(before)), -kTwoPi * after / (std::abs(before) * tau_us)};
}

Dataset with_alpha_z_aliases(const Dataset& dataset, int threads,
                             std::vector<std::int64_t>* begins) {
    Experiment shared = parse_experiment(dataset.experiment_toml, "the data set's experiment");
    shared.prior = dataset.unknowns;
    const std::size_t k = dataset.unknowns.size();
    if (!has_alpha_z_aliases(shared) || dataset.parameters.size() != dataset.count() * k) {
        throw std::invalid_argument(
            "aliases of alpha_z need a data set with its parameters, of an experiment in which "
            "they are exact");
    }
    const std::size_t column = alpha_z_column(dataset.unknowns);
    const PriorRange& range = dataset.unknowns[column];
    const double tau_us = std::get<HahnEcho>(shared.sequence.program).tau_us;
    const auto count = static_cast<std::ptrdiff_t>(dataset.count());
    std::vector<AlphaZAlias> aliases(dataset.count());
    std::exception_ptr failure;
    const int team = team_size(threads);
#pragma omp parallel for num_threads(team) schedule(dynamic)
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        try {
            const auto curve = static_cast<std::size_t>(i);
            const std::span<const double> own = std::span(dataset.parameters).subspan(curve * k, k);
            aliases[curve] = alpha_z_alias(with_parameters(shared, own));
        } catch (...) {
#pragma omp critical
            failure = std::current_exception();
        }
    }
    if (failure) std::rethrow_exception(failure);

    Dataset result = dataset;
    result.signal.clear();
    result.parameters.clear();
    const std::size_t values = 2 * dataset.points();
    for (std::size_t i = 0; i < dataset.count(); ++i) {
        if (begins) begins->push_back(static_cast<std::int64_t>(result.count()));
        const double own = dataset.parameters[i * k + column];
        const AlphaZAlias& alias = aliases[i];
        const double down = std::max(0.0, std::floor((own - range.low) / alias.period_khz));
        const double up = std::max(0.0, std::floor((range.high - own) / alias.period_khz));
        for (auto m = -static_cast<std::int64_t>(down); m <= static_cast<std::int64_t>(up); ++m) {
            const auto n = static_cast<double>(m);
            const auto row = dataset.parameters.begin() + static_cast<std::ptrdiff_t>(i * k);
            result.parameters.insert(result.parameters.end(), row,
                                     row + static_cast<std::ptrdiff_t>(k));
            if (n != 0.0)
                *(result.parameters.end() - static_cast<std::ptrdiff_t>(k - column)) =
                    own + n * alias.period_khz;
            result.signal.resize(result.signal.size() + values);
            turn(&dataset.signal[i * values], dataset.time_us, tau_us, n * alias.turn_rad_per_us,
                 &result.signal[result.signal.size() - values]);
        }
    }
    if (begins) begins->push_back(static_cast<std::int64_t>(result.count()));
    return result;
}

}  // namespace nmrsim
