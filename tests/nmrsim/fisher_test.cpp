#include "nmrsim/fisher.h"

#include <cmath>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"

using namespace nmrsim;

TEST_CASE("The bound of a straight line is the textbook's") {
    // y = a + b t at t = 0 ... n - 1 with noise sigma: var b = 12 sigma^2 / (n (n^2 - 1)), var a =
    // 2 (2 n - 1) sigma^2 / (n (n + 1)).
    SignalJacobian j;
    j.parameters = {"a", "b"};
    const int n = 10;
    j.dmx.resize(2);
    for (int t = 0; t < n; ++t) {
        j.dmx[0].push_back(1.0);
        j.dmx[1].push_back(t);
    }
    j.dmy = {std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
    const auto deviations = cramer_rao_deviations(fisher_information(j, 0.1));
    CHECK(deviations[0] == Approx(0.1 * std::sqrt(2.0 * 19.0 / 110.0)).epsilon(1e-10));
    CHECK(deviations[1] == Approx(0.1 * std::sqrt(12.0 / 990.0)).epsilon(1e-10));
    CHECK_THROWS_AS(fisher_information(j, 0.0), std::invalid_argument);
}

TEST_CASE("What no sample depends on has no bound, and leaves the others theirs") {
    SignalJacobian j;
    j.parameters = {"seen", "unseen", "half of a sum", "other half"};
    j.dmx = {{1.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, {0.0, 2.0, 0.0}, {0.0, 2.0, 0.0}};
    j.dmy.assign(4, std::vector<double>(3, 0.0));
    const auto deviations = cramer_rao_deviations(fisher_information(j, 0.5));
    CHECK(deviations[0] == Approx(0.5));
    for (int k = 1; k < 4; ++k) CHECK(std::isinf(deviations[static_cast<std::size_t>(k)]));
}

TEST_CASE("The bound of the 2021 task is where the design says") {
    // At noise 1e-3 a point the medians are near 0.021 kHz, 0.022 kHz and 0.0055 degrees; one
    // typical draw lies within a factor of four of them.
    Experiment e = load_experiment("challenge-2021");
    set_parameter(e, "alpha_x_khz", 60.0);
    set_parameter(e, "alpha_z_khz", 150.0);
    set_parameter(e, "flip_deg", 45.0);
    const std::vector<std::string> names{"alpha_x_khz", "alpha_z_khz", "flip_deg"};
    const auto deviations =
        cramer_rao_deviations(fisher_information(simulate_with_jacobian(e, names), 1e-3));
    const double median[3] = {0.021, 0.022, 0.0055};
    for (std::size_t k = 0; k < 3; ++k) {
        CHECK(deviations[k] > median[k] / 4.0);
        CHECK(deviations[k] < median[k] * 4.0);
    }
}

TEST_CASE("At 90 degrees alpha_z cannot be read") {
    Experiment e = load_experiment("challenge-2021");
    set_parameter(e, "alpha_x_khz", 60.0);
    set_parameter(e, "flip_deg", 45.0);
    const std::vector<std::string> names{"alpha_z_khz"};
    const auto at = [&](double flip) {
        set_parameter(e, "flip_deg", flip);
        return cramer_rao_deviations(fisher_information(simulate_with_jacobian(e, names), 1e-3))[0];
    };
    CHECK(at(89.9) > 100.0 * at(45.0));
}
