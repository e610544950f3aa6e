#include "nmrsim/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "model/derived_rows.h"
#include "model/kernels.h"
#include "model/line_shape.h"
#include "model/sequence_names.h"
#include "nmrsim/experiment.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

bool always(const Experiment&) {
    return true;
}
bool finite_range(const Experiment& e) {
    return !is_uniform(e);
}
bool is_uniform_row(const Experiment& e) {
    return is_uniform(e);
}
bool has_exponent(const Experiment& e) {
    Kernel kernel = e.interaction.kernel;
    return exponent_of(kernel) != nullptr;
}
bool has_no_strengths(const Experiment& e) {
    return is_uniform(e) && e.sequence.strengths.empty();
}
template <double Line::*width>
bool line_has(const Experiment& e) {
    return has_width(e.line, width);
}
bool has_one_window(const Experiment& e) {
    return e.acquisition.windows.empty();
}
bool is_hahn_echo(const Experiment& e) {
    return std::holds_alternative<HahnEcho>(e.sequence.program);
}

/// What the kernel's row counts among.
const std::vector<std::string>& kernel_choices(const Experiment& e) {
    const PriorRange* unknown = find_categorical(e.prior);
    return unknown ? unknown->choices : kernel_names();
}

double get_kernel(const Experiment& e) {
    const std::vector<std::string>& choices = kernel_choices(e);
    const auto found = std::find(choices.begin(), choices.end(), kernel_name(e.interaction.kernel));
    // validate() refuses a kernel that is none of its unknown's choices.
    if (found == choices.end()) return std::numeric_limits<double>::quiet_NaN();
    return choice_value(static_cast<std::size_t>(found - choices.begin()));
}

void set_kernel(Experiment& e, double value) {
    const PriorRange range = categorical_unknown("kernel", kernel_choices(e));
    if (!(value >= range.low && value <= range.high)) {
        throw std::invalid_argument(fmt::format(
            "interaction.kernel must be in [{:g}, {:g}], got {}", range.low, range.high, value));
    }
    e.interaction.kernel =
        other_kernel(e.interaction.kernel, range.choices[choice_of(range, value)]);
}

template <double* (*field)(Kernel&)>
double get_of_kernel(const Experiment& e) {
    Kernel kernel = e.interaction.kernel;
    const double* value = field(kernel);
    return value ? *value : 0.0;
}

void set_of_kernel(Experiment& e, double* (*field)(Kernel&), const char* name, double value) {
    double* const place = field(e.interaction.kernel);
    if (!place) {
        throw std::invalid_argument(fmt::format("interaction.{} does not apply to the {} kernel",
                                                name, kernel_name(e.interaction.kernel)));
    }
    *place = value;
}

void set_xi(Experiment& e, double value) {
    set_of_kernel(e, xi_of, "xi", value);
}

void set_exponent(Experiment& e, double value) {
    set_of_kernel(e, exponent_of, "exponent", value);
}

/// |sum of the kernel as it acts|: 1 where each spin couples to a mean.
double acting_kernel_sum(const Experiment& e) {
    return std::abs(signed_kernel_sum(e));
}

double get_summed(const Experiment& e) {
    return e.interaction.alpha_x_khz * acting_kernel_sum(e);
}

void set_summed(Experiment& e, double value) {
    const double alpha_x_khz = value / acting_kernel_sum(e);
    if (!std::isfinite(alpha_x_khz)) {
        throw std::invalid_argument(
            fmt::format("interaction.summed_khz must have a kernel whose sum is not 0, got {}",
                        acting_kernel_sum(e)));
    }
    e.interaction.alpha_x_khz = alpha_x_khz;
}

bool has_range_to_sum(const Experiment& e) {
    return finite_range(e) && !e.interaction.normalize;
}

void set_summed_by_xi(Experiment& e, double value) {
    const double sum = value / e.interaction.alpha_x_khz;
    if (!(sum > 0.0) || !std::isfinite(sum)) {
        throw std::invalid_argument(
            fmt::format("interaction.summed_by_xi_khz needs the sign of alpha_x_khz, got {} at an "
                        "alpha_x_khz of {}",
                        value, e.interaction.alpha_x_khz));
    }
    try {
        set_xi(e, xi_of_kernel_sum(e.interaction, e.lattice, sum));
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(
            fmt::format("interaction.summed_by_xi_khz = {}: {}", value, error.what()));
    }
}

/// d = -log(Gamma_3 / 2 pi 1 MHz) to the base d_base.
double get_d(const Experiment& e) {
    return -std::log(e.relaxation.gamma3_per_s / kChallengeRatePerS) /
           std::log(e.relaxation.d_base);
}

void set_d(Experiment& e, double value) {
    e.relaxation.gamma3_per_s = std::pow(e.relaxation.d_base, -value) * kChallengeRatePerS;
}

