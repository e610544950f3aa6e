#include <sys/stat.h>

#include <filesystem>

#include "catch_compat.h"
#include "program.h"

namespace {

/// What a run says on standard error beside the estimated error.
std::vector<std::string> warnings_of(const Outcome& outcome) {
    std::vector<std::string> lines = lines_of(outcome.err);
    std::erase_if(lines, [](const std::string& line) {
        return line.starts_with("estimated error ") && line.ends_with(" of the largest |M|");
    });
    return lines;
}

}  // namespace

TEST_CASE("Programs: help and version") {
    for (const char* program :
         {"nmr-simulate", "nmr-generate", "nmr-fit", "nmr-evaluate", "nmr-throughput"}) {
        INFO(program);
        require_help_and_version(program);
    }
}

TEST_CASE("nmr-simulate: a curve on standard output and in a file are the same") {
    const Folder folder;
    const Outcome shown = run("nmr-simulate", {"challenge-2021"});
    REQUIRE(shown.status == 0);
    REQUIRE(lines_of(shown.err).size() == 1);
    CHECK_THAT(shown.err, Catch::Matchers::StartsWith("estimated error ") &&
                              Catch::Matchers::EndsWith(" of the largest |M|\n"));
    CHECK(run("nmr-simulate", {"challenge-2021", "--quiet"}).err.empty());
    const auto lines = lines_of(shown.out);
    REQUIRE(lines.size() == 857);  // header and 856 points
    CHECK(lines[0] == "time_us,mx,my,mz");
    const std::string path = folder.path("curve.csv");
    const Outcome saved = run("nmr-simulate", {"challenge-2021", "--out", path});
    CHECK(saved.status == 0);
    CHECK(saved.out.empty());
    CHECK(read_text(path) == shown.out);
}

TEST_CASE("nmr-simulate: --set changes the curve, also from a TOML file") {
    const Folder folder;
    const auto last_line = [](const Outcome& outcome) {
        REQUIRE(outcome.status == 0);
        return lines_of(outcome.out).back();
    };
    const std::vector<std::string> settings = {"--set", "interaction.alpha_x_khz=12.5", "--set",
                                               "sequence.flip_deg=30"};
    std::vector<std::string> arguments = {"challenge-2021"};
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    const Outcome changed = run("nmr-simulate", arguments);
    CHECK(last_line(changed) != last_line(run("nmr-simulate", {"challenge-2021"})));

    write_text(folder.path("mine.toml"),
               "[interaction]\nkernel = \"uniform\"\nalpha_x_khz = 12.5\n"
               "[acquisition]\nstop_us = 120\npoints = 241\n");
    const Outcome mine = run("nmr-simulate", {folder.path("mine.toml")});
    CHECK(lines_of(mine.out).size() == 242);
}

TEST_CASE("nmr-simulate: a lattice echo depends on its seed alone") {
    const auto curve = [](const std::string& seed, const std::string& threads) {
        const Outcome outcome = run(
            "nmr-simulate", {"published-echo", "--set", "lattice.nx=12", "--set", "lattice.ny=10",
                             "--set", "lattice.seed=" + seed, "--threads", threads});
        REQUIRE(outcome.status == 0);
        return outcome.out;
    };
    CHECK(curve("3", "1") == curve("3", "2"));
    CHECK(curve("3", "1") != curve("4", "1"));
}

TEST_CASE("nmr-simulate: --list shows the seven experiments that ship") {
    const Outcome outcome = run("nmr-simulate", {"--list"});
    CHECK(outcome.status == 0);
    const auto lines = lines_of(outcome.out);
    REQUIRE(lines.size() == 7);
    for (const std::string name :
         {"challenge-2020", "challenge-2021", "challenge-2024-gaussian", "challenge-2024-rkky",
          "kernel-recognition", "published-echo", "summed-kernel"}) {
        CHECK_THAT(outcome.out, ContainsSubstring(name));
        // Each runs by its name.
        CHECK(run("nmr-simulate", {name, "--set", "accuracy.tolerance=1e-2"}).status == 0);
    }
}

