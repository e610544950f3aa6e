// Uncoupled spins, relaxation and finite pulses against closed forms, integrated over the line by a
// quadrature of this file's own.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <complex>
#include <functional>
#include <string>
#include <vector>

#include "experiments.h"
#include "general/ensemble_simulator.h"
#include "lattice/lattice_simulator.h"
#include "nmrsim/simulate.h"
#include "sections.h"

namespace validation {
namespace {

using namespace nmrsim;
using Complex = std::complex<double>;

constexpr double kCircle = 3.14159265358979323846;
constexpr Complex kI{0.0, 1.0};

/// Asked of the simulators; |M| <= 1/2.
constexpr double kAsked = 1e-10;

/// Romberg's integration, five rows from 512 to 8192 intervals: exact to rounding for what is
/// smooth over tens of them.
Complex integral(double low, double high, const std::function<Complex(double)>& f) {
    constexpr int kRows = 5;
    std::array<Complex, kRows> row;
    int intervals = 512;
    double h = (high - low) / intervals;
    Complex sum = 0.5 * (f(low) + f(high));
    for (int k = 1; k < intervals; ++k) sum += f(low + k * h);
    row[0] = h * sum;
    for (std::size_t r = 1; r < kRows; ++r) {
        Complex between = 0.0;
        for (int k = 0; k < intervals; ++k) between += f(low + (k + 0.5) * h);
        intervals *= 2;
        const Complex refined = 0.5 * (row[0] + h * between);
        h *= 0.5;
        Complex older = row[0];
        row[0] = refined;
        double power = 1.0;
        for (std::size_t c = 1; c <= r; ++c) {
            power *= 4.0;
            const Complex next = (power * row[c - 1] - older) / (power - 1.0);
            older = row[c];
            row[c] = next;
        }
    }
    return row[kRows - 1];
}

double lorentzian(double khz, double half_width) {
    return half_width / kCircle / (khz * khz + half_width * half_width);
}

double gaussian(double khz, double half_width) {
    return std::sqrt(std::log(2.0) / kCircle) / half_width *
           std::exp(-std::log(2.0) * khz * khz / (half_width * half_width));
}

/// The line's density at offsets from its centre [1/kHz], as the formulas have it.
double density(const Line& line, double khz) {
    switch (line.shape) {
        case LineShape::lorentzian:
            return lorentzian(khz, line.half_width_khz);
        case LineShape::gaussian:
            return gaussian(khz, line.half_width_khz);
        case LineShape::voigt: {
            // The convolution by the trapezoidal rule, whose error falls as exp(-2 pi width / h).
            const double reach = 8.0 * line.gaussian_half_width_khz;
            const double h = 0.125 * std::min(line.half_width_khz, line.gaussian_half_width_khz);
            double sum = 0.0;
            for (double u = -reach; u <= reach; u += h) {
                sum += h * gaussian(u, line.gaussian_half_width_khz) *
                       lorentzian(khz - u, line.half_width_khz);
            }
            return sum;
        }
        case LineShape::table:
            break;
    }
    for (std::size_t i = 1; i < line.table.size(); ++i) {
        const LinePoint& a = line.table[i - 1];
        const LinePoint& b = line.table[i];
        if (khz < a.offset_khz || khz > b.offset_khz) continue;
        return a.weight +
               (b.weight - a.weight) * (khz - a.offset_khz) / (b.offset_khz - a.offset_khz);
    }
    return 0.0;
}

/// Mean over the cut line of f(offset in kHz).
Complex line_mean(const Line& line, const std::function<Complex(double)>& f) {
    std::vector<double> edges{-line.cutoff_khz};
    if (line.shape == LineShape::table) {
        edges.clear();
        for (const LinePoint& point : line.table) edges.push_back(point.offset_khz);
    } else {
        edges.push_back(line.cutoff_khz);
    }
    Complex sum = 0.0, weight = 0.0;
    for (std::size_t p = 1; p < edges.size(); ++p) {
        sum += integral(edges[p - 1], edges[p],
                        [&](double khz) { return density(line, khz) * f(khz + line.centre_khz); });
        weight += integral(edges[p - 1], edges[p],
                           [&](double khz) -> Complex { return density(line, khz); });
    }
    return line.renormalize ? sum / weight : sum;
}

/// Mean of exp(-2 pi i delta t) over the spins: the line, or a lattice's offsets.
Complex characteristic(const Experiment& e, double time_us) {
    const auto turn = [&](double khz) {
        return std::polar(1.0, -2.0 * kCircle * 1e-3 * khz * time_us);
    };
    if (is_uniform(e)) return line_mean(e.line, turn);
    Complex sum = 0.0;
    const std::vector<double> offsets = draw_offsets_hz(e);
    for (const double hz : offsets) sum += turn(1e-3 * hz);
    return sum / static_cast<double>(offsets.size());
}

using Simulator = std::function<Signal(const Experiment&)>;

/// Free decay and Hahn echo, any angles and phases.
double echo_error(Experiment e, const Simulator& run) {
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    const Signal signal = run(e);
    const HahnEcho echo = echo_of(e);
    const double degree = kCircle / 180.0;
    const double theta = echo.flip_deg * degree, beta = echo.refocus_ratio * theta;
    const Complex first = std::polar(1.0, echo.flip_phase_deg * degree);
    const Complex second = std::polar(1.0, echo.refocus_phase_deg * degree);
    const Complex start = 0.5 * kI * std::sin(theta) * first;
    std::vector<double> error(signal.points());
#pragma omp parallel for schedule(dynamic)
    for (std::size_t i = 0; i < signal.points(); ++i) {
        const double t = signal.time_us[i], tau = echo.tau_us;
        Complex expected = start * characteristic(e, t);
        if (t >= tau) {
            // A pulse beta along phase phi takes m+ to cos^2 m+ + sin^2 e^{2 i phi} conj(m+)
            // + i sin(beta) e^{i phi} mz, squares of beta / 2.
            expected =
                expected * std::pow(std::cos(0.5 * beta), 2) +
                std::pow(std::sin(0.5 * beta), 2) * second * second * std::conj(start) *
                    characteristic(e, t - 2.0 * tau) +
                0.5 * kI * std::cos(theta) * std::sin(beta) * second * characteristic(e, t - tau);
        }
        error[i] = std::abs(transverse(signal, i) - expected);
    }
    return *std::max_element(error.begin(), error.end());
}

/// A free decay with T1, T2 and a coupling along z: M+ and Mz.
double relaxation_error(Experiment e, const Simulator& run, double alpha_z_khz) {
    e.interaction.alpha_x_khz = 0.0;
    e.interaction.alpha_z_khz = alpha_z_khz;
    // A constant field along z needs a constant Mz.
    if (alpha_z_khz == 0.0) {
        e.relaxation = {5e4, 1e4, 8e4, 10.0};
    }
    const double flip = 60.0 * kCircle / 180.0;
    e.sequence.program = std::vector<Event>{Pulse{60.0, 0.0}};
    const double rate1 = 1e-6 * (e.relaxation.gamma1_per_s + e.relaxation.gamma2_per_s);
    const double rate2 = 0.5 * rate1 + 0.5e-6 * e.relaxation.gamma3_per_s;
    const double rest = 1.0 / 3.0;  // (5 - 1) / (5 + 1) / 2
    const Signal signal = run(e);
    double worst = 0.0;
    for (std::size_t i = 0; i < signal.points(); ++i) {
        const double t = signal.time_us[i], start = 0.5 * std::cos(flip);
        const double mz = rest + (start - rest) * std::exp(-rate1 * t);
        const Complex plus = 0.5 * kI * std::sin(flip) * std::exp(-rate2 * t) *
                             characteristic(e, t) *
                             std::polar(1.0, -2.0 * kCircle * 1e-3 * alpha_z_khz * start * t);
        worst =
            std::max({worst, std::abs(transverse(signal, i) - plus), std::abs(signal.mz[i] - mz)});
    }
    return worst;
}

/// A finite pulse turns each spin about its effective field; a free decay follows.
double finite_pulse_error(Experiment e, const Simulator& run) {
    const double duration = 4.0, flip = 120.0 * kCircle / 180.0, phase = 40.0 * kCircle / 180.0;
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    e.sequence.program = std::vector<Event>{Pulse{120.0, 40.0, duration}};
    e.acquisition.start_us = duration;
    const Signal signal = run(e);
    double worst = 0.0;
    for (std::size_t i = 0; i < signal.points(); ++i) {
        const Complex expected = line_mean(e.line, [&](double khz) {
            const double delta = 2.0 * kCircle * 1e-3 * khz, rate = flip / duration;
            const double b = std::hypot(rate, delta), angle = b * duration;
            const double nx = rate * std::cos(phase) / b, ny = rate * std::sin(phase) / b;
            // (0, 0, 1/2) turned by -angle about (nx, ny, delta / b).
            const double along = 0.5 * delta / b * (1.0 - std::cos(angle));
            const Complex m(along * nx - 0.5 * ny * std::sin(angle),
                            along * ny + 0.5 * nx * std::sin(angle));
            return m * std::polar(1.0, -delta * (signal.time_us[i] - duration));
        });
        worst = std::max(worst, std::abs(transverse(signal, i) - expected));
    }
    return worst;
}

Experiment with_line(LineShape shape) {
    Experiment e = uniform_echo();
    e.accuracy.tolerance = kAsked;
    e.line.shape = shape;
    e.line.half_width_khz = 20.0;
    e.line.gaussian_half_width_khz = 15.0;
    // Lopsided, with kinks and a gap, from -80 to 120 kHz.
    e.line.table = {{-80.0, 0.0}, {-35.0, 2.0}, {-10.0, 0.0}, {15.0, 0.0},
                    {40.0, 3.0},  {55.0, 1.0},  {120.0, 0.0}};
    return e;
}

}  // namespace

void validate_closed_forms(Report& report) {
    report.section(
        "Closed forms",
        "Largest absolute error of M+ (and Mz where it says so) over the window; |M| <= 1/2. The\n"
        "reference integrates each closed form over the line's formula by Romberg's rule, or sums "
        "it\n"
        "over the lattice's offsets; 1e-10 is the tolerance asked for.");
    report.table({"what", "simulator", "error", "tolerance"});
    const Simulator own = [](const Experiment& e) { return simulate(e); };
    const Simulator general = simulate_ensemble;
    struct NamedLine {
        std::string name;
        LineShape shape;
    };
    const std::string echo = "no coupling, free decay and Hahn echo 55/110 degrees: ";
    for (const auto& [name, shape] :
         {NamedLine{"Lorentzian", LineShape::lorentzian},
          NamedLine{"Gaussian", LineShape::gaussian}, NamedLine{"Voigt", LineShape::voigt},
          NamedLine{"lopsided table", LineShape::table}}) {
        const Experiment e = with_line(shape);
        const bool has_own = shape == LineShape::lorentzian || shape == LineShape::gaussian;
        if (has_own) report.at_most({echo + name, "uniform kernel"}, echo_error(e, own), kAsked);
        report.at_most({has_own ? "" : echo + name, "general"}, echo_error(e, general), kAsked);
    }
    Experiment cut = with_line(LineShape::lorentzian);
    cut.line.renormalize = false;
    cut.line.centre_khz = 0.0;
    report.at_most({echo + "Lorentzian of weight 0.95", "uniform kernel"}, echo_error(cut, own),
                   kAsked);
    cut.line.centre_khz = 30.0;
    report.at_most({"the same, shifted by 30 kHz", "general"}, echo_error(cut, general), kAsked);
    Experiment lattice = lattice_echo();
    lattice.accuracy.tolerance = kAsked;
    report.at_most({echo + "offsets of a 12 x 12 lattice", "lattice"}, echo_error(lattice, own),
                   kAsked);
    report.at_most({"", "general"}, echo_error(lattice, general), kAsked);

    const Experiment uniform = with_line(LineShape::lorentzian);
    for (const double alpha_z_khz : {0.0, 90.0}) {
        const std::string what = alpha_z_khz == 0.0
                                     ? "T1 16.7 us, T2 14.3 us, equilibrium 1/3: M+ and Mz"
                                     : "coupling along z alone, 90 kHz: M+ and Mz";
        report.at_most({what, "uniform kernel"}, relaxation_error(uniform, own, alpha_z_khz),
                       kAsked);
        report.at_most({"", "lattice"}, relaxation_error(lattice, own, alpha_z_khz), kAsked);
        report.at_most({"", "general, uniform kernel"},
                       relaxation_error(uniform, general, alpha_z_khz), kAsked);
        report.at_most({"", "general, lattice"}, relaxation_error(lattice, general, alpha_z_khz),
                       kAsked);
    }
    report.at_most({"finite pulse, 120 degrees in 4 us: turn about the effective field", "general"},
                   finite_pulse_error(uniform, general), kAsked);
}

}  // namespace validation
