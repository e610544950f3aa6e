#include "model/spin_groups.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <variant>

#include "model/dead_time.h"
#include "model/derived_rows.h"
#include "model/line_distribution.h"
#include "model/site_keys.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// More strengths than this are a typing error.
constexpr int kMostStrengths = 256;

Line line_of(const Experiment& experiment, const Site& site) {
    Line line = experiment.line;
    line.half_width_khz = site.half_width_khz.value_or(line.half_width_khz);
    line.gaussian_half_width_khz =
        site.gaussian_half_width_khz.value_or(line.gaussian_half_width_khz);
    return line;
}

Relaxation relaxation_of(const Experiment& experiment, const Site& site) {
    Relaxation relaxation = experiment.relaxation;
    relaxation.gamma1_per_s = site.gamma1_per_s.value_or(relaxation.gamma1_per_s);
    relaxation.gamma2_per_s = site.gamma2_per_s.value_or(relaxation.gamma2_per_s);
    relaxation.gamma3_per_s = site.gamma3_per_s.value_or(relaxation.gamma3_per_s);
    return relaxation;
}

/// Nodes and weights for the mean over a standard normal distribution: eigenvalues of the Jacobi
/// matrix (G. H. Golub, J. H. Welsch, Math. Comput. 23, 221 (1969)).
std::vector<StrengthNode> normal_rule(int n) {
    Eigen::VectorXd across(std::max(n - 1, 0));
    for (int k = 1; k < n; ++k) across[k - 1] = std::sqrt(static_cast<double>(k));
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
    solver.computeFromTridiagonal(Eigen::VectorXd::Zero(n), across);
    std::vector<StrengthNode> rule;
    for (int k = 0; k < n; ++k) {
        // The middle one of an odd number is 0.
        const double node = 2 * k + 1 == n ? 0.0 : solver.eigenvalues()[k];
        const double first = solver.eigenvectors()(0, k);
        rule.push_back({1.0, node, first * first});
    }
    return rule;
}

/// Flip angles of all pulses, the signs that add most [rad].
double all_angles(const Sequence& sequence) {
    double sum = 0.0;
    for (const Event& event : sequence_events(sequence)) {
        if (const Pulse* pulse = std::get_if<Pulse>(&event)) {
            sum += std::abs(pulse->flip_deg) * kRadiansPerDegree;
        }
    }
    return sum;
}

/// Largest error of the mean of exp(i angle x) up to an angle.
double normal_rule_error(const std::vector<StrengthNode>& rule, double most) {
    constexpr int kAngles = 32;
    double largest = 0.0;
    for (int j = 1; j <= kAngles; ++j) {
        const double angle = most * j / kAngles;
        double sum = 0.0;
        for (const StrengthNode& node : rule) sum += node.weight * std::cos(angle * node.slope);
        largest = std::max(largest, std::abs(sum - std::exp(-0.5 * angle * angle)));
    }
    return largest;
}

/// Each unknown of the sequence at that end of its range where `size` is larger.
template <class Size>
Experiment with_largest(const Experiment& experiment, const Size& size) {
    Experiment largest = experiment;
    for (const PriorRange& range : experiment.prior) {
        const Parameter& row = parameter(range.name);
        if (std::string_view(row.table) != "sequence" || !row.applies(largest)) continue;
        Experiment low = largest, high = largest;
        shift_row(low, row, range.low);
        shift_row(high, row, range.high);
        largest = size(low) > size(high) ? low : high;
    }
    return largest;
}

/// What the experiment lacks to hold sites and strengths of the pulses; nullptr if nothing.
const char* spin_groups_need(const Experiment& experiment) {
    const Interaction& interaction = experiment.interaction;
    const bool turns_twice =
        interaction.alpha_y_khz && *interaction.alpha_y_khz != interaction.alpha_x_khz;
    return !is_uniform(experiment)     ? "the uniform kernel"
           : experiment.line.spins > 0 ? "line.spins = 0: an integral over the line"
           : turns_twice && (experiment.accuracy.magnus_order > 1 ||
                             experiment.accuracy.frame == Frame::laboratory)
               ? "the rotating frame at accuracy.magnus_order = 1"
           : samples_pulses(experiment) ? "a window outside of pulses that take time"
                                        : nullptr;
}

void validate_site(const Site& site, std::size_t place) {
    for (const SiteKey& key : site_keys()) {
        const std::optional<double> value = key.get(site);
        if (!value || (std::isfinite(*value) && key.within(*value))) continue;
        throw std::invalid_argument(fmt::format("line.sites[{}].{} must be {}, got {}", place,
                                                key.name, key.bound, *value));
    }
}

