#include "nmrinverse/estimates_text.h"

#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"

using namespace nmrinverse;

namespace {

/// Two curves of a task with the unknowns xi and kernel.
struct Fits {
    nmrsim::Experiment experiment = nmrsim::load_experiment("kernel-recognition");
    Curves curves;
    nmrinverse::Predictions estimates;
    Judgements judgements;

    Fits() {
        experiment.prior = {
            {"xi", 3.5, 30.0},
            nmrsim::categorical_unknown("kernel", {"gaussian", "power-law", "rkky"})};
        curves.names = {"one.csv", "two, \"quoted\".csv"};
        estimates.count = 2;
        estimates.unknowns = 2;
        // Means of a choice's index say nothing: half gaussian, half rkky is no power law.
        estimates.mean = {5.25, 1.5, 20.0, 1.5};
        estimates.sd = {0.5, 1.0, 2.0, 1.0};
        estimates.q05 = {4.5, 0.0, 17.0, 0.0};
        estimates.q95 = {6.0, 3.0, 23.0, 3.0};
        estimates.probabilities = {0.625, 0.0, 0.375, 0.001, 0.0, 0.999};
        judgements.residual = {0.25, 0.5};
        judgements.verdict = {Verdict::ok, Verdict::caution};
    }
};

}  // namespace

TEST_CASE("a kernel is a column with the likeliest name, then one with each probability") {
    const Fits fits;
    CHECK(estimates_as_csv(fits.curves, fits.estimates, fits.judgements, fits.experiment.prior) ==
          "curve,xi,xi_sd,xi_q05,xi_q95,kernel,kernel_gaussian,kernel_power-law,kernel_rkky,"
          "residual,verdict\n"
          "one.csv,5.25,0.5,4.5,6,gaussian,0.625,0,0.375,0.25,ok\n"
          "\"two, \"\"quoted\"\".csv\",20,2,17,23,rkky,0.001,0,0.999,0.5,caution\n");
}

TEST_CASE("a challenge's line has the likeliest kernel by its index plus 1/2") {
    const Fits fits;
    CHECK(estimates_as_challenge(fits.estimates, fits.experiment) == "5.25\t0.5\n20\t2.5\n");
    const nmrsim::PriorRange& kernel = fits.experiment.prior[1];
    CHECK(choice_in_words(fits.estimates, 0, kernel) == "gaussian (62.5%)");
    CHECK(choice_in_words(fits.estimates, 1, kernel) == "rkky (99.9%)");
}

TEST_CASE("a kernel without probabilities is refused") {
    Fits fits;
    fits.estimates.probabilities.clear();
    CHECK_THROWS_WITH(
        estimates_as_csv(fits.curves, fits.estimates, fits.judgements, fits.experiment.prior),
        ContainsSubstring("estimates of kernel must have 6 probabilities for 2 curves, got 0"));
}