bool has_dwell(const Experiment& e) {
    return e.acquisition.points > 1 && has_one_window(e);
}

double get_dwell(const Experiment& e) {
    const Acquisition& a = e.acquisition;
    return has_dwell(e) ? (a.stop_us - a.start_us) / (a.points - 1) : 0.0;
}

void set_dwell(Experiment& e, double value) {
    e.acquisition.stop_us = e.acquisition.start_us + value * (e.acquisition.points - 1);
}

double HahnEcho::*const kHahnFields[] = {
    &HahnEcho::flip_deg,           &HahnEcho::refocus_ratio, &HahnEcho::flip_phase_deg,
    &HahnEcho::refocus_phase_deg,  &HahnEcho::tau_us,        &HahnEcho::flip_duration_us,
    &HahnEcho::refocus_duration_us};

template <int field>
double get_hahn(const Experiment& e) {
    const auto* echo = std::get_if<HahnEcho>(&e.sequence.program);
    return echo ? echo->*kHahnFields[field] : 0.0;
}

template <int field>
void set_hahn(Experiment& e, double value) {
    auto* echo = std::get_if<HahnEcho>(&e.sequence.program);
    if (!echo) throw std::invalid_argument("sequence: the events are given one by one");
    echo->*kHahnFields[field] = value;
}

double get_refocus(const Experiment& e) {
    const auto* echo = std::get_if<HahnEcho>(&e.sequence.program);
    return echo ? echo->refocus_ratio * echo->flip_deg : 0.0;
}

void set_refocus(Experiment& e, double value) {
    auto* echo = std::get_if<HahnEcho>(&e.sequence.program);
    if (!echo) throw std::invalid_argument("sequence: the events are given one by one");
    const double ratio = value / echo->flip_deg;
    if (!std::isfinite(ratio)) {
        throw std::invalid_argument(
            fmt::format("sequence.refocus_deg must have a flip_deg that is not 0, got {} at a "
                        "flip_deg of {}",
                        value, echo->flip_deg));
    }
    echo->refocus_ratio = ratio;
}

// The getter and setter of a field that every experiment has.
#define FIELD(path)                                       \
    [](const Experiment& e) -> double { return e.path; }, \
        [](Experiment& e, double value) { e.path = value; }

constexpr double kMostKhz = 1e6;
constexpr double kMostUs = 1e9;
constexpr double kMostPerS = 1e12;