TEST_CASE("nmr-simulate: the experiment in docs/formats.md runs") {
    const Folder folder;
    std::string toml;
    bool inside = false;
    for (const std::string& line : lines_of(read_text(NMRSIM_SOURCE "/docs/formats.md"))) {
        if (line.starts_with("## ")) inside = line == "## Experiments (TOML)";
        if (inside && line.starts_with("    ")) toml += line.substr(4) + "\n";
    }
    write_text(folder.path("echo.toml"), toml);
    const Outcome outcome = run("nmr-simulate", {folder.path("echo.toml")});
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    CHECK(lines_of(outcome.out).size() == 501);
}

TEST_CASE("nmr-simulate: the sequences in docs/formats.md run, and no warning is due") {
    int texts = 0;
    bool inside = false;
    for (const std::string& line : lines_of(read_text(NMRSIM_SOURCE "/docs/formats.md"))) {
        if (line.starts_with("## ")) inside = line == "## Sequences (text)";
        if (!inside || !line.starts_with("    ")) continue;
        INFO(line);
        const Outcome outcome =
            run("nmr-simulate", {"challenge-2021", "--sequence", line.substr(4)});
        CHECK(outcome.status == 0);
        CHECK(warnings_of(outcome).empty());
        ++texts;
    }
    CHECK(texts == 9);
}

TEST_CASE("nmr-simulate: --plot draws an SVG or a PNG, as the name asks") {
    const Folder folder;
    for (const char* picture : {"c.svg", "c.png"}) {
        const Outcome outcome =
            run("nmr-simulate",
                {"challenge-2021", "--out", folder.path("c.csv"), "--plot", folder.path(picture)});
        INFO(outcome.err);
        REQUIRE(outcome.status == 0);
    }
    CHECK_THAT(read_text(folder.path("c.svg")), ContainsSubstring("</svg>"));
    const std::string png = read_text(folder.path("c.png"));
    CHECK(png.rfind("\x89PNG\r\n\x1a\n", 0) == 0);
    CHECK(png.find("IEND") != png.npos);
    require_refused("nmr-simulate", {"challenge-2021", "--plot", folder.path("c.pdf")},
                    "a picture's name must end in .svg or .png");
}

