#include <nlohmann/json.hpp>

#include "catch_compat.h"
#include "program.h"

TEST_CASE("nmr-throughput: one JSON object with the promised keys") {
    const Outcome outcome =
        run("nmr-throughput", {"challenge-2021", "--set", "acquisition.points=100", "--seconds",
                               "0.3", "--json", "--quiet", "--threads", "2"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.empty());
    const auto result = nlohmann::json::parse(outcome.out);
    CHECK(result.at("experiment") == "challenge-2021");
    CHECK(result.at("threads") == 2);
    CHECK(result.at("curves_per_s").get<double>() > 0.0);
    CHECK(result.at("spin_steps_per_s").get<double>() > result.at("curves_per_s").get<double>());
    const double p50 = result.at("error_p50");
    const double p90 = result.at("error_p90");
    const double p99 = result.at("error_p99");
    CHECK(p50 > 0.0);
    CHECK(p50 <= p90);
    CHECK(p90 <= p99);
    // The promise of the default accuracy: 1e-4 for 99% of draws.
    CHECK(p99 <= 1e-4);
    CHECK(result.at("peak_share").get<double>() > 0.0);
    CHECK(result.at("peak_share").get<double>() <= 1.0);
}

TEST_CASE("nmr-throughput: a table without --json, on a lattice too") {
    const Outcome outcome =
        run("nmr-throughput", {"published-echo", "--set", "lattice.nx=8", "--set", "lattice.ny=8",
                               "--seconds", "0.2", "--quiet"});
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, ContainsSubstring("curves_per_s"));
    CHECK_THAT(outcome.out, ContainsSubstring("published-echo"));
}

TEST_CASE("nmr-throughput: bad input is refused in one line") {
    require_refused("nmr-throughput", {"no-such.toml"}, "no-such.toml");
    require_refused("nmr-throughput", {"challenge-2021", "--seconds", "-1"}, "--seconds");
    require_refused("nmr-throughput", {"challenge-2021", "--set", "accuracy.tolerence=1"},
                    "tolerance");
}
