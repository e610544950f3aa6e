// Rows of refined estimates, as the programs print them.
#include "refined_estimates.h"

#include <cmath>

#include "catch_compat.h"

namespace {

const nmrsim::Prior kPrior{{"alpha_x_khz", 0.0, 150.0}, {"flip_deg", 10.0, 90.0}};

/// Two curves with these estimates and deviations.
nmrinverse::JointFit joint_fit(std::vector<double> estimate, std::vector<double> deviations) {
    nmrinverse::JointFit fit;
    fit.curves = 2;
    fit.unknowns = 2;
    fit.estimate = std::move(estimate);
    fit.deviations = std::move(deviations);
    fit.factor.assign(2, 1.0);
    fit.time_zero_us.assign(2, 0.0);
    fit.alone.resize(2);
    return fit;
}

}  // namespace

TEST_CASE("joint estimates at the prior's edge stay inside", "[joint]") {
    // At the lower edge of alpha_x, and a deviation and a half below the upper edge of theta.
    const nmrinverse::JointFit fit = joint_fit({0.0, 45.0, 0.0, 87.0}, {2.0, 0.5, 2.0, 2.0});
    const nmrapps::RefinedEstimates rows = nmrapps::joint_estimates(fit, kPrior);
    const nmrinverse::Predictions& p = rows.estimates;
    // Half a normal density: sqrt(2 / pi), sqrt(1 - 2 / pi), and normal quantiles of
    // (1 + share) / 2.
    CHECK(p.mean[0] == Approx(2.0 * 0.797884561));
    CHECK(p.sd[0] == Approx(2.0 * 0.602810211));
    CHECK(p.q05[0] == Approx(2.0 * 0.062706778));
    CHECK(p.q25[0] == Approx(2.0 * 0.318639364));
    CHECK(p.q75[0] == Approx(2.0 * 1.150349380));
    CHECK(p.q95[0] == Approx(2.0 * 1.959963985));
    // Far inside it is whole.
    CHECK(p.mean[1] == 45.0);
    CHECK(p.sd[1] == 0.5);
    CHECK(p.q95[1] == Approx(45.0 + 0.5 * 1.644853627));
    // Below 1.5 deviations lies 0.933193 of a normal density: 0.95 of that is 0.886533,
    // at 1.208295.
    CHECK(p.q95[3] == Approx(87.0 + 2.0 * 1.208295).epsilon(1e-6));
    for (std::size_t i = 0; i < 4; ++i) {
        const nmrsim::PriorRange& range = kPrior[i % 2];
        CHECK(p.q05[i] >= range.low);
        CHECK(p.q95[i] <= range.high);
        CHECK(p.mean[i] > p.q05[i]);
        CHECK(p.mean[i] < p.q95[i]);
    }
    // What is judged is the fit itself.
    CHECK(rows.fits[0].estimate == std::vector<double>{0.0, 45.0});
    CHECK(rows.fits[1].estimate == std::vector<double>{0.0, 87.0});
}