TEST_CASE("nmr-simulate: --sequence takes the place of the experiment's, before --set") {
    const Outcome train =
        run("nmr-simulate", {"challenge-2021", "--sequence", "cpmg 20us 8; acquire 0 400us 401",
                             "--set", "acquisition.points=101"});
    CHECK(train.status == 0);
    CHECK(warnings_of(train).empty());
    CHECK(lines_of(train.out).size() == 102);
    CHECK(lines_of(train.out).back().starts_with("400,"));
    const auto echo = [](const std::vector<std::string>& more) {
        std::vector<std::string> arguments = {"challenge-2021"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run("nmr-simulate", arguments).out;
    };
    CHECK(echo({"--sequence", "hahn 99.94930426171028us 50 2 -x -y"}) == echo({}));
    CHECK(echo({"--sequence", "hahn 99us 20", "--set", "sequence.flip_deg=40"}) ==
          echo({"--sequence", "hahn 99us 40"}));
}

TEST_CASE("nmr-simulate: --sweep writes the curves of single runs side by side") {
    const Folder folder;
    const Outcome sweep = run(
        "nmr-simulate",
        {"challenge-2021", "--sweep", "sequence.flip_deg=30:90:3", "--plot", folder.path("s.svg")});
    REQUIRE(sweep.status == 0);
    CHECK(warnings_of(sweep).empty());
    const auto lines = lines_of(sweep.out);
    REQUIRE(lines.size() == 857);
    CHECK(lines[0] ==
          "time_us,mx(flip_deg=30),my(flip_deg=30),mz(flip_deg=30),mx(flip_deg=60),my(flip_deg=60),"
          "mz(flip_deg=60),mx(flip_deg=90),my(flip_deg=90),mz(flip_deg=90)");
    std::string row;
    for (const std::string angle : {"30", "60", "90"}) {
        const std::string line =
            lines_of(run("nmr-simulate", {"challenge-2021", "--set", "sequence.flip_deg=" + angle})
                         .out)[400];
        row += row.empty() ? line : line.substr(line.find(','));
    }
    CHECK(lines[400] == row);
    CHECK_THAT(read_text(folder.path("s.svg")), ContainsSubstring("flip_deg=60"));
}

TEST_CASE("nmr-simulate: what looks wrong is a warning, one line each") {
    const Outcome outcome =
        run("nmr-simulate", {"challenge-2021", "--set", "sequence.flip_deg=1.5708", "--set",
                             "line.half_width_khz=300"});
    CHECK(outcome.status == 0);
    CHECK(lines_of(outcome.out).size() == 857);
    const auto lines = warnings_of(outcome);
    REQUIRE(lines.size() == 2);
    CHECK_THAT(lines[0], ContainsSubstring("nmr-simulate: warning: line.half_width_khz = 300"));
    CHECK_THAT(lines[1], ContainsSubstring("looks like radians"));
    const Outcome sweep = run("nmr-simulate", {"published-echo", "--set", "lattice.nx=12", "--set",
                                               "lattice.ny=12", "--sweep", "interaction.xi=3,7.5"});
    CHECK(sweep.status == 0);
    CHECK(warnings_of(sweep).empty());  // 7.5 is inside the prior
    const Outcome wide = run("nmr-simulate", {"published-echo", "--set", "lattice.nx=12", "--set",
                                              "lattice.ny=12", "--sweep", "interaction.xi=3,31"});
    REQUIRE(warnings_of(wide).size() == 1);
    CHECK_THAT(wide.err, ContainsSubstring("warning: lattice: a side of 12 sites"));
}

TEST_CASE("nmr-simulate: bad input is refused in one line") {
    const Folder folder;
    const std::string out = folder.path("curve.csv");
    write_text(out, "old");
    require_refused("nmr-simulate", {"--out", out}, "EXPERIMENT");
    require_refused("nmr-simulate", {"challenge-2021", "--oot", out}, "--oot");
    require_refused("nmr-simulate", {"challenge-2021", "--swep=xi=1,2"}, "did you mean --sweep?");
    require_refused("nmr-simulate", {"challenge-2021", "--set", "sequence.flp_deg=9"},
                    "did you mean flip_deg?");
    require_refused("nmr-simulate", {"--completion", "csh"}, "bash, zsh or fish, got csh");
    require_refused("nmr-simulate", {"no-such.toml", "--out", out}, "no-such.toml");
    require_refused("nmr-simulate", {"challenge-2012", "--out", out}, "challenge-2012");
    require_refused("nmr-simulate",
                    {"challenge-2021", "--set", "interaction.alfa_x_khz=3", "--out", out},
                    "alpha_x_khz");
    require_refused("nmr-simulate",
                    {"challenge-2021", "--set", "line.half_width_khz=-3", "--out", out},
                    "line.half_width_khz");
    require_refused("nmr-simulate",
                    {"challenge-2021", "--set", "interaction.alpha_x_khz=nan", "--out", out},
                    "alpha_x_khz");
    require_refused("nmr-simulate", {"challenge-2021", "--set", "nonsense", "--out", out},
                    "nonsense");
    require_refused("nmr-simulate", {"challenge-2021", "--sequence", "puls 90 x", "--out", out},
                    "sequence item 1 \"puls 90 x\"");
    require_refused("nmr-simulate", {"challenge-2021", "--sequence", "", "--out", out},
                    "sequence: expected items");
    require_refused("nmr-simulate", {"challenge-2021", "--sweep", "flop_deg=1,2", "--out", out},
                    "did you mean flip_deg?");
    require_refused("nmr-simulate", {"challenge-2021", "--sweep", "tau_us=-1,2", "--out", out},
                    "sequence.tau_us");
    require_refused("nmr-simulate", {"challenge-2021", "--sweep", "", "--out", out}, "sweep \"\"");
    require_refused("nmr-simulate", {"challenge-2021", "--threads", "0", "--out", out},
                    "--threads");
    write_text(folder.path("bad.toml"), "[interaction]\nkernel = \"uniform\nalpha_x_khz = 1\n");
    require_refused("nmr-simulate", {folder.path("bad.toml"), "--out", out}, "bad.toml:2");
    CHECK(read_text(out) == "old");
    CHECK(folder.entries() == 2);
    require_refused("nmr-simulate", {"challenge-2021", "--out", folder.path("none/curve.csv")},
                    "there is no folder");
}

TEST_CASE("nmr-simulate: a full disk is a failure, not a bad input") {
    const Outcome outcome = run("nmr-simulate", {"challenge-2021", "--out", "/dev/full"});
    CHECK(outcome.status == 1);
    CHECK(lines_of(outcome.err).size() == 1);
}

TEST_CASE("nmr-simulate: --bound prints what noise leaves of each unknown") {
    const std::vector<std::string> noise = {"challenge-2021", "--set", "acquisition.noise=1e-3"};
    auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), noise.begin(), noise.end());
        return run("nmr-simulate", more);
    };
    const Outcome bound = with({"--bound"});
    REQUIRE(bound.status == 0);
    const auto lines = lines_of(bound.out);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0] == "parameter,unit,value,bound");
    CHECK(lines[1].rfind("alpha_x_khz,kHz,", 0) == 0);
    // Ten times the noise, ten times the bound.
    const auto last_number = [](const std::string& line) {
        return std::stod(line.substr(line.rfind(',') + 1));
    };
    const Outcome louder = run("nmr-simulate", {"challenge-2021", "--set", "acquisition.noise=1e-2",
                                                "--bound", "--by", "flip_deg,gain"});
    REQUIRE(louder.status == 0);
    const Outcome quieter = with({"--bound", "--by", "flip_deg,gain"});
    CHECK(last_number(lines_of(louder.out)[1]) ==
          Approx(10.0 * last_number(lines_of(quieter.out)[1])).epsilon(1e-4));
    // More unknowns can only make it worse.
    const Outcome alone = with({"--bound", "--by", "flip_deg"});
    CHECK(last_number(lines_of(alone.out)[1]) < last_number(lines[3]));

    CHECK(run("nmr-simulate", {"challenge-2021", "--bound"}).status == 2);
    // A choice has no bound, nor has what does not apply to the experiment's own kernel.
    const Outcome gaussian = run(
        "nmr-simulate", {"kernel-recognition", "--set", "lattice.nx=6", "--set", "lattice.ny=6",
                         "--set", "interaction.xi=1.5", "--set", "prior.xi=[1,2]", "--set",
                         "acquisition.points=20", "--set", "acquisition.noise=1e-3", "--bound"});
    INFO(gaussian.err);
    const auto rows = lines_of(gaussian.out);
    REQUIRE(rows.size() == 3);
    CHECK(rows[1].starts_with("summed_khz,kHz,"));
    CHECK(rows[2].starts_with("xi,,1.5,"));
    CHECK(with({"--by", "flip_deg"}).status == 2);
    CHECK(with({"--bound", "--by", "noise"}).status == 2);
    CHECK(with({"--bound", "--sweep", "sequence.flip_deg=10,20"}).status == 2);
}

