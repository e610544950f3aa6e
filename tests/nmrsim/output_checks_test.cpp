#include "nmrsim/output_checks.h"

#include <filesystem>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/provenance.h"
#include "temporary_folder.h"

using namespace nmrsim;

TEST_CASE("Outputs: an input is not written over by whatever name, another output neither") {
    const TemporaryFolder folder;
    const std::string data = folder.write("data.h5", "curves"), link = folder / "link.h5";
    std::filesystem::create_hard_link(data, link);
    CHECK_THROWS_WITH(check_not_input("--out", link, {data + ":/echo"}),
                      ContainsSubstring("--out") && ContainsSubstring("data.h5"));
    CHECK_NOTHROW(check_not_input("--out", folder / "new.h5", {data}));
    std::filesystem::create_directory(folder / "set");
    folder.write("set/mat_info.txt", "1 2 3");
    CHECK_THROWS_WITH(check_not_input("--out", folder / "set/mat_info.txt", {folder / "set"}),
                      ContainsSubstring("mat_info.txt"));
    CHECK_THROWS_AS(check_not_output("--plot", folder / "a.svg", {folder / "./a.svg"}),
                    std::invalid_argument);
    CHECK_NOTHROW(check_not_output("--plot", "-", {"-"}));
}

TEST_CASE("Outputs: folders that are not there, folders for files and files for folders") {
    const TemporaryFolder folder;
    folder.write("file", "");
    CHECK_THROWS_WITH(check_output_folder("--out", folder / "no/a.csv"),
                      ContainsSubstring("there is no folder"));
    CHECK_THROWS_WITH(check_output_folder("--out", folder.path()),
                      ContainsSubstring("found a folder"));
    CHECK_THROWS_WITH(check_is_folder("--out", folder / "file"), ContainsSubstring("found a file"));
    CHECK_NOTHROW(check_is_folder("--out", folder / "new"));
    CHECK_THROWS_AS(check_is_file("--out", "/dev/null"), std::invalid_argument);
    CHECK_THROWS_AS(check_is_file("--out", "-"), std::invalid_argument);
    CHECK_NOTHROW(check_is_file("--out", folder / "new.h5"));
}

TEST_CASE("Provenance: a command as a shell reads it again, an experiment that is read again") {
    const TemporaryFolder folder;
    const Provenance made{"nmr-fit", {"nmr-fit", "my echo.csv", "it's", "", "--set=a=1"}};
    CHECK(made.command_text() == "nmr-fit 'my echo.csv' 'it'\\''s' '' --set=a=1");
    CHECK_THAT(made.in_words(), ContainsSubstring("Made by nmr-fit"));
    const Experiment experiment = load_experiment("challenge-2021");
    const Provenance lines{"nmr-fit", {"nmr-fit", "two\nlines"}};
    const std::string text = experiment_to_toml(parse_experiment(lines.toml(experiment), "again"));
    CHECK(text == experiment_to_toml(experiment));
    made.write(experiment, folder / "fit.csv");
    CHECK(std::filesystem::exists(folder / "fit.csv.toml"));
    made.write(experiment, "-");
    CHECK_FALSE(std::filesystem::exists("-.toml"));
}
