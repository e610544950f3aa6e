// Orders of the Magnus expansion against stepping the laboratory frame's own time dependence.

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "experiments.h"
#include "nmrsim/simulate.h"
#include "sections.h"

namespace validation {

using namespace nmrsim;

void validate_magnus(Report& report) {
    report.section(
        "Magnus orders",
        "The counter-rotating coupling averaged to order 1, 2 and 3 against `Frame::laboratory`,\n"
        "which steps through it: uniform kernel, alpha_x 120, alpha_y 30, alpha_z 150 kHz, tau 4 "
        "us,\n"
        "window 12 us; largest error of M+ over its largest value. Order n leaves a remainder "
        "that\n"
        "falls as nu_0^-n; the observed power is that between two neighbouring rows.");
    report.table({"nu_0 [MHz]", "Magnus order", "error", "power", "expected"});
    Experiment e = uniform_echo();
    e.interaction.alpha_x_khz = 120.0;
    e.interaction.alpha_y_khz = 30.0;
    echo_of(e).tau_us = 4.0;
    e.acquisition.stop_us = 12.0;
    e.acquisition.points = 13;
    e.accuracy.nodes = 48;  // the same for all; whether they are enough does not matter here
    e.accuracy.tolerance = 1e-11;
    constexpr std::array<double, 4> kLarmor{1.0, 2.0, 4.0, 10.0};
    std::array<Signal, 4> exact;
#pragma omp parallel for schedule(dynamic)
    for (std::size_t k = 0; k < kLarmor.size(); ++k) {
        Experiment stepped = e;
        stepped.line.larmor_mhz = kLarmor[kLarmor.size() - 1 - k];  // the longest first
        stepped.accuracy.frame = Frame::laboratory;
        exact[kLarmor.size() - 1 - k] = simulate(stepped);
    }
    for (int order = 1; order <= 3; ++order) {
        double before = 0.0;
        for (std::size_t k = 0; k < kLarmor.size(); ++k) {
            Experiment averaged = e;
            averaged.line.larmor_mhz = kLarmor[k];
            averaged.accuracy.magnus_order = order;
            // The first order alone goes to the uniform kernel's own simulator.
            const double error =
                largest_difference(simulate(averaged), exact[k]) / peak_magnitude(exact[k]);
            const std::vector<std::string> cells{fmt::format("{:g}", kLarmor[k]),
                                                 fmt::format("{}", order), scientific(error)};
            if (k == 0) {
                report.row({cells[0], cells[1], cells[2], "", ""});
            } else {
                const double power =
                    std::log(before / error) / std::log(kLarmor[k] / kLarmor[k - 1]);
                // The next order's share at 1 MHz.
                report.between(cells, power, order - 0.3, order + 0.3);
            }
            before = error;
        }
    }
}

}  // namespace validation
