// Error against step for the uniform kernel: the table that fixed SplittingScheme::error_constant
// and the order of the interpolation. Not a timing; each row is one strength and one step.
//
// Expectation: the 99% column falls as step^4 (Blanes-Moan S6) until the interpolation's or float's
// floor, and lies below constant * (kappa h)^4 * (kappa / line width)^1.5.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "splitting_scheme.h"

using namespace nmrsim;

int main() {
    Experiment e = load_experiment("challenge-2021");
    const double spacing_us =
        (e.acquisition.stop_us - e.acquisition.start_us) / (e.acquisition.points - 1);
    constexpr std::size_t kDraws = 200;
    fmt::print("{:>10} {:>12} {:>10} {:>10} {:>10} {:>10}\n", "alpha_x", "step/sample", "median",
               "90%", "99%", "rule");
    for (double alpha_khz : {20.0, 40.0, 80.0, 150.0}) {
        for (double step : {2.0, 3.0, 4.0, 6.0, 8.0}) {
            std::vector<double> error(kDraws);
#pragma omp parallel for schedule(dynamic)
            for (std::size_t i = 0; i < kDraws; ++i) {
                Experiment one = with_parameters(e, draw_parameters(e.prior, 3, i));
                one.interaction.alpha_x_khz = alpha_khz * (0.9 + 0.1 * i / kDraws);
                Experiment exact = one;
                exact.accuracy.tolerance = 1e-8;
                one.accuracy.nodes = 256;
                one.accuracy.precision = Precision::double_;
                one.accuracy.steps_per_point = 1.0 / step;
                error[i] = largest_difference(simulate(one), simulate(exact));
            }
            std::sort(error.begin(), error.end());
            const double kappa = kTwoPi * alpha_khz * kHzPerKhz * kSpinLength * line_weight(e.line);
            const double rule = blanes_moan_4().error_constant *
                                std::pow(kappa * step * spacing_us * kSecondsPerUs, 4) *
                                std::pow(kappa / (kTwoPi * e.line.half_width_khz * kHzPerKhz), 1.5);
            fmt::print("{:>10} {:>12} {:>10.1e} {:>10.1e} {:>10.1e} {:>10.1e}\n", alpha_khz, step,
                       error[kDraws / 2], error[kDraws * 9 / 10], error[kDraws * 99 / 100], rule);
        }
    }
    return 0;
}
