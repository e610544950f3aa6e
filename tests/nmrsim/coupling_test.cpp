#include "nmrsim/coupling.h"

#include <cmath>
#include <numeric>

#include "catch_compat.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

Interaction with_kernel(const Kernel& kernel) {
    Interaction interaction;
    interaction.kernel = kernel;
    return interaction;
}

Lattice lattice_of(int nx, int ny) {
    Lattice lattice;
    lattice.nx = nx;
    lattice.ny = ny;
    return lattice;
}

double total(const std::vector<double>& table) {
    return std::accumulate(table.begin(), table.end(), 0.0);
}

TEST_CASE("kernels have their published values") {
    CHECK(kernel_value(with_kernel(GaussianKernel{5.0}), 3.0, 4.0) == Approx(std::exp(-1.0)));
    CHECK(kernel_value(with_kernel(PowerLawKernel{2.0, 3.0}), 0.0, 4.0) == Approx(0.125));
    // x = 2 r / xi = 2: (2 cos 2 - sin 2) / 16
    CHECK(kernel_value(with_kernel(RkkyKernel{5.0}), -3.0, 4.0) ==
          Approx((2.0 * std::cos(2.0) - std::sin(2.0)) / 16.0));
    CHECK(kernel_value(with_kernel(UniformKernel{}), 1.0, 0.0) == 1.0);
}

TEST_CASE("one kernel in place of another keeps the range where both have one") {
    CHECK(kernel_names() == std::vector<std::string>{"uniform", "gaussian", "power-law", "rkky"});
    const Kernel power{PowerLawKernel{2.5, 3.5}};
    CHECK(std::get<PowerLawKernel>(other_kernel(power, "power-law")).exponent == 3.5);
    CHECK(std::get<GaussianKernel>(other_kernel(power, "gaussian")).xi == 2.5);
    CHECK(std::get<RkkyKernel>(other_kernel(power, "rkky")).xi == 2.5);
    const Kernel back = other_kernel(RkkyKernel{7.0}, "power-law");
    CHECK(std::get<PowerLawKernel>(back).xi == 7.0);
    CHECK(std::get<PowerLawKernel>(back).exponent == PowerLawKernel{}.exponent);
    CHECK(std::get<GaussianKernel>(other_kernel(UniformKernel{}, "gaussian")).xi ==
          GaussianKernel{}.xi);
    CHECK(kernel_name(other_kernel(power, "uniform")) == "uniform");
    CHECK_THROWS_WITH(other_kernel(power, "gausian"),
                      ContainsSubstring("unknown kernel \"gausian\"; did you mean gaussian?"));
}

TEST_CASE("no spin couples to itself through a finite-range kernel") {
    for (const Kernel& kernel :
         {Kernel(GaussianKernel{5.0}), Kernel(PowerLawKernel{}), Kernel(RkkyKernel{5.0})}) {
        CHECK(kernel_value(with_kernel(kernel), 0.0, 0.0) == 0.0);
    }
}

TEST_CASE("the rkky kernel keeps its digits where x cos x - sin x cancels") {
    // Long double loses 1e-19 / x^2 of x cos x - sin x: 1e-13 at x = 1e-3.
    for (const double x : {1e-3, 0.02, 0.0999, 0.1001, 0.5}) {
        const long double y = x;
        const long double exact = (y * std::cos(y) - std::sin(y)) / (y * y * y * y);
        // Above 0.1 the plain formula in double loses 2e-16 / (x^2 / 3) = 6e-14.
        CHECK(kernel_value(with_kernel(RkkyKernel{2.0}), x, 0.0) ==
              Approx(static_cast<double>(exact)).epsilon(2e-13));
    }
}

TEST_CASE("the angular factor is s + d cos(2 phi)") {
    Interaction interaction = with_kernel(GaussianKernel{5.0});
    interaction.angular = {0.5, 2.0};
    const double radial = std::exp(-0.5);
    const double phi = std::atan2(2.5, -2.5);
    CHECK(kernel_value(interaction, -2.5, 2.5) ==
          Approx(radial * (0.5 + 2.0 * std::cos(2.0 * phi))));
}