TEST_CASE("nmr-simulate: what stands beside a curve makes the same curve again") {
    const Folder folder;
    const std::string out = folder.path("curve.csv");
    REQUIRE(run("nmr-simulate", {"challenge-2021", "--set", "interaction.alpha_x_khz=61.25",
                                 "--set", "acquisition.points=20", "--out", out})
                .status == 0);
    const std::string made_of = read_text(out + ".toml");
    CHECK_THAT(made_of, ContainsSubstring("nmr-simulate challenge-2021 --set "
                                          "interaction.alpha_x_khz=61.25"));
    CHECK_THAT(made_of, Catch::Matchers::StartsWith("# nmr-simulate "));
    const std::string again = folder.path("again.csv");
    REQUIRE(run("nmr-simulate", {out + ".toml", "--out", again}).status == 0);
    CHECK(same_bytes(out, again));
}

TEST_CASE("nmr-simulate: --noise-seed adds noise that can be had again") {
    const std::vector<std::string> quiet = {"challenge-2021", "--set", "acquisition.noise=0.01"};
    const auto with_seed = [&](const std::string& seed) {
        std::vector<std::string> arguments = quiet;
        arguments.insert(arguments.end(), {"--noise-seed", seed});
        return run("nmr-simulate", arguments);
    };
    const Outcome first = with_seed("1");
    REQUIRE(first.status == 0);
    CHECK(with_seed("1").out == first.out);
    CHECK(with_seed("2").out != first.out);
    CHECK(run("nmr-simulate", quiet).out != first.out);
    CHECK(run("nmr-simulate", {"challenge-2021", "--noise-seed", "1"}).status == 2);
}

