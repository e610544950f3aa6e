// nmr-simulate: names of sequences, windows, series and what is read off them.

#include "catch_compat.h"
#include "program.h"

namespace {

const std::vector<std::string> kNamed = {
    "challenge-2021", "--quiet", "--sequence",
    "let tau = 50us; pulse 60 x; delay tau; pulse 120 y; acquire echo-10us echo+10us 41"};

Outcome simulate(std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run("nmr-simulate", arguments);
}

}  // namespace

TEST_CASE("nmr-simulate: names are set and swept, windows follow the echo") {
    const auto lines = lines_of(simulate(kNamed, {"--set", "sequence.tau=30us"}).out);
    REQUIRE(lines.size() == 42);
    CHECK(lines[1].starts_with("50,"));
    CHECK(lines_of(simulate(kNamed, {"--set", "sequence.tau=30"}).out) == lines);
    const Folder folder;
    const std::string path = folder.path("echo.csv");
    CHECK(simulate(kNamed, {"--set", "sequence.tau=30us", "--out", path}).status == 0);
    const Outcome again = run("nmr-simulate", {path + ".toml", "--quiet"});
    CHECK(lines_of(again.out) == lines);
    std::vector<std::string> still = kNamed;
    still.back() = "let tau = 50us; pulse 60 x; delay tau; pulse 120 y; acquire 120us 140us 41";
    const Outcome swept = simulate(still, {"--sweep", "sequence.tau=40:60:3"});
    CHECK(swept.status == 0);
    CHECK(lines_of(swept.out)[0].starts_with("time_us,mx(tau=40),"));
    CHECK(
        simulate(kNamed, {"--bound", "--by", "tau,alpha_x_khz", "--set", "acquisition.noise=1e-3"})
            .out.starts_with("parameter,unit,value,bound\ntau,us,50,"));
    require_refused("nmr-simulate", {"challenge-2021", "--sequence", "delay tau"},
                    "tau has no value from a let before");
    require_refused("nmr-simulate",
                    {"challenge-2021", "--sequence", "hahn 5us; acquire echo-12us echo+1us 9"},
                    "acquisition.start_us = -12 us from the echo is 2 us before the first pulse");
}

TEST_CASE("nmr-simulate: series and what is read off them") {
    const Folder folder;
    const std::string records = folder.path("records.csv");
    write_text(records, "sequence.tau,acquisition.points\n20us,5\n30us,9\n");
    std::vector<std::string> series = kNamed;
    series.insert(series.end(), {"--series", records});
    const auto lines = lines_of(simulate(series, {}).out);
    REQUIRE(lines.size() == 15);
    CHECK(lines[0] == "record,time_us,mx,my,mz");
    CHECK((lines[1].starts_with("1,30,") && lines[6].starts_with("2,50,")));
    const std::string picture = folder.path("series.svg");
    const std::string path = folder.path("series.csv");
    CHECK(simulate(series, {"--out", path, "--plot", picture}).status == 0);
    CHECK(lines_of(run("nmr-simulate", {path + ".toml", "--quiet"}).out) == lines);

    const auto decay = lines_of(simulate(series, {"--observe", "decay"}).out);
    REQUIRE(decay.size() == 3);
    CHECK(decay[0] == "sequence.tau,acquisition.points,time_us,magnitude,relative");
    CHECK(decay[2].starts_with("30us,9,60,"));
    CHECK(lines_of(simulate(kNamed, {"--observe", "echo-integral"}).out).size() == 2);
    CHECK(simulate(kNamed, {"--observe", "spectrum", "--apodisation", "5,2"})
              .out.starts_with("frequency_khz,re,im,magnitude\n"));
    for (const auto& [more, expected] :
         std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{"--observe", "spectra"}, "did you mean spectrum?"},
             {{"--apodisation", "5"}, "--apodisation needs --observe spectrum"},
             {{"--observe", "decay", "--sweep", "sequence.pulse_scale=1,2"}, "--observe goes with"},
             {{"--sweep", "sequence.pulse_scale=1,2"}, "a series cannot be swept"},
             {{"--series", folder.path("none.csv")}, "none.csv"}}) {
        std::vector<std::string> arguments = series;
        if (more[0] == "--series") arguments.resize(kNamed.size());
        arguments.insert(arguments.end(), more.begin(), more.end());
        require_refused("nmr-simulate", arguments, expected);
    }
    write_text(records, "interaction.alpha_x_khz\n20\n30\n");
    require_refused("nmr-simulate", {"challenge-2021", "--series", records},
                    "series[0]: interaction.alpha_x_khz is an unknown, which the records have in "
                    "common");
}
