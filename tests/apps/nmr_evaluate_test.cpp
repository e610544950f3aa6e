#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "catch_compat.h"
#include "program.h"

namespace {

/// The table's numbers by their unknown: mse, rmse, median, r2, coverage50, coverage90.
std::map<std::string, std::vector<double>> score_rows(const std::string& table) {
    std::map<std::string, std::vector<double>> rows;
    for (const std::string& line : lines_of(table)) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        std::vector<double> numbers;
        for (double value = 0.0; words >> value;) numbers.push_back(value);
        if (numbers.size() == 6) rows[name] = numbers;
    }
    return rows;
}

}  // namespace

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
    const auto as_text = score_rows(text.out), as_set = score_rows(outcome.out);
    REQUIRE(as_set.size() == 3);
    REQUIRE(as_text.size() == 3);
    for (const auto& [unknown, scores] : as_set) {
        REQUIRE(scores.size() == 6);
        REQUIRE(as_text.count(unknown) == 1);
        for (std::size_t i = 0; i < scores.size(); ++i) {
            CAPTURE(unknown, i);
            // Printed to 4 digits, shares to 3; samples are rounded in the text files.
            CHECK(as_text.at(unknown)[i] == Approx(scores[i]).epsilon(2e-3).margin(2e-3));
        }
    }
    // Another fifty score otherwise: the comparison can fail.
    generate_short(folder.path("others.h5"), 50, 3);
    const Outcome others = run("nmr-evaluate", {model, folder.path("others.h5"), "--quiet"});
    REQUIRE(others.status == 0);
    CHECK(std::abs(score_rows(others.out).at("alpha_z_khz")[0] / as_set.at("alpha_z_khz")[0] -
                   1.0) > 2e-3);

    require_refused("nmr-evaluate", {model}, "DATA");
    require_refused("nmr-evaluate", {model, folder.path("none.h5")}, "none.h5");
    require_refused("nmr-evaluate", {folder.path("none"), folder.path("set.h5")}, "none");
    require_refused("nmr-evaluate", {model, folder.path("set.h5"), "--refine"},
                    "fits need a data set made with acquisition.noise > 0");
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

TEST_CASE("nmr-evaluate: curves that the model learnt from are called so") {
    const Folder folder;
    const auto evaluated = [&](const std::vector<std::string>& from) {
        const std::string set = folder.path("set.h5"), report = folder.path("report");
        std::vector<std::string> generate{"challenge-2021", "--quiet", "--out", set};
        generate.insert(generate.end(), from.begin(), from.end());
        remove(set.c_str());
        REQUIRE(run("nmr-generate", generate).status == 0);
        const Outcome outcome =
            run("nmr-evaluate", {"challenge-2021", set, "--quiet", "--out", report});
        REQUIRE(outcome.status == 0);
        const auto json = nlohmann::json::parse(read_text(report + "/report.json"));
        return std::pair{outcome.err, json.at("curves_learnt").get<int>()};
    };
    // The shipped model saw the first 12.58 million curves of seed 1.
    const auto [seen, seen_count] = evaluated({"--count", "4", "--seed", "1"});
    CHECK_THAT(seen, ContainsSubstring("learnt from 4 of these 4 curves"));
    CHECK(seen_count == 4);
    const auto [fresh, fresh_count] = evaluated({"--count", "4", "--seed", "5"});
    CHECK(fresh.empty());
    CHECK(fresh_count == 0);
    // Calibrated on curves 0 to 39,999 of seed 882. Another prior draws other parameters.
    CHECK(evaluated({"--count", "2", "--seed", "882"}).second == 2);
    CHECK(
        evaluated({"--count", "2", "--seed", "1", "--set", "prior.alpha_x_khz=[10, 150]"}).second ==
        0);
}
