#include "nmrsim/challenge_files.h"

#include <cmath>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

/// Three curves with drawn parameters; the signal is any numbers.
Dataset example(const Experiment& experiment, std::size_t curves = 3) {
    Dataset set;
    set.unknowns = experiment.prior;
    set.time_us = acquisition_times_us(experiment);
    for (std::size_t i = 0; i < curves; ++i) {
        const std::vector<double> drawn = draw_parameters(experiment.prior, 2, i);
        set.parameters.insert(set.parameters.end(), drawn.begin(), drawn.end());
    }
    for (std::size_t i = 0; i < curves * 2 * set.points(); ++i) {
        set.signal.push_back(static_cast<float>(0.5 * std::sin(1.7 * static_cast<double>(i))));
    }
    return set;
}

Experiment four_points(const char* name) {
    Experiment experiment = load_experiment(name);
    experiment.acquisition.points = 4;
    return experiment;
}

struct Folder : TemporaryFolder {
    Experiment experiment = four_points("challenge-2021");
    Folder() {
        write("echos_r.txt", "1\t2\t3\t4\n5\t6\t7\t8\n");
        write("echos_i.txt", "-1\t-2\t-3\t-4\n-5\t-6\t-7\t-8\n");
        write("mat_info.txt", "10\t20\t30\n40\t50\t60\n");
    }
    Dataset load() const { return read_challenge(path(), experiment); }
    /// The message without the folder's name.
    std::string error() const {
        const std::string message = message_of<InputError>([&] { load(); });
        REQUIRE(message.starts_with(path()));
        return message.substr(std::min(path().size() + 1, message.size()));
    }
};

}  // namespace

TEST_CASE("curves and parameters of every experiment come back from the challenge's files") {
    for (const std::string& name : shipped_experiments()) {
        INFO(name);
        const Experiment experiment = load_experiment(name);
        const Dataset set = example(experiment);
        const TemporaryFolder folder;
        write_challenge(set, experiment, folder / "made/here");
        const Dataset back = read_challenge(folder / "made/here", experiment);
        CHECK(back.signal == set.signal);  // 9 digits hold every float
        CHECK(back.time_us == set.time_us);
        REQUIRE(back.parameters.size() == set.parameters.size());
        for (std::size_t i = 0; i < set.parameters.size(); ++i) {
            // 12 digits; a logarithm's digits count as absolute, d up to 13 here.
            CHECK(back.parameters[i] == Approx(set.parameters[i]).epsilon(1e-10));
        }
        for (std::size_t k = 0; k < set.unknowns.size(); ++k) {
            CHECK(back.unknowns[k].choices == set.unknowns[k].choices);
        }
        write_challenge(set, experiment, folder / "made/here");  // over the old ones
        CHECK(read_challenge(folder / "made/here", experiment).signal == set.signal);
    }
}

TEST_CASE("columns are in the challenge's units") {
    // 2020: alpha [MHz] acts by half; xi, p and d as they are.
    const double values_2020[] = {100.0, 7.0, 2.5, 4.25};
    const std::vector<double> columns_2020 =
        challenge_values(load_experiment("challenge-2020"), values_2020);
    REQUIRE(columns_2020.size() == 4);
    CHECK(columns_2020[0] == Approx(0.2).epsilon(1e-14));
    CHECK(columns_2020[1] == 7.0);
    CHECK(columns_2020[2] == 2.5);
    CHECK(columns_2020[3] == Approx(4.25).epsilon(1e-14));
    // 2021: kHz, kHz, degree.
    const double values_2021[] = {13.0, 264.0, 81.0};
    CHECK(challenge_values(load_experiment("challenge-2021"), values_2021) ==
          std::vector<double>{13.0, 264.0, 81.0});
    // 2024: alpha / (2 N) = 0.2 kHz; summed coupling / 2, Gamma_3 = 0.001 in units of 2 pi 1 MHz.
    const Experiment e = load_experiment("challenge-2024-gaussian");
    // The sum of exp(-(r/10)^2) is pi 10^2 - 1 up to exp(-(10 pi)^2) and, at the lattice's edge,
    // exp(-25).
    const double values_2024[] = {0.2, 0.2 * (100.0 * kPi - 1.0), 0.001 * kChallengeRatePerS};
    const std::vector<double> columns_2024 = challenge_values(e, values_2024);
    CHECK(columns_2024[0] == Approx(4.0).epsilon(1e-14));
    CHECK(columns_2024[1] == Approx(10.0).epsilon(1e-10));
    CHECK(columns_2024[2] == Approx(-std::log(0.001)).epsilon(1e-14));
}

TEST_CASE("files are tab-separated, one curve a line") {
    const Folder folder;
    const Dataset set = folder.load();
    CHECK(set.count() == 2);
    CHECK(set.signal == std::vector<float>{1, 2, 3, 4, -1, -2, -3, -4, 5, 6, 7, 8, -5, -6, -7, -8});
    CHECK(set.parameters == std::vector<double>{10, 20, 30, 40, 50, 60});
    const TemporaryFolder out;
    write_challenge(set, folder.experiment, out.path());
    for (const char* name : {"echos_r.txt", "echos_i.txt", "mat_info.txt"}) {
        CHECK(out.read(name) == folder.read(name));
    }
    CHECK(out.entries() == 3);
}

TEST_CASE("parameters stay empty without mat_info.txt") {
    const Folder folder;
    std::filesystem::remove(folder / "mat_info.txt");
    CHECK(folder.load().parameters.empty());
    CHECK(folder.load().count() == 2);
}