TEST_CASE("nmr-simulate: a signal ends hours of work, and an input that never comes, at once") {
    const Folder folder;
    const std::string out = folder.path("sweep.csv");
    // Some 0.1 s a curve.
    const Outcome sweep =
        run_and_signal("nmr-simulate",
                       {"published-echo", "--sweep", "sequence.flip_deg=1:90:90000", "--quiet",
                        "--threads", "1", "--out", out},
                       SIGTERM, 1.0);
    INFO(sweep.err);
    CHECK(sweep.status == 143);
    CHECK_THAT(lines_of(sweep.err).back(), ContainsSubstring("interrupted by SIGTERM"));
    CHECK(folder.entries() == 0);

    const std::string pipe = folder.path("experiment.toml");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    const Outcome waits = run_and_signal("nmr-simulate", {pipe}, SIGINT, 0.3);
    INFO(waits.err);
    CHECK(waits.status == 130);
    CHECK(lines_of(waits.err).size() == 1);
}

TEST_CASE("nmr-simulate: an experiment is not written over, by whatever name") {
    const Folder folder;
    const std::string mine = folder.path("mine.toml");
    const std::string before =
        read_text(std::string(NMRSIM_SOURCE) + "/libnmrsim/experiments/challenge-2021.toml");
    write_text(mine, before);
    std::filesystem::create_symlink(mine, folder.path("link.csv"));
    std::filesystem::create_hard_link(mine, folder.path("other.csv"));
    for (const std::string& out : {mine, folder.path("link.csv"), folder.path("other.csv"),
                                   folder.path(".") + "/mine.toml"}) {
        require_refused("nmr-simulate", {mine, "--out", out}, "is read");
    }
    // Nor is what stands beside a curve, where it would say something else afterwards.
    const std::string beside = folder.path("curve.csv.toml");
    std::filesystem::copy(mine, beside);
    require_refused("nmr-simulate",
                    {beside, "--set", "sequence.flip_deg=20", "--out", folder.path("curve.csv")},
                    "is read");
    REQUIRE(run("nmr-simulate", {beside, "--out", folder.path("curve.csv")}).status == 0);
    CHECK(read_text(beside) == before);
    CHECK(read_text(mine) == before);
}

