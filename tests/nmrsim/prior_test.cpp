#include "nmrsim/prior.h"

#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "catch_compat.h"
#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"

using namespace nmrsim;

namespace {

PriorRange three_kernels() {
    return categorical_unknown("kernel", {"gaussian", "power-law", "rkky"});
}

/// Unnormalised gaussian on a small lattice; its kernel, sum, range and exponent unknown.
Experiment unknown_kernel() {
    Experiment experiment;
    experiment.interaction.kernel = GaussianKernel{5.0};
    experiment.interaction.angular = {1.0, 0.25};
    experiment.lattice.nx = experiment.lattice.ny = 30;
    experiment.prior = {
        {"summed_khz", 10.0, 100.0}, {"exponent", 2.0, 4.0}, three_kernels(), {"xi", 1.0, 10.0}};
    return experiment;
}

}  // namespace

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

TEST_CASE("a choice is drawn evenly, from the unknown's own number of the stream") {
    const Prior prior = {{"xi", 2.0, 4.0}, three_kernels(), {"exponent", 2.0, 4.0}};
    const int n = 30000;
    std::array<int, 3> drawn{};
    for (int i = 0; i < n; ++i) {
        const auto index = static_cast<std::uint64_t>(i);
        CounterRandom random(5, index, RandomStream::parameters);
        const std::vector<double> draw = draw_parameters(prior, 5, index);
        REQUIRE(draw[0] == 2.0 + 2.0 * random.uniform());
        const std::size_t choice = choice_of(prior[1], draw[1]);
        REQUIRE(choice == static_cast<std::size_t>(3.0 * random.uniform()));
        REQUIRE(draw[1] == static_cast<double>(choice) + 0.5);
        REQUIRE(draw[2] == 2.0 + 2.0 * random.uniform());
        ++drawn[choice];
    }
    // 5 sigma of a binomial count with p = 1/3.
    for (const int count : drawn) {
        CHECK(std::abs(count - n / 3) < 5.0 * std::sqrt(n * (1.0 / 3.0) * (2.0 / 3.0)));
    }
}

TEST_CASE("a value of a categorical unknown stands for the choice of its cell") {
    const PriorRange range = three_kernels();
    CHECK((range.low == 0.0 && range.high == 3.0));
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(choice_of(range, choice_value(i)) == i);
        // The middle of the cell in the unit box.
        CHECK((choice_value(i) - range.low) / (range.high - range.low) ==
              Approx((static_cast<double>(i) + 0.5) / 3.0).epsilon(1e-15));
    }
    CHECK(choice_of(range, 0.0) == 0);
    CHECK(choice_of(range, 1.0) == 1);
    CHECK(choice_of(range, 3.0) == 2);  // the upper end belongs to the last
    CHECK(choice_of(range, -1.0) == 0);
    CHECK(choice_of(range, 1e300) == 2);
    CHECK(choice_of(range, std::nan("")) == 0);
    const Experiment experiment = unknown_kernel();
    CHECK(find_categorical(experiment.prior) == &experiment.prior[2]);
    CHECK(find_categorical({{"xi", 1.0, 2.0}}) == nullptr);
}

TEST_CASE("the kernel is set before what depends on it, and what does not apply is passed over") {
    const Experiment experiment = unknown_kernel();
    CHECK_NOTHROW(experiment.validate());
    const char* names[] = {"gaussian", "power-law", "rkky"};
    for (std::size_t i = 0; i < 3; ++i) {
        INFO(names[i]);
        const double values[] = {60.0, 2.5, choice_value(i), 3.0};
        const Experiment drawn = with_parameters(experiment, values);
        CHECK(kernel_name(drawn.interaction.kernel) == names[i]);
        CHECK(parameter("xi").get(drawn) == 3.0);
        CHECK(parameter("exponent").get(drawn) == (i == 1 ? 2.5 : 0.0));
        // The summed coupling is that of the kernel drawn, whatever the power law's xi.
        CHECK(drawn.interaction.alpha_x_khz ==
              Approx(60.0 / std::abs(kernel_sum(drawn.interaction, drawn.lattice))).epsilon(1e-14));
        CHECK(drawn.interaction.angular.d_weight == 0.25);
        CHECK(drawn.prior.size() == 4);
        CHECK(parameter("kernel").get(drawn) == choice_value(i));
        CHECK_NOTHROW(drawn.validate());
        // From one curve's experiment to the next as from the first.
        const Experiment again = with_parameters(drawn, values);
        CHECK(again.interaction.alpha_x_khz == drawn.interaction.alpha_x_khz);
    }
    CHECK(kernel_name(experiment.interaction.kernel) == "gaussian");
}

