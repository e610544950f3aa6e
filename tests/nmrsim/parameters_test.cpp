#include "nmrsim/parameters.h"

#include <cmath>
#include <set>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/experiment.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

Experiment with_kernel(const Kernel& kernel) {
    Experiment experiment;
    experiment.interaction.kernel = kernel;
    experiment.interaction.alpha_x_khz = 3.0;
    experiment.lattice.nx = 24;
    experiment.lattice.ny = 20;
    return experiment;
}

/// Sum of the kernel over all displacements, from kernel_value alone.
double direct_sum(const Experiment& experiment) {
    const int nx = experiment.lattice.nx, ny = experiment.lattice.ny;
    double sum = 0.0;
    for (int x = 0; x < nx; ++x) {
        for (int y = 0; y < ny; ++y) {
            const int dx = x <= nx / 2 ? x : x - nx, dy = y <= ny / 2 ? y : y - ny;
            sum += kernel_value(experiment.interaction, dx, dy);
        }
    }
    return sum;
}

}  // namespace

TEST_CASE("summed_khz is alpha_x times |sum of the kernel|") {
    // 480 terms of one sign, or nearly: rounding stays below 480 * 1.1e-16 of the sum.
    const double rounding = 1e-12;
    for (const Kernel& kernel :
         {Kernel{GaussianKernel{4.0}}, Kernel{PowerLawKernel{2.0, 3.0}}, Kernel{RkkyKernel{9.0}}}) {
        Experiment experiment = with_kernel(kernel);
        const double sum = direct_sum(experiment);
        CHECK(parameter("summed_khz").get(experiment) ==
              Approx(3.0 * std::abs(sum)).epsilon(rounding));
        set_parameter(experiment, "summed_khz", 80.0);
        CHECK(experiment.interaction.alpha_x_khz * std::abs(sum) == Approx(80.0).epsilon(rounding));
        // A normalised kernel sums to 1.
        experiment.interaction.normalize = true;
        set_parameter(experiment, "summed_khz", 80.0);
        CHECK(experiment.interaction.alpha_x_khz == 80.0);
    }
    CHECK(direct_sum(with_kernel(RkkyKernel{9.0})) < 0.0);
}

TEST_CASE("summed_khz of the uniform kernel is alpha_x") {
    Experiment experiment;
    set_parameter(experiment, "summed_khz", 12.0);
    CHECK(experiment.interaction.alpha_x_khz == 12.0);
    CHECK(parameter("summed_khz").get(experiment) == 12.0);
}

TEST_CASE("summed_khz of a kernel that sums to nothing is an error") {
    Experiment experiment = with_kernel(GaussianKernel{4.0});
    experiment.interaction.angular = {0.0, 0.0};
    CHECK_THROWS_WITH(set_parameter(experiment, "summed_khz", 10.0),
                      ContainsSubstring("summed_khz must have a kernel whose sum is not 0"));
    CHECK(experiment.interaction.alpha_x_khz == 3.0);
}

TEST_CASE("summed_by_xi_khz finds the xi of a summed coupling and leaves alpha_x") {
    for (const Kernel& kernel :
         {Kernel{GaussianKernel{4.0}}, Kernel{PowerLawKernel{2.0, 3.0}}, Kernel{RkkyKernel{9.0}}}) {
        Experiment experiment = with_kernel(kernel);
        // Sums of 0.1 to 300 of 480 sites: xi from below a lattice unit to the lattice's size.
        for (const double summed_khz : {0.3, 12.0, 90.0, 900.0}) {
            INFO(kernel_name(kernel) << " " << summed_khz);
            set_parameter(experiment, "summed_by_xi_khz", summed_khz);
            CHECK(experiment.interaction.alpha_x_khz == 3.0);
            // The sum is steeper than xi^-60 nowhere here, so that rounding of xi is 60 1.1e-16.
            CHECK(3.0 * std::abs(direct_sum(experiment)) == Approx(summed_khz).epsilon(1e-12));
            CHECK(parameter("summed_by_xi_khz").get(experiment) ==
                  parameter("summed_khz").get(experiment));
        }
        // It does not depend on the xi that was there.
        Experiment other = experiment;
        set_parameter(other, "xi", 17.0);
        set_parameter(other, "summed_by_xi_khz", 12.0);
        set_parameter(experiment, "summed_by_xi_khz", 12.0);
        CHECK(parameter("xi").get(other) == parameter("xi").get(experiment));
    }
}

TEST_CASE("summed_by_xi_khz says what cannot be reached") {
    Experiment experiment = with_kernel(GaussianKernel{4.0});
    // 480 sites: a gaussian sums to less than 479, so 3 kHz reach 1437 at most.
    CHECK_THROWS_WITH(set_parameter(experiment, "summed_by_xi_khz", 1440.0),
                      ContainsSubstring("summed_by_xi_khz = 1440") && ContainsSubstring("no xi"));
    CHECK_THROWS_WITH(set_parameter(experiment, "summed_by_xi_khz", -1.0),
                      ContainsSubstring("needs the sign of alpha_x_khz"));
    experiment.interaction.alpha_x_khz = 0.0;
    CHECK_THROWS_WITH(set_parameter(experiment, "summed_by_xi_khz", 1.0),
                      ContainsSubstring("needs the sign of alpha_x_khz"));
    experiment.interaction.normalize = true;
    CHECK_THROWS_WITH(set_parameter(experiment, "summed_by_xi_khz", 1.0),
                      ContainsSubstring("does not apply"));
    CHECK(std::get<GaussianKernel>(experiment.interaction.kernel).xi == 4.0);
}

