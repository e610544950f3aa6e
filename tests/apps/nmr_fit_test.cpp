#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numbers>

#include "catch_compat.h"
#include "program.h"

namespace {

/// One tiny model for all tests of this file.
const std::string& model() {
    static const Folder folder;
    static const std::string path = [] {
        const std::string name = folder.path("model.safetensors");
        train_tiny_model(name);
        return name;
    }();
    return path;
}

std::string curve(const Folder& folder, const std::string& name,
                  const std::vector<std::string>& settings = {}) {
    std::vector<std::string> arguments = short_challenge({"--out", folder.path(name)});
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    REQUIRE(run("nmr-simulate", arguments).status == 0);
    return folder.path(name);
}

const std::string kHeader =
    "curve,alpha_x_khz,alpha_x_khz_sd,alpha_x_khz_q05,alpha_x_khz_q95,"
    "alpha_z_khz,alpha_z_khz_sd,alpha_z_khz_q05,alpha_z_khz_q95,"
    "flip_deg,flip_deg_sd,flip_deg_q05,flip_deg_q95,residual,verdict";

std::vector<std::string> fields_of(const std::string& line, char separator) {
    std::vector<std::string> fields(1);
    for (const char c : line) {
        if (c == separator) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

}  // namespace

TEST_CASE("nmr-fit: says that a name is an experiment's where its model is missing") {
    // The program somewhere else, where no models lie beside it.
    const Folder folder;
    const std::string csv = folder.path("echo.csv"), program = folder.path("nmr-fit");
    REQUIRE(run("nmr-simulate", {"challenge-2021", "--set", "interaction.alpha_x_khz=93", "--set",
                                 "acquisition.noise=1e-3", "--noise-seed", "3", "--out", csv})
                .status == 0);
    std::filesystem::copy_file(program_path("nmr-fit"), program);
    const Outcome outcome = run(program, {"challenge-2021", csv, "--noise", "1e-3", "--quiet"});
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.starts_with("nmr-fit: warning: no model challenge-2021 in "));
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK(lines_of(outcome.out).size() == 2);
    // Who names the experiment's file knows.
    const Outcome named = run(program, {csv + ".toml", csv, "--noise", "1e-3", "--quiet"});
    CHECK(named.err.empty());
    CHECK(named.out == outcome.out);
}

TEST_CASE("nmr-fit: a curve, a data set and a challenge folder") {
    const Folder folder;
    const std::string csv = curve(folder, "echo.csv");
    generate_short(folder.path("set.h5"), 4, 2);
    REQUIRE(run("nmr-generate", short_challenge({"--count", "4", "--seed", "2", "--format",
                                                 "challenge", "--out", folder.path("set")}))
                .status == 0);
    const Outcome outcome =
        run("nmr-fit", {model(), csv, folder.path("set.h5"), folder.path("set"), "--quiet"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.empty());
    const auto lines = lines_of(outcome.out);
    REQUIRE(lines.size() == 10);
    CHECK(lines[0] == kHeader);
    CHECK(fields_of(lines[1], ',')[0] == csv);
    CHECK(fields_of(lines[2], ',')[0] == folder.path("set.h5") + "#0");
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto fields = fields_of(lines[i], ',');
        REQUIRE(fields.size() == 15);
        CHECK(std::stod(fields[2]) > 0.0);                   // sd
        CHECK(std::stod(fields[3]) < std::stod(fields[4]));  // q05 < q95
        CHECK(std::stod(fields[13]) >= 0.0);
        CHECK((fields[14] == "ok" || fields[14] == "caution" || fields[14] == "reject"));
    }
    // The text files hold the same curves: the same estimates to the digits they keep.
    for (std::size_t i = 0; i < 4; ++i) {
        const double from_set = std::stod(fields_of(lines[2 + i], ',')[1]);
        const double from_text = std::stod(fields_of(lines[6 + i], ',')[1]);
        CHECK(from_text == Approx(from_set).epsilon(1e-3));
    }
    const Outcome challenge = run("nmr-fit", {model(), folder.path("set"), "--format", "challenge",
                                              "--out", folder.path("answer.txt"), "--quiet"});
    CHECK(challenge.status == 0);
    const auto answer = lines_of(read_text(folder.path("answer.txt")));
    REQUIRE(answer.size() == 4);
    CHECK(fields_of(answer[0], '\t').size() == 3);
}

TEST_CASE("nmr-fit: threads and order do not matter") {
    const Folder folder;
    generate_short(folder.path("set.h5"), 6, 2);
    const Outcome one =
        run("nmr-fit", {model(), folder.path("set.h5"), "--threads", "1", "--quiet"});
    const Outcome two =
        run("nmr-fit", {model(), folder.path("set.h5"), "--threads", "2", "--quiet"});
    CHECK(one.status == 0);
    CHECK(one.out == two.out);
}

TEST_CASE("nmr-fit: a curve sampled more finely is interpolated") {
    const Folder folder;
    // 64 points on [180, 220] against 1000 on [170, 230]: the same echo.
    const std::string exact = curve(folder, "exact.csv");
    const Outcome fine =
        run("nmr-simulate", {"challenge-2021", "--set", "acquisition.start_us=170", "--set",
                             "acquisition.stop_us=230", "--set", "acquisition.points=1000", "--out",
                             folder.path("fine.csv")});
    REQUIRE(fine.status == 0);
    const Outcome outcome = run("nmr-fit", {model(), exact, folder.path("fine.csv"), "--quiet"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const auto lines = lines_of(outcome.out);
    const double a = std::stod(fields_of(lines.at(1), ',')[1]);
    const double b = std::stod(fields_of(lines.at(2), ',')[1]);
    // Interpolated at 0.06 us: (2 pi 0.25 MHz 0.06 us)^4 * 3/128 = 2e-6 of M.
    CHECK(b == Approx(a).epsilon(2e-3));
}

TEST_CASE("nmr-fit: --plot draws each curve and a report") {
    const Folder folder;
    const std::string csv = curve(folder, "echo.csv");
    const Outcome outcome =
        run("nmr-fit", {model(), csv, "--plot", folder.path("plots"), "--quiet"});
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    CHECK_THAT(read_text(folder.path("plots/0000_echo.svg")), ContainsSubstring("</svg>"));
    CHECK_THAT(read_text(folder.path("plots/report.html")), ContainsSubstring("</html>"));
    REQUIRE(
        run("nmr-fit", {model(), csv, "--plot", folder.path("png"), "--picture", "png"}).status ==
        0);
    CHECK(read_text(folder.path("png/0000_echo.png")).starts_with("\x89PNG"));
}

TEST_CASE("nmr-fit: bad input is refused in one line and nothing is overwritten") {
    const Folder folder;
    const std::string out = folder.path("fit.csv");
    write_text(out, "old");
    const auto refused = [&](const std::vector<std::string>& arguments, const std::string& words) {
        std::vector<std::string> all = arguments;
        all.insert(all.end(), {"--out", out});
        require_refused("nmr-fit", all, words);
    };
    const std::string good = curve(folder, "good.csv");
    refused({model()}, "INPUT");
    refused({model(), folder.path("none.csv")}, "none.csv");
    refused({folder.path("none.safetensors"), good}, "none.safetensors");
    refused({good, good}, "good.csv");  // a curve is no model
    refused({model(), good, "--noise", "-1"}, "--noise");
    refused({model(), good, "--refine"}, "--refine needs --noise SIGMA > 0");
    refused({model(), good, good, "--samples", "10", "--noise", "1e-3", "--joint"}, "no --joint");
    refused({model(), good, "--fit-gain"}, "need --refine");

    std::vector<std::string> lines = lines_of(read_text(good));
    const auto damaged = [&](std::size_t line, const std::string& text) {
        std::string all;
        for (std::size_t i = 0; i < lines.size(); ++i) all += (i == line ? text : lines[i]) + "\n";
        write_text(folder.path("bad.csv"), all);
        return folder.path("bad.csv");
    };
    refused({model(), damaged(16, "190.0,0.1")}, "bad.csv:17");
    refused({model(), damaged(16, "190.0,0.1,nan,0")},
            "bad.csv: the sample at 190 us is not a number");
    refused({model(), damaged(16, "190.0,0.1,what,0")}, "bad.csv:17");
    write_text(folder.path("bad.csv"), "");
    refused({model(), folder.path("bad.csv")}, "bad.csv");

    // Times that do not cover the model's window, and a coarse curve.
    const Outcome other = run("nmr-simulate", {"challenge-2021", "--set", "acquisition.stop_us=200",
                                               "--out", folder.path("bad.csv")});
    REQUIRE(other.status == 0);
    refused({model(), folder.path("bad.csv")}, "cover");
    REQUIRE(run("nmr-simulate", {"challenge-2021", "--set", "acquisition.points=60", "--out",
                                 folder.path("bad.csv")})
                .status == 0);
    refused({model(), folder.path("bad.csv")}, "too far apart");

    // A data set of another experiment, and a truncated one.
    REQUIRE(run("nmr-generate",
                {"published-echo", "--set", "lattice.nx=8", "--set", "lattice.ny=8", "--count", "2",
                 "--seed", "1", "--quiet", "--out", folder.path("other.h5")})
                .status == 0);
    refused({model(), folder.path("other.h5")}, "another experiment");
    generate_short(folder.path("set.h5"), 3, 1);
    const std::string whole = read_text(folder.path("set.h5"));
    write_text(folder.path("set.h5"), whole.substr(0, whole.size() / 2));
    refused({model(), folder.path("set.h5")}, "set.h5");

    // A challenge folder with a wrong column count, and a NaN.
    REQUIRE(run("nmr-generate", short_challenge({"--count", "2", "--seed", "2", "--format",
                                                 "challenge", "--out", folder.path("set")}))
                .status == 0);
    const std::string real = read_text(folder.path("set/echos_r.txt"));
    const std::string imaginary = read_text(folder.path("set/echos_i.txt"));
    write_text(folder.path("set/echos_i.txt"), imaginary.substr(0, imaginary.rfind('\t')) + "\n");
    refused({model(), folder.path("set")}, "echos_i.txt:2");
    write_text(folder.path("set/echos_i.txt"), imaginary);
    write_text(folder.path("set/echos_r.txt"), "nan" + real.substr(real.find('\t')));
    refused({model(), folder.path("set")}, "echos_r.txt:1");

    // A truncated model.
    const std::string weights = read_text(model());
    write_text(folder.path("half.safetensors"), weights.substr(0, weights.size() / 2));
    refused({folder.path("half.safetensors"), good}, "half.safetensors");

    CHECK(read_text(out) == "old");
}

TEST_CASE("nmr-fit: curves noisier than any in training are fitted with a warning") {
    const Folder folder;
    const std::string csv = curve(folder, "echo.csv");
    const Outcome outcome = run("nmr-fit", {model(), csv, "--noise", "0.01", "--quiet"});
    REQUIRE(outcome.status == 0);
    REQUIRE(lines_of(outcome.err).size() == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("warning: the curves' noise is 0.01"));
    const std::vector<std::string> lines = lines_of(outcome.out);
    REQUIRE(lines.size() == 2);
    CHECK(fields_of(lines[1], ',').back() != "ok");
}

TEST_CASE("nmr-fit: the models that ship are found by name and know their own curves") {
    const Folder folder;
    for (const char* name : {"challenge-2020", "challenge-2021", "challenge-2024-gaussian",
                             "challenge-2024-rkky", "kernel-recognition", "summed-kernel"}) {
        // Two curves are enough to see a model that does not fit its experiment; its figures are
        // measured on thousands (libinverse/models).
        const std::string set = folder.path(std::string(name) + ".h5");
        REQUIRE(run("nmr-generate", {name, "--set", "accuracy.tolerance=1e-3", "--count", "2",
                                     "--seed", "11", "--out", set, "--quiet"})
                    .status == 0);
        const Outcome outcome = run("nmr-fit", {name, set, "--quiet"});
        INFO(name << ": " << outcome.err);
        REQUIRE(outcome.status == 0);
        const std::vector<std::string> lines = lines_of(outcome.out);
        REQUIRE(lines.size() == 3);
        for (std::size_t i = 1; i < lines.size(); ++i) {
            CHECK(fields_of(lines[i], ',').back() != "reject");
        }
    }
}

TEST_CASE("nmr-fit: a few answers are checked by fits, which see what the network does not") {
    const Folder folder;
    const auto simulated = [&](const std::string& name, std::vector<std::string> more) {
        std::vector<std::string> arguments = {"challenge-2021",
                                              "--set",
                                              "interaction.alpha_x_khz=90",
                                              "--set",
                                              "interaction.alpha_z_khz=120",
                                              "--set",
                                              "sequence.flip_deg=60",
                                              "--set",
                                              "acquisition.noise=1e-3",
                                              "--noise-seed",
                                              "3",
                                              "--out",
                                              folder.path(name)};
        arguments.insert(arguments.end(), more.begin(), more.end());
        REQUIRE(run("nmr-simulate", arguments).status == 0);
        return folder.path(name);
    };
    const std::string good = simulated("good.csv", {});
    const std::string louder = simulated("louder.csv", {"--set", "acquisition.gain=1.1"});
    const auto verdicts = [&](const std::vector<std::string>& more) {
        std::vector<std::string> arguments = {"challenge-2021", good, louder, "--noise", "1e-3"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const Outcome outcome = run("nmr-fit", arguments);
        REQUIRE(outcome.status == 0);
        const std::vector<std::string> lines = lines_of(outcome.out);
        REQUIRE(lines.size() == 3);
        const bool said = outcome.err.find("no curve of the experiment fits") != std::string::npos;
        CHECK(said == (more.empty() || more[0] == "--check"));
        return std::vector<std::string>{fields_of(lines[1], ',').back(),
                                        fields_of(lines[2], ',').back(),
                                        fields_of(lines[1], ',')[1]};
    };
    const std::vector<std::string> checked = verdicts({});
    CHECK(checked[0] == "ok");
    CHECK(checked[1] != "ok");
    CHECK(verdicts({"--check"}) == checked);
    const std::vector<std::string> unchecked = verdicts({"--no-check"});
    CHECK(unchecked[0] == "ok");
    CHECK(unchecked[2] == checked[2]);  // the estimate is the network's
    // No fits of what is drawn.
    const std::string lattice = folder.path("lattice.csv");
    REQUIRE(run("nmr-simulate", {"challenge-2020", "--out", lattice}).status == 0);
    const Outcome refused = run("nmr-fit", {"challenge-2020", lattice, "--check"});
    CHECK(refused.status == 2);
    CHECK(refused.err.find("uniform kernel") != std::string::npos);
    CHECK(
        run("nmr-fit", {"challenge-2021", good, "--check", "--refine", "--noise", "1e-3"}).status ==
        2);
}

TEST_CASE("nmr-fit: --refine from the shipped model brings a curve home") {
    const Folder folder;
    const std::string csv = folder.path("echo.csv");
    REQUIRE(run("nmr-simulate",
                {"challenge-2021", "--set", "acquisition.noise=1e-3", "--noise-seed", "3", "--set",
                 "interaction.alpha_x_khz=93", "--set", "interaction.alpha_z_khz=71", "--set",
                 "sequence.flip_deg=38", "--out", csv})
                .status == 0);
    const Outcome outcome =
        run("nmr-fit", {"challenge-2021", csv, "--noise", "1e-3", "--refine", "--quiet"});
    REQUIRE(outcome.status == 0);
    const auto fields = fields_of(lines_of(outcome.out)[1], ',');
    const double truth[3] = {93.0, 71.0, 38.0};
    for (std::size_t k = 0; k < 3; ++k) {
        // Five standard deviations, which are small.
        CHECK(std::abs(std::stod(fields[1 + 4 * k]) - truth[k]) <
              5.0 * std::stod(fields[2 + 4 * k]));
        CHECK(std::stod(fields[2 + 4 * k]) < 0.2);
    }
    CHECK(fields.back() == "ok");
}

TEST_CASE("nmr-fit: --samples writes draws of the posterior beside the estimates") {
    const Folder folder;
    const std::string csv = curve(folder, "echo.csv");
    const std::string out = folder.path("fit.csv");
    REQUIRE(run("nmr-fit", {model(), csv, "--samples", "50", "--out", out, "--quiet"}).status == 0);
    const std::vector<std::string> lines = lines_of(read_text(folder.path("fit.samples.csv")));
    REQUIRE(lines.size() == 51);
    CHECK(lines[0] == "curve,draw,alpha_x_khz,alpha_z_khz,flip_deg");
    double mean = 0.0;
    for (std::size_t i = 1; i <= 50; ++i) {
        const auto fields = fields_of(lines[i], ',');
        REQUIRE(fields.size() == 5);
        CHECK(fields[1] == std::to_string(i - 1));
        CHECK(std::stod(fields[4]) >= 10.0);
        CHECK(std::stod(fields[4]) <= 90.0);
        mean += std::stod(fields[4]) / 50.0;
    }
    const auto fit = fields_of(lines_of(read_text(out))[1], ',');
    // The mean of 50 draws lies within five of its standard errors, and the estimate's own mean
    // was learnt by itself: half a standard deviation more.
    CHECK(std::abs(mean - std::stod(fit[9])) < (0.5 + 5.0 / std::sqrt(50.0)) * std::stod(fit[10]));
    CHECK(run("nmr-fit", {model(), csv, "--samples", "5", "--quiet"}).status == 2);  // no --out
}

TEST_CASE("nmr-fit: --samples of refined fits follow the valley that a curve leaves open") {
    // Near 90 degrees only u = alpha_z cos(theta) shows, 0.35 kHz here; at 50 degrees all do.
    const Folder folder;
    const auto noisy = [&](const char* name, const char* alpha_z, const char* flip) {
        return curve(folder, name,
                     {"--set", "acquisition.noise=1e-3", "--noise-seed", "4", "--set",
                      "interaction.alpha_x_khz=10", "--set",
                      std::string("interaction.alpha_z_khz=") + alpha_z, "--set",
                      std::string("sequence.flip_deg=") + flip});
    };
    const std::string out = folder.path("fit.csv");
    REQUIRE(
        run("nmr-fit", {model(), noisy("open.csv", "200", "89.9"), noisy("known.csv", "120", "50"),
                        "--noise", "1e-3", "--refine", "--samples", "200", "--out", out, "--quiet"})
            .status == 0);
    const std::vector<std::string> fits = lines_of(read_text(out));
    const std::vector<std::string> lines = lines_of(read_text(folder.path("fit.samples.csv")));
    REQUIRE(lines.size() == 401);
    for (std::size_t c = 0; c < 2; ++c) {
        double sum = 0.0, square = 0.0;
        for (std::size_t i = 0; i < 200; ++i) {
            const auto fields = fields_of(lines[1 + 200 * c + i], ',');
            const double alpha_z = std::stod(fields[3]), flip = std::stod(fields[4]);
            sum += alpha_z / 200.0;
            square += alpha_z * alpha_z / 200.0;
            if (c == 0) {
                const double u = alpha_z * std::cos(flip * std::numbers::pi / 180.0);
                REQUIRE(u == Approx(200.0 * 1.7453e-3).margin(0.03));
            }
        }
        const auto fit = fields_of(fits[1 + c], ',');
        const double mean = std::stod(fit[5]), sd = std::stod(fit[6]);
        CAPTURE(c, mean, sd, sum, square);
        // 200 draws, of the first from 256 weighted ones: five standard errors.
        CHECK(std::abs(sum - mean) < 0.5 * sd);
        CHECK(std::sqrt(square - sum * sum) == Approx(sd).epsilon(0.4));
        CHECK((c == 0 ? sd > 20.0 : sd < 0.2));
    }
}

TEST_CASE("nmr-fit: --refine finds the parameters behind a noisy curve") {
    const Folder folder;
    const std::string csv = curve(folder, "noisy.csv",
                                  {"--set", "acquisition.noise=1e-3", "--noise-seed", "4", "--set",
                                   "interaction.alpha_x_khz=60", "--set",
                                   "interaction.alpha_z_khz=120", "--set", "sequence.flip_deg=50"});
    const Outcome outcome =
        run("nmr-fit", {model(), csv, "--noise", "1e-3", "--refine", "--quiet"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const auto fields = fields_of(lines_of(outcome.out)[1], ',');
    REQUIRE(fields.size() == 15);
    const double truth[3] = {60.0, 120.0, 50.0};
    for (std::size_t k = 0; k < 3; ++k) {
        const double mean = std::stod(fields[1 + 4 * k]), sd = std::stod(fields[2 + 4 * k]);
        CHECK(std::abs(mean - truth[k]) < 5.0 * sd);
        CHECK(sd < 1.0);
    }
    // sqrt(2) times the noise, give or take what 5 sigma of so many samples allow.
    CHECK(std::stod(fields[13]) == Approx(std::sqrt(2.0) * 1e-3).epsilon(0.3));
    CHECK(fields[14] == "ok");
}

namespace {

/// A shipped model and its experiment: what a user with a measured echo has.
const std::string kShipped = NMRSIM_SOURCE "/libinverse/models/challenge-2021.safetensors";

/// A measured echo of challenge-2021 as text: finer and longer than the model's window, in ms and
/// volts, its clock and its receiver's phase anywhere.
std::string measured_echo(const Folder& folder, const std::string& name, double flip_deg,
                          double late_us) {
    const std::string clean = folder.path("clean.csv");
    REQUIRE(run("nmr-simulate",
                {"challenge-2021", "--set", "interaction.alpha_x_khz=60", "--set",
                 "interaction.alpha_z_khz=180", "--set",
                 "sequence.flip_deg=" + std::to_string(flip_deg), "--set", "acquisition.noise=4e-4",
                 "--noise-seed", "1", "--set", "acquisition.start_us=120", "--set",
                 "acquisition.stop_us=290", "--set", "acquisition.points=2126", "--out", clean})
                .status == 0);
    std::string text = "t (ms)\tRe (V)\tIm (V)\n";
    const auto lines = lines_of(read_text(clean));
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto fields = fields_of(lines[i], ',');
        const double t = std::stod(fields[0]) + late_us, x = std::stod(fields[1]),
                     y = std::stod(fields[2]);
        const double c = 0.02 * std::cos(2.1), s = 0.02 * std::sin(2.1);
        char line[128];
        std::snprintf(line, sizeof line, "%.8f\t%.6e\t%.6e\n", 1e-3 * t, c * x - s * y,
                      s * x + c * y);
        text += line;
    }
    write_text(folder.path(name), text);
    return folder.path(name);
}

}  // namespace

TEST_CASE("nmr-fit: --measured finds, scales and fits an echo, and says what it did", "[slow]") {
    const Folder folder;
    const std::string echo = measured_echo(folder, "echo.txt", 60.0, -118.0);
    const Outcome outcome =
        run("nmr-fit", {kShipped, echo, "--measured", "--out", folder.path("fit.csv")});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    for (const char* words :
         {"2126 points, spacing 0.08 us, from 2 to 172 us; times in ms as the file", "noise ",
          "echo found at 81.9", "gain 0.0", "receiver phase 120", "low-passed from 2126",
          "chi-square "}) {
        INFO(words);
        CHECK(outcome.err.find(words) != outcome.err.npos);
    }
    const auto lines = lines_of(read_text(folder.path("fit.csv")));
    REQUIRE(lines.size() == 2);
    CHECK(lines[0] == kHeader);
    const auto fields = fields_of(lines[1], ',');
    const double truth[3] = {60.0, 180.0, 60.0};
    for (std::size_t k = 0; k < 3; ++k) {
        CHECK(std::abs(std::stod(fields[1 + 4 * k]) - truth[k]) <
              5.0 * std::stod(fields[2 + 4 * k]));
    }
    CHECK(fields[14] == "ok");
    const auto steps = nlohmann::json::parse(read_text(folder.path("fit.steps.json")));
    REQUIRE(steps.size() == 1);
    CHECK(steps[0]["gain"].get<double>() == Approx(0.02).epsilon(0.05));
    // The model's zero is at -118 us of the file's clock.
    CHECK(steps[0]["shift_us"].get<double>() == Approx(-118.0).margin(0.1));
    // Every other sample of the window's 136.1 us, less eight that are fitted.
    CHECK(steps[0]["spacing_us"].get<double>() == Approx(0.16));
    CHECK(steps[0]["points"].get<int>() == Approx(851).margin(1));
    CHECK(steps[0]["degrees"].get<double>() == 2 * steps[0]["points"].get<int>() - 8);
}

TEST_CASE("nmr-fit: --joint fits a sweep with common unknowns", "[slow]") {
    const Folder folder;
    std::vector<std::string> arguments = {kShipped, "--measured", "--joint", "--quiet"};
    for (const int flip : {30, 60, 80}) {
        arguments.push_back(
            measured_echo(folder, "echo" + std::to_string(flip) + ".txt", flip, 7.0 * flip));
    }
    const Outcome outcome = run("nmr-fit", arguments);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const auto lines = lines_of(outcome.out);
    REQUIRE(lines.size() == 4);
    for (std::size_t c = 1; c < 4; ++c) {
        const auto fields = fields_of(lines[c], ',');
        const double truth[3] = {60.0, 180.0, c == 1 ? 30.0 : c == 2 ? 60.0 : 80.0};
        for (std::size_t k = 0; k < 3; ++k) {
            CHECK(std::abs(std::stod(fields[1 + 4 * k]) - truth[k]) <
                  5.0 * std::stod(fields[2 + 4 * k]));
        }
        CHECK(fields[1] == fields_of(lines[1], ',')[1]);
        CHECK(fields[5] == fields_of(lines[1], ',')[5]);
    }
}

TEST_CASE("nmr-fit: flags of measured curves and joint fits that do not go together") {
    const Folder folder;
    const std::string good = curve(folder, "good.csv");
    const auto refused = [&](std::vector<std::string> arguments, const std::string& words) {
        arguments.insert(arguments.begin(), {model(), good});
        require_refused("nmr-fit", arguments, words);
    };
    refused({"--no-align"}, "need --measured");
    refused({"--per-curve", "flip_deg"}, "--per-curve needs --joint");
    refused({"--joint"}, "--joint needs --noise SIGMA > 0, or --measured");
    refused({"--start", "3"}, "--start needs --dwell");
    refused({"--dwell", "3"}, "--dwell needs --start");
    refused({"--dwell", "3kHz"}, "--dwell: expected a time such as 0.5us, got 3kHz");
    refused({"--dwell", "3us"}, "--dwell needs --start");
    refused({"--noise", "-1"}, "--noise: expected a number of 0 or more, got -1");
    refused({"--columns", "time=1,re=1"}, "exclude each other");
    refused({"--time-unit", "h"}, "--time-unit");
    refused({"--joint", "--noise", "1e-3"}, "--joint needs two or more curves");
}

TEST_CASE("nmr-fit: curves come through pipes") {
    const Folder folder;
    const std::string file = curve(folder, "echo.csv");
    const std::string expected = lines_of(run("nmr-fit", {model(), file}).out).at(1);
    for (const char* input : {"-", "/dev/stdin", "<(cat \"$2\")"}) {
        const std::string command = std::string("cat \"$2\" | \"$0\" \"$1\" ") + input;
        const Outcome outcome =
            run("/bin/bash", {"-c", command, program_path("nmr-fit"), model(), file});
        INFO(outcome.err);
        REQUIRE(outcome.status == 0);
        const std::string line = lines_of(outcome.out).at(1);
        CHECK(line.substr(line.find(',')) == expected.substr(expected.find(',')));
    }
}

TEST_CASE("nmr-fit: the same curve in other files") {
    const Folder folder;
    const std::string csv = curve(folder, "echo.csv");
    std::string text = "% Im;Re;t (ms)\n";
    const auto lines = lines_of(read_text(csv));
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto fields = fields_of(lines[i], ',');
        char time[32];
        std::snprintf(time, sizeof time, "%.12g", 1e-3 * std::stod(fields[0]));
        text += fields[2] + ";" + fields[1] + ";" + time + "\n";
    }
    write_text(folder.path("other.txt"), text);
    const Outcome a = run("nmr-fit", {model(), csv, "--noise", "1e-3"});
    const Outcome b = run("nmr-fit", {model(), folder.path("other.txt"), "--noise", "1e-3"});
    REQUIRE(a.status == 0);
    REQUIRE(b.status == 0);
    const auto fields_a = fields_of(lines_of(a.out)[1], ','),
               fields_b = fields_of(lines_of(b.out)[1], ',');
    for (std::size_t i = 1; i < 14; ++i) CHECK(fields_a[i] == fields_b[i]);
    CHECK(a.err.find("times in us as the file says") != a.err.npos);
    CHECK(b.err.find("times in ms as the file says") != b.err.npos);
}

TEST_CASE("nmr-fit: the commands of docs/measured-echo.md say what the page says", "[slow]") {
    const Folder folder;
    int commands = 0;
    for (const std::string& line : lines_of(read_text(NMRSIM_SOURCE "/docs/measured-echo.md"))) {
        if (!line.starts_with("    nmr-")) continue;
        std::vector<std::string> words = fields_of(line.substr(4), ' ');
        for (std::string& word : words) {
            if (word.ends_with(".csv")) word = folder.path(word);
        }
        const std::string program = words.front();
        words.erase(words.begin());
        const Outcome outcome = run(program, words);
        INFO(line << "\n" << outcome.err);
        REQUIRE(outcome.status == 0);
        ++commands;
    }
    CHECK(commands == 5);
    // One echo leaves alpha_z between wraps 30 kHz apart, and says so; the sweep does not.
    const auto alone = fields_of(lines_of(read_text(folder.path("fit45.csv")))[1], ',');
    CHECK(std::stod(alone[6]) > 5.0);
    CHECK(alone[14] == "caution");
    const auto rows = lines_of(read_text(folder.path("sweep.csv")));
    REQUIRE(rows.size() == 4);
    for (std::size_t c = 1; c < 4; ++c) {
        const auto fields = fields_of(rows[c], ',');
        CHECK(std::abs(std::stod(fields[5]) - 180.0) < 5.0 * std::stod(fields[6]));
        CHECK(std::stod(fields[6]) < 0.1);
        CHECK(fields[14] == "ok");
    }
}