void validate_stretching(const Experiment& experiment) {
    if (!may_be_stretched(experiment)) return;
    const char* missing = has_finite_pulses(experiment.sequence) ? "pulses that take no time"
                                                                 : spin_groups_need(experiment);
    if (!missing && !relaxes_alike(experiment)) missing = "sites that relax alike";
    if (!missing) return;
    throw std::invalid_argument(
        fmt::format("{}.stretching needs {}",
                    experiment.relaxation.stretching != 1.0 ? "relaxation" : "prior", missing));
}

/// Calls use(relaxation) for that of each site.
template <class Use>
void for_each_relaxation(const Experiment& experiment, const Use& use) {
    if (experiment.sites.empty()) return use(experiment.relaxation);
    for (const Site& site : experiment.sites) use(relaxation_of(experiment, site));
}

}  // namespace

bool has_strengths(const Sequence& sequence) {
    return sequence.pulse_spread != 0.0 || !sequence.strengths.empty();
}

bool has_spin_groups(const Experiment& experiment) {
    return !experiment.sites.empty() || has_strengths(experiment.sequence);
}

bool relaxes_alike(const Experiment& experiment) {
    return std::ranges::all_of(experiment.sites, [&](const Site& site) {
        const Relaxation first = relaxation_of(experiment, experiment.sites.front());
        const Relaxation own = relaxation_of(experiment, site);
        return own.gamma1_per_s == first.gamma1_per_s && own.gamma2_per_s == first.gamma2_per_s &&
               own.gamma3_per_s == first.gamma3_per_s;
    });
}

std::vector<SiteSpins> site_spins(const Experiment& experiment) {
    if (experiment.sites.empty()) {
        return {{1.0, 0.0, 1.0, experiment.line, experiment.relaxation}};
    }
    double sum = 0.0;
    for (const Site& site : experiment.sites) sum += site.weight;
    std::vector<SiteSpins> spins;
    for (const Site& site : experiment.sites) {
        spins.push_back({site.weight / sum, site.shift_khz, site.pulse_scale,
                         line_of(experiment, site), relaxation_of(experiment, site)});
    }
    return spins;
}

std::vector<StrengthNode> strength_rule(const Sequence& sequence, int nodes) {
    if (sequence.strengths.empty()) return normal_rule(nodes);
    double sum = 0.0;
    for (const PulseStrength& one : sequence.strengths) sum += one.weight;
    std::vector<StrengthNode> rule;
    for (const PulseStrength& one : sequence.strengths) {
        if (one.weight > 0.0) rule.push_back({one.strength, 0.0, one.weight / sum});
    }
    return rule;
}

std::vector<StrengthNode> strength_rule(const Sequence& sequence, double tolerance) {
    if (!sequence.strengths.empty() || sequence.pulse_spread == 0.0) {
        return strength_rule(sequence, 1);
    }
    const double most = sequence.pulse_spread * all_angles(sequence);
    for (int n = 1; n <= kMostStrengths; n += n < 16 ? 1 : n / 8) {
        std::vector<StrengthNode> rule = normal_rule(n);
        if (normal_rule_error(rule, most) <= tolerance) return rule;
    }
    throw std::invalid_argument(fmt::format(
        "sequence.pulse_spread = {:g}: pulses of {:.3g} degrees in all take more than "
        "{} strengths to integrate over",
        sequence.pulse_spread, all_angles(sequence) / kRadiansPerDegree, kMostStrengths));
}

Relaxation slowest_relaxation(const Experiment& experiment) {
    std::optional<Relaxation> slowest;
    for_each_relaxation(experiment, [&](const Relaxation& relaxation) {
        if (!slowest || relaxation.transverse_rate() < slowest->transverse_rate()) {
            slowest = relaxation;
        }
    });
    return *slowest;
}

namespace {

/// d/dt (Gamma_3 t / 2)^beta + 1/(2 T1) where it is largest, of times by which a tenth is lost and
/// but 1/20,000 is left.
double fastest_transverse_rate(const Experiment& experiment, const Relaxation& relaxation) {
    if (relaxation.stretching == 1.0) return relaxation.transverse_rate();
    const double last_s = last_sample_us(experiment) * kSecondsPerUs;
    constexpr double kFirstLoss = 0.1, kLastLoss = 10.0;
    const double rate = 0.5 * relaxation.gamma3_per_s, beta = relaxation.stretching;
    const double most = std::min(std::pow(rate * last_s, beta), kLastLoss);
    const double at = beta < 1.0 ? std::min(kFirstLoss, most) : most;
    if (at == 0.0) return 0.5 * relaxation.longitudinal_rate();
    return 0.5 * relaxation.longitudinal_rate() + rate * beta * std::pow(at, 1.0 - 1.0 / beta);
}

}  // namespace