TEST_CASE("nmr-simulate: two results do not go to one file") {
    const Folder folder;
    const std::string out = folder.path("a.svg");
    const std::string link = folder.path("link.svg");
    std::filesystem::create_symlink("a.svg", link);
    for (const std::string& plot : {out, folder.path("./a.svg"), link}) {
        require_refused("nmr-simulate", {"challenge-2021", "--out", out, "--plot", plot},
                        "another of its results");
    }
    CHECK_FALSE(exists(out));
}

TEST_CASE("nmr-simulate: an experiment comes through a pipe") {
    const std::string file =
        std::string(NMRSIM_SOURCE) + "/libnmrsim/experiments/challenge-2021.toml";
    const std::vector<std::string> few = {"--quiet", "--set", "acquisition.points=9"};
    const std::string expected = run("nmr-simulate", {file, few[0], few[1], few[2]}).out;
    for (const char* input : {"-", "/dev/stdin", "<(cat \"$1\")"}) {
        const std::string command = std::string("cat \"$1\" | \"$0\" ") + input + " \"${@:2}\"";
        const Outcome outcome = run("/bin/bash", {"-c", command, program_path("nmr-simulate"), file,
                                                  few[0], few[1], few[2]});
        INFO(outcome.err);
        CHECK(outcome.out == expected);
    }
}

TEST_CASE("nmr-simulate: --out keeps a link and a mode, and goes into pipes") {
    const Folder folder;
    const std::string real = folder.path("real.csv");
    const std::string link = folder.path("link.csv");
    std::filesystem::create_symlink("real.csv", link);  // which is not there yet
    const std::vector<std::string> plain = {"challenge-2021", "--set", "acquisition.points=9",
                                            "--quiet"};
    const auto to = [&](const std::string& out) {
        std::vector<std::string> arguments = plain;
        arguments.insert(arguments.end(), {"--out", out});
        return run("nmr-simulate", arguments);
    };
    REQUIRE(to(link).status == 0);
    CHECK(std::filesystem::is_symlink(link));
    REQUIRE(std::filesystem::is_regular_file(real));
    REQUIRE(chmod(real.c_str(), 0664) == 0);
    REQUIRE(to(link).status == 0);
    CHECK(std::filesystem::is_symlink(link));
    CHECK(std::filesystem::status(real).permissions() == std::filesystem::perms(0664));

    const std::string expected = run("nmr-simulate", plain).out;
    CHECK(read_text(real) == expected);
    for (const char* name : {"-", "/dev/stdout", "/dev/fd/1"}) {
        const Outcome outcome = to(name);
        INFO(name << ": " << outcome.err);
        CHECK(outcome.status == 0);
        CHECK(outcome.out == expected);
        CHECK(outcome.err.empty());
    }
    const Outcome piped =
        run("/bin/bash", {"-c", "\"$0\" \"${@}\" --out >(cat) | cat", program_path("nmr-simulate"),
                          plain[0], plain[1], plain[2], plain[3]});
    CHECK(piped.out == expected);
}

TEST_CASE("nmr-simulate: NMRSIM_LONGEST_S in the environment says how long a curve may take") {
    const auto with = [](const std::string& seconds, std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(),
                         {"NMRSIM_LONGEST_S=" + seconds, program_path("nmr-simulate")});
        return arguments;
    };
    const Outcome refused = run("/usr/bin/env", with("1e-6", {"challenge-2021"}));
    CHECK(refused.status == 2);
    CHECK(refused.out.empty());
    CHECK_THAT(refused.err, ContainsSubstring("set NMRSIM_LONGEST_S=1 "));
    CHECK(run("/usr/bin/env", with("1", {"challenge-2021"})).status == 0);
    // What would take hours begins where it is told to, and goes on until it is stopped.
    const std::vector<std::string> hours = {"published-echo", "--set", "line.centre_khz=1", "--set",
                                            "acquisition.stop_us=1e6"};
    require_refused("nmr-simulate", hours, "NMRSIM_LONGEST_S");
    CHECK(run_and_signal("/usr/bin/env", with("1e9", hours), SIGINT, 0.3).status == 130);
}
