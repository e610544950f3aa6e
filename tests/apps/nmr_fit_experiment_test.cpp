// Fits of an experiment without a network, and their scores; these run where LibTorch is not built
// in, too.
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "program.h"

namespace {

std::vector<std::string> separated(const std::string& line, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(line);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

std::vector<double> numbers_of(const std::string& line) {
    std::vector<double> numbers;
    for (std::size_t at = line.find(','); at != std::string::npos; at = line.find(',', at + 1)) {
        numbers.push_back(std::atof(line.c_str() + at + 1));
    }
    return numbers;
}

/// The sampling of challenge-2021 thinned out, as an experiment and a noisy curve of it.
std::vector<std::string> noisy(const std::string& out) {
    return short_challenge({"--set", "interaction.alpha_x_khz=93", "--set",
                            "interaction.alpha_z_khz=71", "--set", "sequence.flip_deg=38", "--set",
                            "acquisition.noise=1e-3", "--noise-seed", "3", "--out", out});
}

}  // namespace

TEST_CASE("nmr-fit: an experiment needs no network") {
    const Folder folder;
    const std::string csv = folder.path("echo.csv"), toml = csv + ".toml";
    REQUIRE(run("nmr-simulate", noisy(csv)).status == 0);
    const std::string before = read_text(toml);
    // What nmr-simulate writes beside a curve is the experiment that it is of.
    const Outcome outcome = run("nmr-fit", {toml, csv, "--noise", "1e-3", "--samples", "20",
                                            "--quiet", "--out", folder.path("fit.csv")});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const auto lines = lines_of(read_text(folder.path("fit.csv")));
    REQUIRE(lines.size() == 2);
    const std::vector<double> fields = numbers_of(lines[1]);
    const double truth[3] = {93.0, 71.0, 38.0};
    for (std::size_t k = 0; k < 3; ++k) {
        // Five standard deviations, which are small.
        CHECK(std::abs(fields[4 * k] - truth[k]) < 5.0 * fields[4 * k + 1]);
        CHECK(fields[4 * k + 1] < 0.5);
    }
    CHECK(lines[1].ends_with(",ok"));
    CHECK(lines_of(read_text(folder.path("fit.samples.csv"))).size() == 21);
    CHECK(read_text(toml) == before);
}

TEST_CASE("nmr-fit: experiments that cannot be fitted are refused in one line") {
    const Folder folder;
    const std::string csv = folder.path("echo.csv");
    REQUIRE(run("nmr-simulate", noisy(csv)).status == 0);
    require_refused("nmr-fit", {csv + ".toml", csv}, "--noise SIGMA > 0");
    require_refused("nmr-fit", {csv + ".toml", csv, "--noise", "1e-3", "--check"}, "network");
    require_refused("nmr-fit", {folder.path("none.toml"), csv, "--noise", "1e-3"}, "none.toml");
    require_refused("nmr-fit", {"published-echo", csv, "--noise", "1e-3"}, "uniform kernel");
}

TEST_CASE("nmr-evaluate: scores fits of an experiment without a network") {
    const Folder folder;
    const std::string csv = folder.path("echo.csv"), toml = csv + ".toml",
                      set = folder.path("set.h5"), report = folder.path("report");
    REQUIRE(run("nmr-simulate", noisy(csv)).status == 0);
    const auto generate = [&](const std::string& noise) {
        REQUIRE(run("nmr-generate", short_challenge({"--set", "acquisition.noise=" + noise,
                                                     "--count", "3", "--seed", "2", "--out", set}))
                    .status == 0);
    };
    generate("1e-3");
    const Outcome outcome = run("nmr-evaluate", {toml, set, "--quiet", "--out", report});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const auto json = nlohmann::json::parse(read_text(report + "/report.json"));
    CHECK(json.at("count") == 3);
    CHECK_FALSE(json.contains("training"));
    CHECK(json.at("diagnostics").at("calibration").size() == 3);
    // The echo tells the angle to hundredths of a degree; the prior's variance is 625 / 3 deg^2.
    CHECK(json.at("unknowns")[2].at("name") == "flip_deg");
    CHECK(json.at("unknowns")[2].at("mse").get<double>() < 1.0);
    CHECK_THAT(read_text(report + "/report.html"), ContainsSubstring("Evaluation of fits"));
    std::filesystem::remove(set);
    generate("0");
    require_refused("nmr-evaluate", {toml, set, "--quiet"}, "acquisition.noise > 0");
}

TEST_CASE("nmr-fit: an owner's echo needs no file of an experiment, and a series is one fit") {
    const Folder folder;
    const std::string fit = folder.path("fit.csv"), own = folder.path("own.toml");
    const std::string files = std::string(NMRSIM_FIELD_FILES) + "/";
    const Outcome one = run(
        "nmr-fit", {files + "x-is-the-time.csv", "--tau", "50us", "--line", "lorentzian:15kHz",
                    "--pulses", "60,120", "--measured", "--save-experiment", own, "--out", fit});
    INFO(one.err);
    REQUIRE(one.status == 0);
    CHECK_THAT(one.err, ContainsSubstring("no network: starts are 1024 draws of the prior"));
    const auto check = [&](const std::vector<double>& truth) {
        const auto lines = lines_of(read_text(fit));
        REQUIRE(lines.size() == 2);
        const std::vector<double> fields = numbers_of(lines[1]);
        CAPTURE(lines[1]);
        for (std::size_t k = 0; k < truth.size(); ++k) {
            CHECK(std::abs(fields[4 * k] - truth[k]) < 5.0 * fields[4 * k + 1]);
        }
        CHECK(lines[1].ends_with(",ok"));
    };
    check({12.0, 30.0, 60.0});
    CHECK(read_text(own).find("alpha_z_khz = [0.0, 150.0]") != std::string::npos);

    // Four records in one file, 1/T2 = gamma3 / 2 = 1/(300 us), gain and phase the same.
    write_text(folder.path("records.csv"),
               "sequence.tau_us,acquisition.start_us\n"
               "40,41\n80,120\n160,280\n320,600\n");
    const Outcome series = run(
        "nmr-fit", {own, files + "records-in-one-file.txt", "--measured", "--set",
                    "prior.gamma3_per_s=[0,2e4]", "--set", "acquisition.dwell_us=2", "--set",
                    "acquisition.points=64", "--series", folder.path("records.csv"), "--out", fit});
    INFO(series.err);
    REQUIRE(series.status == 0);
    check({6.0, 15.0, 60.0, 2e6 / 300.0});
    const std::size_t t2 = series.err.find("T2 = ");
    REQUIRE(t2 != std::string::npos);
    CHECK(std::stod(series.err.substr(t2 + 5)) == Approx(300.0).epsilon(0.05));
    require_refused("nmr-fit",
                    {"challenge-2021", files + "x-is-the-time.csv", "--measured", "--set",
                     "line.half_width_khz=3"},
                    "not a model");
    require_refused("nmr-fit",
                    {files + "x-is-the-time.csv", "--tau", "80 parsec", "--line",
                     "lorentzian:15kHz", "--pulses", "60", "--measured"},
                    "a time such as 80us");
}

TEST_CASE("nmr-fit: the commands of the tutorial give the couplings") {
    const Folder folder;
    const std::string fields = std::string(NMRSIM_SOURCE) + "/tests/field-files/";
    int commands = 0;
    for (const std::string& line :
         lines_of(read_text(NMRSIM_SOURCE "/docs/tutorials/your-own-echo.md"))) {
        if (!line.starts_with("    nmr-fit ")) continue;
        std::vector<std::string> words = separated(line.substr(4), ' ');
        words.erase(words.begin());
        words.front() = fields + words.front();
        for (std::string& word : words) {
            if (word == "fit.csv" || word == "own.toml") word = folder.path(word);
        }
        const Outcome outcome = run("nmr-fit", words);
        INFO(line << "\n" << outcome.err);
        REQUIRE(outcome.status == 0);
        CHECK(outcome.err.find(" of 550\n") != std::string::npos);
        ++commands;
    }
    CHECK(commands == 1);
    const auto row = separated(lines_of(read_text(folder.path("fit.csv")))[1], ',');
    CHECK(std::abs(std::stod(row[1]) - 12.0) < 4.0 * std::stod(row[2]));
    CHECK(std::abs(std::stod(row[5]) - 30.0) < 4.0 * std::stod(row[6]));
    CHECK(row.back() == "ok");
    CHECK(read_text(folder.path("own.toml")).find("alpha_x_khz") != std::string::npos);
}
