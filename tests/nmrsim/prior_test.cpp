#include "nmrsim/prior.h"

#include <cmath>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"

using namespace nmrsim;

TEST_CASE("draws fill their ranges evenly") {
    const Prior prior = {{"alpha_x_khz", -20.0, 180.0}, {"flip_deg", 10.0, 90.0}};
    const int n = 20000;
    double mean[2] = {0.0, 0.0}, product = 0.0;
    for (int i = 0; i < n; ++i) {
        const std::vector<double> draw = draw_parameters(prior, 5, static_cast<std::uint64_t>(i));
        REQUIRE(draw.size() == 2);
        double u[2];
        for (std::size_t k = 0; k < 2; ++k) {
            u[k] = (draw[k] - prior[k].low) / (prior[k].high - prior[k].low);
            REQUIRE((u[k] > 0.0 && u[k] < 1.0));
            mean[k] += u[k] / n;
        }
        product += (u[0] - 0.5) * (u[1] - 0.5) / n;
    }
    // 5 sigma of the mean of n uniform numbers, and of the mean product of two independent ones.
    CHECK(std::abs(mean[0] - 0.5) < 5.0 * std::sqrt(1.0 / 12.0 / n));
    CHECK(std::abs(mean[1] - 0.5) < 5.0 * std::sqrt(1.0 / 12.0 / n));
    CHECK(std::abs(product) < 5.0 / 12.0 / std::sqrt(n));
}

TEST_CASE("draw i is a function of seed and i: one uniform number an unknown, in order") {
    const Prior prior = {{"xi", 2.0, 4.0}, {"alpha_z_khz", 0.0, 10.0}};
    CounterRandom random(99, 1234567890123, RandomStream::parameters);
    const std::vector<double> draw = draw_parameters(prior, 99, 1234567890123);
    CHECK(draw[0] == 2.0 + 2.0 * random.uniform());
    CHECK(draw[1] == 10.0 * random.uniform());
    CHECK(draw_parameters(prior, 99, 0) != draw_parameters(prior, 98, 0));
}

TEST_CASE("derived unknowns are set after the plain ones, whatever the order of the prior") {
    Experiment experiment;
    experiment.interaction.kernel = GaussianKernel{5.0};
    experiment.lattice.nx = experiment.lattice.ny = 30;
    experiment.prior = {{"summed_khz", 10.0, 100.0}, {"xi", 1.0, 10.0}};
    const double values[] = {60.0, 3.0};
    const Experiment drawn = with_parameters(experiment, values);
    CHECK(std::get<GaussianKernel>(drawn.interaction.kernel).xi == 3.0);
    CHECK(drawn.interaction.alpha_x_khz ==
          Approx(60.0 / kernel_sum(drawn.interaction, drawn.lattice)).epsilon(1e-14));
    CHECK(experiment.interaction.alpha_x_khz == 0.0);
}

TEST_CASE("values must be as many as the unknowns and inside the parameters' bounds") {
    Experiment experiment;
    experiment.prior = {{"half_width_khz", 1.0, 30.0}};
    const double two[] = {1.0, 2.0}, negative[] = {-1.0};
    CHECK_THROWS_WITH(with_parameters(experiment, two), ContainsSubstring("expected 1 values"));
    CHECK_THROWS_AS(with_parameters(experiment, negative), std::invalid_argument);
}

TEST_CASE("priors are checked") {
    CHECK_NOTHROW(validate_prior({}));
    CHECK_NOTHROW(validate_prior({{"xi", 0.0, 20.0}, {"summed_khz", 1.0, 2.0}}));
    CHECK_THROWS_WITH(validate_prior({{"xii", 0.0, 1.0}}), ContainsSubstring("did you mean xi?"));
    CHECK_THROWS_WITH(validate_prior({{"xi", 1.0, 1.0}}),
                      ContainsSubstring("prior.xi must have low < high, got [1, 1]"));
    CHECK_THROWS_WITH(validate_prior({{"xi", -1.0, 1.0}}),
                      ContainsSubstring("prior.xi must lie in [0, 1e+06], got [-1, 1]"));
    CHECK_THROWS_WITH(validate_prior({{"xi", std::nan(""), 1.0}}), ContainsSubstring("prior.xi"));
    CHECK_THROWS_WITH(validate_prior({{"xi", 0.0, 1.0}, {"xi", 0.0, 2.0}}),
                      ContainsSubstring("given twice"));
    CHECK_THROWS_WITH(validate_prior({{"alpha_x_khz", 0.0, 1.0}, {"summed_khz", 0.0, 2.0}}),
                      ContainsSubstring("say the same value"));
    CHECK_THROWS_WITH(validate_prior({{"gamma3_per_s", 0.0, 1.0}, {"d", 0.0, 2.0}}),
                      ContainsSubstring("say the same value"));
    CHECK_THROWS_WITH(validate_prior({{"stop_us", 100.0, 200.0}}),
                      ContainsSubstring("cannot be an unknown"));
}
