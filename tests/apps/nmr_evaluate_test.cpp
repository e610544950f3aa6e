#include <nlohmann/json.hpp>

#include "catch_compat.h"
#include "program.h"

TEST_CASE("nmr-evaluate: help and version") {
    require_help_and_version("nmr-evaluate");
}

TEST_CASE("nmr-evaluate: the table, the report, and bad input") {
    const Folder folder;
    const std::string model = folder.path("model.safetensors");
    train_tiny_model(model);
    generate_short(folder.path("set.h5"), 50, 2);
    const Outcome outcome = run(
        "nmr-evaluate", {model, folder.path("set.h5"), "--out", folder.path("report"), "--quiet"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.empty());
    for (const std::string word : {"mse", "rmse", "r2", "coverage50", "coverage90", "alpha_x_khz",
                                   "alpha_z_khz", "flip_deg"}) {
        CHECK_THAT(outcome.out, ContainsSubstring(word));
    }
    CHECK_THAT(read_text(folder.path("report/report.html")), ContainsSubstring("</svg>"));
    const nlohmann::json json = nlohmann::json::parse(read_text(folder.path("report/report.json")));
    CHECK(json.at("settings").get<std::string>().find("[interaction]") != std::string::npos);
    CHECK(exists(folder.path("report/report.html.toml")));
    CHECK_THAT(read_text(folder.path("report/01-estimate-against-true-value-alpha-x-khz.svg")),
               ContainsSubstring("</svg>"));

    // The same curves as challenge files score the same.
    REQUIRE(run("nmr-generate", short_challenge({"--count", "50", "--seed", "2", "--format",
                                                 "challenge", "--out", folder.path("set")}))
                .status == 0);
    const Outcome text = run("nmr-evaluate", {model, folder.path("set"), "--quiet"});
    INFO(text.err);
    CHECK(text.status == 0);
    CHECK(lines_of(text.out).size() == lines_of(outcome.out).size());

    require_refused("nmr-evaluate", {model}, "DATA");
    require_refused("nmr-evaluate", {model, folder.path("none.h5")}, "none.h5");
    require_refused("nmr-evaluate", {folder.path("none"), folder.path("set.h5")}, "none");
    require_refused("nmr-evaluate", {model, folder.path("set.h5"), "--refine"},
                    "--refine needs a data set made with acquisition.noise > 0");
    require_refused("nmr-evaluate", {model, folder.path("set.h5"), "--out", model},
                    "expected a folder");
    // Data of another experiment.
    REQUIRE(run("nmr-generate", {"challenge-2021", "--count", "3", "--seed", "1", "--quiet",
                                 "--out", folder.path("other.h5")})
                .status == 0);
    require_refused("nmr-evaluate", {model, folder.path("other.h5")}, "another experiment");
    // Curves without their parameters.
    REQUIRE(exists(folder.path("set/mat_info.txt")));
    REQUIRE(rename(folder.path("set/mat_info.txt").c_str(), folder.path("aside.txt").c_str()) == 0);
    require_refused("nmr-evaluate", {model, folder.path("set")}, "mat_info.txt");
    // Wrong columns in the parameters.
    write_text(folder.path("set/mat_info.txt"), "1\t2\t3\n4\t5\n");
    require_refused("nmr-evaluate", {model, folder.path("set")}, "mat_info.txt");
    // A truncated data set.
    const std::string whole = read_text(folder.path("set.h5"));
    write_text(folder.path("set.h5"), whole.substr(0, whole.size() / 2));
    require_refused("nmr-evaluate", {model, folder.path("set.h5")}, "set.h5");
}