double fastest_rate(const Experiment& experiment) {
    double fastest = 0.0;
    for_each_relaxation(experiment, [&](const Relaxation& relaxation) {
        fastest = std::max({fastest, relaxation.longitudinal_rate(),
                            fastest_transverse_rate(experiment, relaxation)});
    });
    return fastest;
}

bool may_be_stretched(const Experiment& experiment) {
    return experiment.relaxation.stretching != 1.0 ||
           std::ranges::any_of(experiment.prior,
                               [](const PriorRange& range) { return range.name == "stretching"; });
}

double largest_equilibrium_mz(const Experiment& experiment) {
    double largest = 0.0;
    for_each_relaxation(experiment, [&](const Relaxation& relaxation) {
        largest = std::max(largest, std::abs(relaxation.equilibrium_mz()));
    });
    return largest;
}

double narrowest_half_width_khz(const Experiment& experiment) {
    if (experiment.sites.empty()) return line_half_width_khz(experiment.line);
    double least = HUGE_VAL;
    for (const SiteSpins& site : site_spins(experiment)) {
        least = std::min(least, line_half_width_khz(site.line));
    }
    return least;
}

double largest_site_offset_khz(const Experiment& experiment) {
    double largest = 0.0;
    for (const SiteSpins& site : site_spins(experiment)) {
        largest =
            std::max(largest, std::abs(site.shift_khz) + line_reach_hz(site.line) / kHzPerKhz);
    }
    return largest;
}

Experiment with_widest_pulses(const Experiment& experiment) {
    return with_largest(experiment, [](const Experiment& e) {
        return e.sequence.pulse_spread * all_angles(e.sequence);
    });
}

LargestTurns largest_turns(const Experiment& experiment) {
    const Experiment largest =
        with_largest(experiment, [](const Experiment& e) { return all_angles(e.sequence); });
    const Sequence widest = with_widest_pulses(experiment).sequence;
    constexpr double kDeviations = 6.0;  // what lies farther out has no weight
    double strength = 1.0 + kDeviations * widest.pulse_spread, scale = 0.0;
    for (const PulseStrength& one : widest.strengths) {
        strength = std::max(strength, std::abs(one.strength));
    }
    for (const SiteSpins& site : site_spins(experiment)) {
        scale = std::max(scale, std::abs(site.pulse_scale));
    }
    LargestTurns turns;
    for (const Event& event : sequence_events(largest.sequence)) {
        const Pulse* pulse = std::get_if<Pulse>(&event);
        const double angle = pulse ? std::abs(pulse->flip_deg) * kRadiansPerDegree : 0.0;
        turns.pulse_rad.push_back(strength * scale * angle);
    }
    // Args: names: rows that say it.
    const auto most_khz = [&](double own, std::initializer_list<std::string_view> names) {
        double most = std::abs(own);
        for (const PriorRange& range : experiment.prior) {
            if (std::ranges::find(names, range.name) == names.end()) continue;
            most = std::max({most, std::abs(range.low), std::abs(range.high)});
        }
        return most;
    };
    const Interaction& interaction = experiment.interaction;
    constexpr double kPerUs = kTwoPi * kHzPerKhz * kSecondsPerUs;
    turns.centre_rad_per_us = kPerUs * most_khz(experiment.line.centre_khz, {"centre_khz"});
    turns.coupling_rad_per_us =
        kPerUs * kSpinLength *
        (most_khz(interaction.alpha_plane_khz(), {"alpha_x_khz", "alpha_y_khz", "summed_khz"}) +
         most_khz(interaction.alpha_z_khz, {"alpha_z_khz"}));
    return turns;
}

void validate_spin_groups(const Experiment& experiment) {
    for (std::size_t i = 0; i < experiment.sites.size(); ++i) {
        validate_site(experiment.sites[i], i);
    }
    validate_stretching(experiment);
    const bool unknown = std::ranges::any_of(
        experiment.prior, [](const PriorRange& range) { return range.name == "pulse_spread"; });
    if (!has_spin_groups(experiment) && !unknown) return;
    if (const char* missing = spin_groups_need(experiment)) {
        const char* subject = !experiment.sites.empty()                ? "line.sites need"
                              : !experiment.sequence.strengths.empty() ? "sequence.strengths need"
                              : unknown                                ? "prior.pulse_spread needs"
                                        : "sequence.pulse_spread needs";
        throw std::invalid_argument(fmt::format("{} {}", subject, missing));
    }
    strength_rule(experiment.sequence, 1e-2);
}

}  // namespace nmrsim