// One row, one line: this is a table, and is read as one.
// clang-format off
const Parameter kTable[] = {
    {"kernel", "interaction", "f", "", 0.0, std::variant_size_v<Kernel>, "kernel of the coupling: which f(r); as a number, the index of the choice plus 1/2",
     get_kernel, set_kernel, always, false, true},
    {"alpha_x_khz", "interaction", "alpha_x", "kHz", -kMostKhz, kMostKhz, "coupling strength along x",
     FIELD(interaction.alpha_x_khz), always, false},
    {"alpha_y_khz", "interaction", "alpha_y", "kHz", -kMostKhz, kMostKhz, "coupling strength along y; that along x where unset",
     [](const Experiment& e) { return e.interaction.alpha_y_khz.value_or(e.interaction.alpha_x_khz); },
     [](Experiment& e, double value) { e.interaction.alpha_y_khz = value; }, always, false},
    {"alpha_z_khz", "interaction", "alpha_z", "kHz", -kMostKhz, kMostKhz, "coupling strength along z",
     FIELD(interaction.alpha_z_khz), always, false},
    {"xi", "interaction", "xi", "", 0.0, 1e6, "range of the kernel in lattice units", get_of_kernel<xi_of>, set_xi, finite_range, false},
    {"exponent", "interaction", "p", "", 0.0, 100.0, "exponent of the power law", get_of_kernel<exponent_of>, set_exponent, has_exponent, false},
    {"s_weight", "interaction", "s", "", -100.0, 100.0, "weight of the isotropic part of the angular factor",
     FIELD(interaction.angular.s_weight), finite_range, false},
    {"d_weight", "interaction", "d_w", "", -100.0, 100.0, "weight of cos(2 phi) in the angular factor",
     FIELD(interaction.angular.d_weight), finite_range, false},
    {"half_width_khz", "line", "Gamma", "kHz", 0.0, kMostKhz, "half width of the line at half height",
     FIELD(line.half_width_khz), line_has<&Line::half_width_khz>, false},
    {"gaussian_half_width_khz", "line", "Gamma_G", "kHz", 0.0, kMostKhz, "half width of the line's Gaussian part at half height",
     FIELD(line.gaussian_half_width_khz), line_has<&Line::gaussian_half_width_khz>, false},
    {"centre_khz", "line", "delta_0", "kHz", -kMostKhz, kMostKhz, "shift of the whole line", FIELD(line.centre_khz), always, false},
    {"cutoff_khz", "line", "delta_c", "kHz", 0.0, kMostKhz, "largest offset of the line", FIELD(line.cutoff_khz), always, false},
    {"larmor_mhz", "line", "nu_0", "MHz", 0.0, 1e6, "Larmor frequency", FIELD(line.larmor_mhz), always, false},
    {"gamma1_per_s", "relaxation", "Gamma_1", "1/s", 0.0, kMostPerS, "rate toward +z", FIELD(relaxation.gamma1_per_s), always, false},
    {"gamma2_per_s", "relaxation", "Gamma_2", "1/s", 0.0, kMostPerS, "rate toward -z", FIELD(relaxation.gamma2_per_s), always, false},
    {"gamma3_per_s", "relaxation", "Gamma_3", "1/s", 0.0, kMostPerS, "rate of pure dephasing", FIELD(relaxation.gamma3_per_s), always, false},
    {"stretching", "relaxation", "beta", "", 0.25, 4.0, "exponent of pure dephasing: exp(-(Gamma_3 t / 2)^beta)", FIELD(relaxation.stretching), is_uniform_row, false},
    {"d_base", "relaxation", "b", "", 1.0, 1000.0, "base of the logarithm in d", FIELD(relaxation.d_base), always, false},
    {"start_mx", "start", "m_x(0)", "", -0.5, 0.5, "mean of Ix before the first pulse", FIELD(start.mx), always, false},
    {"start_my", "start", "m_y(0)", "", -0.5, 0.5, "mean of Iy before the first pulse", FIELD(start.my), always, false},
    {"start_mz", "start", "m_z(0)", "", -0.5, 0.5, "mean of Iz before the first pulse", FIELD(start.mz), always, false},
    {"flip_deg", "sequence", "theta", "degree", -3600.0, 3600.0, "flip angle of the first pulse", get_hahn<0>, set_hahn<0>, is_hahn_echo, false},
    {"refocus_ratio", "sequence", "r", "", -100.0, 100.0, "second flip angle over the first", get_hahn<1>, set_hahn<1>, is_hahn_echo, false},
    {"flip_phase_deg", "sequence", "phi_1", "degree", -3600.0, 3600.0, "phase of the first pulse", get_hahn<2>, set_hahn<2>, is_hahn_echo, false},
    {"refocus_phase_deg", "sequence", "phi_2", "degree", -3600.0, 3600.0, "phase of the second pulse", get_hahn<3>, set_hahn<3>, is_hahn_echo, false},
    {"tau_us", "sequence", "tau", "us", 0.0, kMostUs, "time between the pulses' centres", get_hahn<4>, set_hahn<4>, is_hahn_echo, false},
    {"flip_duration_us", "sequence", "t_p1", "us", 0.0, kMostUs, "duration of the first pulse", get_hahn<5>, set_hahn<5>, is_hahn_echo, false},
    {"refocus_duration_us", "sequence", "t_p2", "us", 0.0, kMostUs, "duration of the second pulse", get_hahn<6>, set_hahn<6>, is_hahn_echo, false},
    {"pulse_scale", "sequence", "s_p", "", -100.0, 100.0, "strength of the pulses: every flip angle acts times this", FIELD(sequence.pulse_scale), always, false},
    {"pulse_spread", "sequence", "sigma_p", "", 0.0, 10.0, "standard deviation of the pulses' strength over the spins, as a share of it", FIELD(sequence.pulse_spread), has_no_strengths, false},
    {"start_us", "acquisition", "t_0", "us", -kMostUs, kMostUs, "time of the first sample", FIELD(acquisition.start_us), has_one_window, false},
    {"stop_us", "acquisition", "t_1", "us", -kMostUs, kMostUs, "time of the last sample", FIELD(acquisition.stop_us), has_one_window, false},
    {"noise", "acquisition", "sigma", "", 0.0, 1e3, "standard deviation of the noise on each of Mx and My", FIELD(acquisition.noise), always, false},
    {"receiver_phase_deg", "acquisition", "phi_r", "degree", -3600.0, 3600.0, "phase of the receiver", FIELD(acquisition.receiver_phase_deg), always, false},
    {"gain", "acquisition", "G", "", 0.0, 1e9, "gain of the receiver", FIELD(acquisition.gain), always, false},
    {"dead_time_us", "acquisition", "t_d", "us", 0.0, kMostUs, "time after a pulse in which the receiver reads 0", FIELD(acquisition.dead_time_us), always, false},
    {"tolerance", "accuracy", "epsilon", "", 0.0, 1.0, "largest error of M that is aimed at, over the largest |M|", FIELD(accuracy.tolerance), always, false},
    {"summed_khz", "interaction", "alpha_x |sum f|", "kHz", -kMostKhz, kMostKhz, "summed in-plane coupling: alpha_x times |sum of the kernel|",
     get_summed, set_summed, always, true},
    {"summed_by_xi_khz", "interaction", "alpha_x |sum f(xi)|", "kHz", -kMostKhz, kMostKhz, "the summed coupling again, reached through xi at alpha_x as it is",
     get_summed, set_summed_by_xi, has_range_to_sum, true},
    {"refocus_deg", "sequence", "theta_2", "degree", -3600.0, 3600.0, "flip angle of the second pulse: refocus_ratio = refocus_deg / flip_deg",
     get_refocus, set_refocus, is_hahn_echo, true},
    {"dwell_us", "acquisition", "t_w", "us", 0.0, kMostUs, "time between samples: stop_us = start_us + dwell_us (points - 1)",
     get_dwell, set_dwell, has_dwell, true},
    {"d", "relaxation", "d", "", -10.0, 300.0, "-log of Gamma_3 in units of 2 pi 1 MHz, to the base d_base", get_d, set_d, always, true},
};
// clang-format on