TEST_CASE("a kernel drawn keeps xi and has the default exponent where they are known") {
    Experiment experiment = unknown_kernel();
    experiment.prior = {three_kernels()};
    const auto kernel_of = [&](std::size_t choice) {
        const double value[] = {choice_value(choice)};
        return with_parameters(experiment, value).interaction.kernel;
    };
    CHECK(std::get<RkkyKernel>(kernel_of(2)).xi == 5.0);
    CHECK(std::get<PowerLawKernel>(kernel_of(1)).xi == 5.0);
    CHECK(std::get<PowerLawKernel>(kernel_of(1)).exponent == PowerLawKernel{}.exponent);
    experiment.interaction.kernel = PowerLawKernel{2.0, 3.5};
    CHECK(std::get<PowerLawKernel>(kernel_of(1)).exponent == 3.5);
    CHECK(std::get<GaussianKernel>(kernel_of(0)).xi == 2.0);
}

TEST_CASE("an unknown kernel is checked") {
    const auto kernels = [](std::vector<std::string> choices) {
        return Prior{categorical_unknown("kernel", std::move(choices))};
    };
    CHECK_NOTHROW(validate_prior({three_kernels()}));
    CHECK_THROWS_WITH(validate_prior(kernels({"gaussian", "rky"})),
                      ContainsSubstring("prior.kernel must name some of gaussian, power-law, rkky, "
                                        "got \"rky\"; did you mean rkky?"));
    CHECK_THROWS_WITH(validate_prior(kernels({"gaussian", "rkky", "gaussian"})),
                      ContainsSubstring("got gaussian twice"));
    CHECK_THROWS_WITH(validate_prior(kernels({"gaussian"})),
                      ContainsSubstring("at least 2 choices, got 1"));
    CHECK_THROWS_WITH(validate_prior(kernels({"uniform", "gaussian"})),
                      ContainsSubstring("must be of kernels of finite range, got uniform"));
    CHECK_THROWS_WITH(validate_prior({{"kernel", 0.0, 4.0}}),
                      ContainsSubstring("prior.kernel must be a list of choices"));
    CHECK_THROWS_WITH(validate_prior({{"kernel", 0.0, 4.0, {"gaussian", "rkky"}}}),
                      ContainsSubstring("must have the range [0, 2], got [0, 4]"));
    CHECK_THROWS_WITH(validate_prior({categorical_unknown("xi", {"gaussian", "rkky"})}),
                      ContainsSubstring("prior.xi must be a range of numbers, got 2 choices"));
    CHECK_THROWS_WITH(validate_prior({three_kernels(), three_kernels()}),
                      ContainsSubstring("prior.kernel is given twice"));

    Experiment experiment = unknown_kernel();
    experiment.interaction.kernel = UniformKernel{};
    CHECK_THROWS_WITH(experiment.validate(),
                      ContainsSubstring("interaction.kernel must be one of prior.kernel's choices "
                                        "(gaussian, power-law, rkky), got uniform"));
    // An unknown must apply to one of the kernels at least.
    experiment = unknown_kernel();
    experiment.prior[2] = categorical_unknown("kernel", {"gaussian", "rkky"});
    CHECK_FALSE(applies_to_draws(experiment, "exponent"));
    CHECK(applies_to_draws(experiment, "xi"));
    CHECK_THROWS_WITH(experiment.validate(), ContainsSubstring("prior.exponent does not apply"));
    experiment = unknown_kernel();
    CHECK(applies_to_draws(experiment, "exponent"));
    const double beyond[] = {60.0, 2.5, 3.5, 3.0};
    CHECK_THROWS_WITH(with_parameters(experiment, beyond),
                      ContainsSubstring("interaction.kernel must be in [0, 3], got 3.5"));
    // Where the kernel is known, a row that does not apply to it is still an error.
    experiment.prior = {{"exponent", 2.0, 4.0}};
    const double exponent[] = {3.0};
    CHECK_THROWS_WITH(with_parameters(experiment, exponent), ContainsSubstring("does not apply"));
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
    CHECK_NOTHROW(validate_prior({{"alpha_x_khz", 0.1, 1.0}, {"summed_by_xi_khz", 1.0, 2.0}}));
    CHECK_THROWS_WITH(validate_prior({{"xi", 0.0, 20.0}, {"summed_by_xi_khz", 1.0, 2.0}}),
                      ContainsSubstring("say the same value"));
    CHECK_THROWS_WITH(validate_prior({{"summed_by_xi_khz", 1.0, 2.0}, {"summed_khz", 1.0, 2.0}}),
                      ContainsSubstring("say the same value"));
    CHECK_THROWS_WITH(validate_prior({{"alpha_x_khz", 0.0, 1.0}, {"summed_khz", 0.0, 2.0}}),
                      ContainsSubstring("say the same value"));
    CHECK_THROWS_WITH(validate_prior({{"gamma3_per_s", 0.0, 1.0}, {"d", 0.0, 2.0}}),
                      ContainsSubstring("say the same value"));
    CHECK_THROWS_WITH(validate_prior({{"stop_us", 100.0, 200.0}}),
                      ContainsSubstring("cannot be an unknown"));
}