TEST_CASE("the table holds the minimum image of every displacement") {
    Interaction interaction = with_kernel(GaussianKernel{3.0});
    interaction.angular = {1.0, 0.7};
    const Lattice lattice = lattice_of(7, 6);
    const std::vector<double> table = kernel_table(interaction, lattice);
    REQUIRE(table.size() == 42);
    for (int x = 0; x < 7; ++x) {
        for (int y = 0; y < 6; ++y) {
            const int dx = x <= 3 ? x : x - 7;
            const int dy = y <= 3 ? y : y - 6;
            CHECK(table[static_cast<std::size_t>(x * 6 + y)] ==
                  Approx(kernel_value(interaction, dx, dy)).margin(1e-300));
        }
    }
}

TEST_CASE("normalising makes the table's sum one") {
    for (const Kernel& kernel :
         {Kernel(GaussianKernel{5.0}), Kernel(PowerLawKernel{2.0, 3.0}), Kernel(RkkyKernel{5.0})}) {
        Interaction interaction = with_kernel(kernel);
        interaction.normalize = true;
        // 900 terms of one sign, each right to 1e-16; rkky cancels by less than 10.
        CHECK(total(kernel_table(interaction, lattice_of(30, 30))) == Approx(1.0).epsilon(1e-12));
    }
}

TEST_CASE("a normalised power law does not know xi, however small") {
    Interaction a = with_kernel(PowerLawKernel{1.0, 3.3});
    Interaction b = with_kernel(PowerLawKernel{1e-120, 3.3});
    a.normalize = b.normalize = true;
    CHECK(kernel_table(a, lattice_of(10, 9)) == kernel_table(b, lattice_of(10, 9)));
}

TEST_CASE("a normalised gaussian of vanishing range couples the nearest neighbours only") {
    Interaction interaction = with_kernel(GaussianKernel{1e-3});
    interaction.normalize = true;
    const std::vector<double> table = kernel_table(interaction, lattice_of(5, 4));
    CHECK(table[1] == 0.25);
    CHECK(table[3] == 0.25);
    CHECK(table[4] == 0.25);
    CHECK(table[16] == 0.25);
    CHECK(total(table) == 1.0);
}

TEST_CASE("the kernel sum of a gaussian is pi xi^2 - 1") {
    // Poisson: the sum over all sites of exp(-(r/xi)^2) is pi xi^2 (1 + 4 exp(-pi^2 xi^2) + ...);
    // the cut at half of 100 sites leaves out exp(-100).
    CHECK(kernel_sum(with_kernel(GaussianKernel{5.0}), lattice_of(100, 100)) ==
          Approx(25.0 * kPi - 1.0).epsilon(1e-13));
}

TEST_CASE("the counter-rotating half-difference of the in-plane couplings drops out") {
    Interaction interaction;
    interaction.alpha_x_khz = 40.0;
    CHECK(interaction.alpha_plane_khz() == 40.0);
    interaction.alpha_y_khz = 10.0;
    CHECK(interaction.alpha_plane_khz() == 25.0);
}

TEST_CASE("values out of range are refused with name and value") {
    CHECK_THROWS_WITH(with_kernel(GaussianKernel{0.0}).validate(),
                      "interaction.xi must be > 0, got 0");
    CHECK_THROWS_WITH(with_kernel(RkkyKernel{-2.0}).validate(),
                      "interaction.xi must be > 0, got -2");
    CHECK_THROWS_WITH(with_kernel(PowerLawKernel{1.0, -3.0}).validate(),
                      "interaction.exponent must be >= 0, got -3");
    Interaction interaction;
    interaction.alpha_z_khz = std::nan("");
    CHECK_THROWS_AS(interaction.validate(), std::invalid_argument);
    CHECK_THROWS_WITH(lattice_of(0, 5).validate(), "lattice.nx must be >= 1, got 0");
    CHECK_THROWS_WITH(lattice_of(5, -1).validate(), "lattice.ny must be >= 1, got -1");
    CHECK_THROWS_AS(lattice_of(100000, 100000).validate(), std::invalid_argument);
    CHECK_NOTHROW(with_kernel(UniformKernel{}).validate());
}

}  // namespace
}  // namespace nmrsim
