#include "nmrsim/throughput.h"

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/stop.h"

using namespace nmrsim;

TEST_CASE("Throughput: errors ascend, a share of draws stays within each, the rate is measured") {
    Experiment experiment = load_experiment("challenge-2021");
    experiment.acquisition.points = 50;
    std::vector<std::string> stages;
    ThroughputOptions options;
    options.seconds = 0.05;
    options.threads = 1;
    options.progress = [&](const std::string& stage, double share) {
        if (stages.empty() || stages.back() != stage) stages.push_back(stage);
        CHECK(share >= 0.0);
        CHECK(share <= 1.0);
        return true;
    };
    const Throughput measured = measure_throughput(experiment, options);
    CHECK(stages == std::vector<std::string>{"measuring the rate", "measuring errors"});
    CHECK(measured.curves > 0);
    CHECK(measured.seconds >= options.seconds);
    CHECK(measured.curves_per_s() ==
          Approx(static_cast<double>(measured.curves) / measured.seconds));
    REQUIRE(measured.errors.size() >= 32);
    CHECK(std::is_sorted(measured.errors.begin(), measured.errors.end()));
    CHECK(measured.error(0.0) == measured.errors.front());
    CHECK(measured.error(1.0) == measured.errors.back());
    CHECK(measured.spin_steps > 0.0);
    CHECK(measured.peak_share() > 0.0);
}

TEST_CASE("Throughput: ends where it is told to, refuses no time at all") {
    ThroughputOptions options;
    options.seconds = 100.0;
    int asked = 0;
    options.progress = [&](const std::string&, double) {
        ++asked;
        return false;
    };
    CHECK_THROWS_AS(measure_throughput(load_experiment("challenge-2021"), options), Stopped);
    CHECK(asked == 1);
    options.seconds = 0.0;
    CHECK_THROWS_AS(measure_throughput(load_experiment("challenge-2021"), options),
                    std::invalid_argument);
}