TEST_CASE("line ends and blanks of other programs are let pass") {
    const Folder folder;
    const Dataset set = folder.load();
    folder.write("echos_r.txt", "1 2 3 4\r\n  5\t 6 7.0e0 8 \t\r\n\n\n");
    folder.write("mat_info.txt", "10\t20\t30\n40\t50\t60");
    CHECK(folder.load().signal == set.signal);
    CHECK(folder.load().parameters == set.parameters);
}

TEST_CASE("the experiment's unknowns are the columns where it names none") {
    const Folder folder;
    Folder other;
    other.experiment.challenge.clear();
    CHECK(other.load().parameters == folder.load().parameters);
}

TEST_CASE("a kernel is the index of its choice plus 1/2") {
    Folder folder;
    folder.experiment = four_points("kernel-recognition");
    // kernel, summed_khz, xi, exponent: what does not apply to a gaussian is kept all the same.
    folder.write("mat_info.txt", "0.5\t30\t5\t2.25\n2.5\t40\t6\t3\n");
    CHECK(folder.load().parameters == std::vector<double>{0.5, 30, 5, 2.25, 2.5, 40, 6, 3});
    folder.write("mat_info.txt", "0.5\t30\t5\t2.25\n3.5\t40\t6\t3\n");
    CHECK(folder.error() == "mat_info.txt:2: interaction.kernel must be in [0, 3], got 3.5");
}

TEST_CASE("files that cannot be used are named by line") {
    const Folder folder;
    folder.write("echos_i.txt", "-1\t-2\t-3\t-4\n-5\t-6\t-7\n");
    CHECK(folder.error() == "echos_i.txt:2: expected 4 numbers, found 3");
    folder.write("echos_i.txt", "-1\t-2\t-3\t-4\n");
    CHECK(folder.error() == "echos_i.txt: expected 2 lines, as echos_r.txt has, found 1");
    folder.write("echos_i.txt", "-1\t-2\t-3\t-4\n\n-5\t-6\t-7\t-8\n");
    CHECK(folder.error() == "echos_i.txt:2: expected 4 numbers, found 0");
    folder.write("echos_i.txt", "-1\t-2\tnan\t-4\n");
    CHECK(folder.error() == "echos_i.txt:1: expected a finite number, found nan");
    folder.write("echos_i.txt", "-1\t-2\t1,5\t-4\n");
    CHECK(folder.error() == "echos_i.txt:1: expected a number, found \"1,5\"");
    std::filesystem::remove(folder / "echos_i.txt");
    CHECK(folder.error() == "echos_i.txt: no such file");
    folder.write("echos_i.txt", "");
    folder.write("echos_r.txt", "");
    CHECK_THAT(message_of<InputError>([&] { folder.load(); }),
               ContainsSubstring("expected curves, found none"));
    CHECK_THAT(message_of<InputError>([&] { read_challenge(folder / "no", folder.experiment); }),
               ContainsSubstring("expected a folder with echos_r.txt and echos_i.txt"));
}

TEST_CASE("a mat_info.txt that does not fit is named by line") {
    Folder folder;
    folder.write("mat_info.txt", "10\t20\t30\n");
    CHECK(folder.error() == "mat_info.txt: expected 2 lines, as echos_r.txt has, found 1");
    folder.write("mat_info.txt", "10\t20\t30\n40\t50\n");
    CHECK(folder.error() == "mat_info.txt:2: expected 3 numbers, found 2");
    folder.write("mat_info.txt", "10\t20\t30\n40\t5e9\t60\n");
    CHECK(folder.error() ==
          "mat_info.txt:2: interaction.alpha_z_khz must be in [-1e+06, 1e+06], got 5000000000");
    folder.experiment.challenge.pop_back();
    folder.write("mat_info.txt", "10\t20\n40\t50\n");
    CHECK(folder.error() == "mat_info.txt: no column of experiment challenge-2021 tells flip_deg");
}

TEST_CASE("a set without parameters has no mat_info.txt to write") {
    const Experiment experiment = four_points("challenge-2021");
    Dataset set = example(experiment);
    set.parameters.clear();
    const TemporaryFolder folder;
    CHECK_THROWS_AS(write_challenge(set, experiment, folder / "out"), std::invalid_argument);
    CHECK(folder.entries() == 0);
}

TEST_CASE("a set that breaks off leaves the folder as it was") {
    const Experiment experiment = four_points("challenge-2021");
    const Dataset set = example(experiment);
    const TemporaryFolder folder;
    write_challenge(set, experiment, folder.path(), "# these curves\n");
    CHECK(folder.entries() == 4);
    CHECK(folder.read("experiment.toml") == "# these curves\n");
    const std::string real = folder.read("echos_r.txt");
    Dataset other = set;
    for (float& value : other.signal) value += 1.0f;
    const auto breaks_off = [&](std::size_t first) -> Dataset {
        if (first > 0) throw std::runtime_error("stopped");
        return other;
    };
    CHECK(message_of<std::runtime_error>([&] {
              write_challenge(experiment, set.count() + 1, breaks_off, folder.path(), "# others\n");
          }) == "stopped");
    CHECK(folder.entries() == 4);
    CHECK(folder.read("experiment.toml") == "# these curves\n");
    CHECK(folder.read("echos_r.txt") == real);
    write_challenge(experiment, set.count(), breaks_off, folder.path(), "# others\n");
    CHECK(folder.entries() == 4);
    CHECK(folder.read("experiment.toml") == "# others\n");
    CHECK(read_challenge(folder.path(), experiment).signal == other.signal);
}
