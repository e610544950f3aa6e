#include "nmrsim/experiment_match.h"

#include <vector>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"

using namespace nmrsim;

TEST_CASE("Experiments whose curves mean the same do not differ", "[experiment_match]") {
    const Experiment here = load_experiment("challenge-2024-gaussian");
    std::vector<double> values;
    for (const PriorRange& range : here.prior) values.push_back(range.high);
    Experiment there = with_parameters(here, values);
    there.name = "another";
    there.lattice.seed = 7;
    there.acquisition.noise = 1e-3;
    there.accuracy.tolerance = 1e-2;
    there.challenge.clear();
    CHECK(experiment_difference(there, here, true).empty());
    CHECK_NOTHROW(check_same_experiment("train.h5", there, here, true));
}

TEST_CASE("What makes curves mean another thing is named", "[experiment_match]") {
    const Experiment here = load_experiment("challenge-2021");
    Experiment there = here;
    there.line.half_width_khz = 30.0;
    CHECK(experiment_difference(there, here, true) ==
          "line.half_width_khz = 30.0 there, 25.0 here");
    CHECK_THROWS_WITH(check_same_experiment("train.h5", there, here, true),
                      "train.h5: made for another experiment: line.half_width_khz = 30.0 there, "
                      "25.0 here");
    CHECK_THROWS_AS(check_same_experiment("train.h5", there, here, true), InputError);

    there = here;
    there.prior.front().high = 100.0;
    CHECK(experiment_difference(there, here, false).empty());
    CHECK(experiment_difference(there, here, true) ==
          "prior.alpha_x_khz = [0.0, 100.0] there, [0.0, 150.0] here");
    there.prior.pop_back();
    CHECK(experiment_difference(there, here, false) ==
          "unknowns alpha_x_khz, alpha_z_khz there, alpha_x_khz, alpha_z_khz, flip_deg here");
}