TEST_CASE("d is -log Gamma_3 in units of 2 pi 1 MHz") {
    Experiment experiment;
    experiment.relaxation.d_base = 10.0;
    set_parameter(experiment, "d", 3.0);
    CHECK(experiment.relaxation.gamma3_per_s == Approx(2.0 * kPi * 1e3).epsilon(1e-14));
    experiment.relaxation.d_base = std::exp(1.0);
    CHECK(parameter("d").get(experiment) == Approx(3.0 * std::log(10.0)).epsilon(1e-14));
}

TEST_CASE("every row reads back what it sets, and only where it applies") {
    Experiment hahn_power = with_kernel(PowerLawKernel{});
    Experiment events = with_kernel(UniformKernel{});
    events.sequence.program = std::vector<Event>{Pulse{}};
    for (const Experiment& base : {hahn_power, events, Experiment{}}) {
        for (const Parameter& row : parameter_table()) {
            INFO(row.name);
            if (row.categorical) continue;  // see the next
            Experiment experiment = base;
            const double value = 0.625 * std::min(row.upper, 2.0);
            if (row.applies(base)) {
                set_parameter(experiment, row.name, value);
                // Derived rows go through a logarithm or a division and back.
                CHECK(row.get(experiment) == Approx(value).epsilon(row.derived ? 1e-13 : 0.0));
            } else {
                CHECK_THROWS_WITH(set_parameter(experiment, row.name, value),
                                  ContainsSubstring("does not apply"));
                CHECK_NOTHROW(row.get(experiment));
            }
        }
    }
}

TEST_CASE("the kernel's row counts among all kernels, or the choices of the prior") {
    Experiment experiment = with_kernel(GaussianKernel{4.0});
    CHECK(parameter("kernel").upper == static_cast<double>(kernel_names().size()));
    for (std::size_t i = 0; i < kernel_names().size(); ++i) {
        set_parameter(experiment, "kernel", choice_value(i));
        CHECK(kernel_name(experiment.interaction.kernel) == kernel_names()[i]);
        CHECK(parameter("kernel").get(experiment) == choice_value(i));
    }
    experiment.prior = {categorical_unknown("kernel", {"rkky", "gaussian"})};
    CHECK(parameter("kernel").get(experiment) == 0.5);  // rkky, the last one set
    set_parameter(experiment, "kernel", 1.5);
    CHECK(kernel_name(experiment.interaction.kernel) == "gaussian");
    experiment.interaction.kernel = PowerLawKernel{};
    CHECK(std::isnan(parameter("kernel").get(experiment)));
    CHECK_THROWS_WITH(set_parameter(experiment, "kernel", 2.5),
                      ContainsSubstring("interaction.kernel must be in [0, 2], got 2.5"));
    CHECK_THROWS_WITH(set_parameter(experiment, "kernel", -0.5), ContainsSubstring("must be in"));
}

TEST_CASE("the table is well formed") {
    std::set<std::string> names;
    bool derived = false;
    for (const Parameter& row : parameter_table()) {
        INFO(row.name);
        CHECK(names.insert(row.name).second);
        CHECK(row.lower < row.upper);
        CHECK(std::string(row.help) != "");
        CHECK(&parameter(row.name) == &row);
        CHECK((row.derived || !derived));  // plain rows first
        derived = row.derived;
    }
    CHECK(derived);
}

TEST_CASE("alpha_y follows alpha_x until it is set") {
    Experiment experiment;
    set_parameter(experiment, "alpha_x_khz", 5.0);
    CHECK(parameter("alpha_y_khz").get(experiment) == 5.0);
    set_parameter(experiment, "alpha_y_khz", 2.0);
    set_parameter(experiment, "alpha_x_khz", 6.0);
    CHECK(parameter("alpha_y_khz").get(experiment) == 2.0);
}

TEST_CASE("values out of bounds and unknown names are named") {
    Experiment experiment = with_kernel(GaussianKernel{4.0});
    CHECK_THROWS_WITH(set_parameter(experiment, "xi", -1.0),
                      ContainsSubstring("interaction.xi must be in [0, 1e+06], got -1"));
    CHECK_THROWS_AS(set_parameter(experiment, "xi", std::nan("")), std::invalid_argument);
    CHECK(std::get<GaussianKernel>(experiment.interaction.kernel).xi == 4.0);
    CHECK_THROWS_WITH(parameter("alfa_x_khz"), ContainsSubstring("did you mean alpha_x_khz?"));
    CHECK_THROWS_WITH(parameter("completely_else"), !ContainsSubstring("did you mean"));
}

TEST_CASE("the nearest name is the one with the fewest edits") {
    const std::vector<std::string> names = {"kernel", "normalize", "xi"};
    CHECK(nearest_name("kernal", names) == "kernel");
    CHECK(nearest_name("kenrel", names) == "kernel");  // swapped neighbours
    CHECK(nearest_name("normalise", names) == "normalize");
    CHECK(nearest_name("temperature", names) == "");
    CHECK(nearest_name("", names) == "xi");  // two letters away
    CHECK(did_you_mean("kernal", names) == "; did you mean kernel?");
    CHECK(did_you_mean("temperature", names) == "");
    CHECK(did_you_mean("xi", names) == "");  // it is known, and something else is wrong
}
