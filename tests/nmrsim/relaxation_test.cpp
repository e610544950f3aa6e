#include "nmrsim/relaxation.h"

#include <limits>
#include <stdexcept>

#include "catch_compat.h"

using namespace nmrsim;

TEST_CASE("T1 and T2 come back from the rates they give") {
    const Relaxation relaxation = relaxation_from_times(40.0, 25.0);
    CHECK(relaxation.longitudinal_rate() == Approx(1.0 / 40e-6).epsilon(1e-14));
    CHECK(relaxation.transverse_rate() == Approx(1.0 / 25e-6).epsilon(1e-14));
    CHECK(relaxation.equilibrium_mz() == 0.5);
}

TEST_CASE("T2 = 2 T1 is the limit and needs no dephasing") {
    const Relaxation relaxation = relaxation_from_times(30.0, 60.0);
    // 2/T2 and 1/T1 are equal up to the rounding of three divisions.
    CHECK(relaxation.gamma3_per_s <= 4.0 * 2.3e-16 / 30e-6);
    CHECK(relaxation.gamma3_per_s >= 0.0);
    CHECK_THROWS_AS(relaxation_from_times(30.0, 60.1), std::invalid_argument);
    CHECK_THROWS_AS(relaxation_from_times(0.0, 1.0), std::invalid_argument);
    CHECK_THROWS_AS(relaxation_from_times(1.0, -1.0), std::invalid_argument);
}

TEST_CASE("infinite times are no relaxation") {
    const double never = std::numeric_limits<double>::infinity();
    const Relaxation relaxation = relaxation_from_times(never, never);
    CHECK(relaxation.longitudinal_rate() == 0.0);
    CHECK(relaxation.transverse_rate() == 0.0);
    CHECK(relaxation.equilibrium_mz() == 0.0);
}

TEST_CASE("the equilibrium is where both rates balance") {
    // dmz/dt = Gamma_1 (1/2 - mz) - Gamma_2 (1/2 + mz) = 0
    const Relaxation relaxation{3e4, 1e4, 0.0};
    const double mz = relaxation.equilibrium_mz();
    CHECK(relaxation.gamma1_per_s * (0.5 - mz) == Approx(relaxation.gamma2_per_s * (0.5 + mz)));
}

TEST_CASE("rates are checked") {
    for (double Relaxation::*const rate :
         {&Relaxation::gamma1_per_s, &Relaxation::gamma2_per_s, &Relaxation::gamma3_per_s}) {
        Relaxation relaxation;
        relaxation.*rate = -1.0;
        CHECK_THROWS_AS(relaxation.validate(), std::invalid_argument);
        relaxation.*rate = std::numeric_limits<double>::quiet_NaN();
        CHECK_THROWS_AS(relaxation.validate(), std::invalid_argument);
    }
    CHECK_THROWS_AS((Relaxation{0.0, 0.0, 0.0, 1.0}.validate()), std::invalid_argument);
    CHECK_NOTHROW(Relaxation{}.validate());
}