#undef FIELD

std::vector<std::string> parameter_names() {
    std::vector<std::string> names;
    for (const Parameter& row : kTable) names.emplace_back(row.name);
    return names;
}

}  // namespace

double signed_kernel_sum(const Experiment& e) {
    if (is_uniform(e) || e.interaction.normalize) return 1.0;
    return kernel_sum(e.interaction, e.lattice);
}

void shift_row(Experiment& experiment, const Parameter& row, double value) {
    std::vector<std::pair<const Parameter*, double>> kept;
    for (const PriorRange& range : experiment.prior) {
        const Parameter& other = parameter(range.name);
        if (other.derived && other.name != row.name && other.applies(experiment)) {
            kept.emplace_back(&other, other.get(experiment));
        }
    }
    row.set(experiment, value);
    for (const auto& [other, at] : kept) other->set(experiment, at);
}

std::string_view plain_row(std::string_view name) {
    if (name == "summed_khz") return "alpha_x_khz";
    if (name == "summed_by_xi_khz") return "xi";
    if (name == "d") return "gamma3_per_s";
    if (name == "refocus_deg") return "refocus_ratio";
    if (name == "dwell_us") return "stop_us";
    return name;
}

std::span<const Parameter> parameter_table() {
    return kTable;
}

std::vector<const Parameter*> sequence_rows(const Experiment& experiment) {
    std::vector<const Parameter*> rows;
    for (const SequenceName& name : experiment.sequence.names) {
        add_row(name);
        rows.push_back(find_row(name.name));
    }
    return rows;
}

double Parameter::get(const Experiment& experiment) const {
    return getter ? getter(experiment) : name_value(experiment.sequence, name);
}

void Parameter::set(Experiment& experiment, double value) const {
    if (setter) return setter(experiment, value);
    set_name(experiment.sequence, name, value);
    follow_names(experiment);
}

bool Parameter::applies(const Experiment& experiment) const {
    if (condition) return condition(experiment);
    const auto& names = experiment.sequence.names;
    return std::any_of(names.begin(), names.end(),
                       [&](const SequenceName& one) { return one.name == name; });
}

const Parameter& parameter(std::string_view name) {
    for (const Parameter& row : kTable) {
        if (name == row.name) return row;
    }
    if (const Parameter* row = find_row(name)) return *row;
    throw std::invalid_argument(
        fmt::format("unknown parameter {}{}", name, did_you_mean(name, parameter_names())));
}

void set_parameter(Experiment& experiment, std::string_view name, double value) {
    const Parameter& row = parameter(name);
    require_in_bounds(experiment, row, value);
    row.set(experiment, value);
}

void require_in_bounds(const Experiment& experiment, const Parameter& row, double value) {
    if (!row.applies(experiment)) {
        const std::string_view table = row.table;
        const std::string what =
            table == "sequence"
                ? row.getter ? "a sequence given by its events" : "a sequence without this name"
            : table == "acquisition"
                ? has_one_window(experiment) ? "a single point" : "windows of the sequence's text"
                : fmt::format("the {} kernel", kernel_name(experiment.interaction.kernel));
        throw std::invalid_argument(
            fmt::format("{}.{} does not apply to {}", row.table, row.name, what));
    }
    if (!(value >= row.lower && value <= row.upper)) {
        throw std::invalid_argument(fmt::format("{}.{} must be in [{:g}, {:g}], got {}", row.table,
                                                row.name, row.lower, row.upper, value));
    }
}

bool is_receiver_parameter(std::string_view name) {
    return name == "gain" || name == "receiver_phase_deg";
}

}  // namespace nmrsim
