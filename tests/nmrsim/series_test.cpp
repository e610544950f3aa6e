// Series: records of their own settings as one curve.

#include "nmrsim/series.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/curve_file.h"
#include "nmrsim/dataset.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/observables.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

/// Two echoes of one material, each at its own tau, sampled about the echo.
Experiment two_echoes() {
    Experiment e = parse_experiment(R"(
[interaction]
kernel = "uniform"
alpha_x_khz = 60.0
[sequence]
flip_deg = 60.0
refocus_phase_deg = 90.0
[acquisition]
origin = "echo"
start_us = -8.0
stop_us = 8.0
points = 17
noise = 0.01
[prior]
alpha_x_khz = [20.0, 100.0]
flip_deg = [30.0, 80.0]
[[series]]
sequence.tau_us = 15
[[series]]
sequence.tau_us = 25.0
acquisition.points = 9
)",
                                    "series.toml");
    return e;
}

std::string invalid(const Experiment& e) {
    return message_of<std::invalid_argument>([&] { e.validate(); });
}

}  // namespace

TEST_CASE("a series is its records one after the other") {
    const Experiment e = two_echoes();
    const std::vector<Experiment> records = series_records(e);
    REQUIRE(records.size() == 2);
    REQUIRE(sample_count(e) == 26);
    CHECK((records[0].series.empty() && records[1].series.empty()));
    const Signal whole = simulate(e);
    REQUIRE(whole.points() == 26);
    CHECK((whole.time_us[0] == 22.0 && whole.time_us[17] == 42.0));
    CHECK(whole.time_us == acquisition_times_us(e));
    for (std::size_t r = 0; r < 2; ++r) {
        const Signal alone = simulate(records[r]);
        const Signal part = record_of(whole, records, r);
        CHECK(part.time_us == alone.time_us);
        CHECK((part.mx == alone.mx && part.my == alone.my && part.mz == alone.mz));
    }
    CHECK_THROWS_AS(record_of(simulate(records[0]), records, 1), std::invalid_argument);
    const Experiment back = parse_experiment(experiment_to_toml(e), "text");
    CHECK(experiment_to_toml(back) == experiment_to_toml(e));
    CHECK(back.series.size() == 2);

    const std::string csv = curve_to_csv(e, whole);
    CHECK(csv.starts_with("record,time_us,mx,my,mz\n1,22,"));
    CHECK(csv.find("\n2,42,") != std::string::npos);
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 27);
}

TEST_CASE("a series is drawn, stored and differentiated as one") {
    const TemporaryFolder folder;
    Experiment e = two_echoes();
    std::swap(e.series[0], e.series[1]);  // times that do not ascend from record to record
    const std::vector<Experiment> records = series_records(e);
    const Dataset set = generate_dataset(e, 3, 11);
    REQUIRE((set.count() == 3 && set.points() == 26));
    const std::string path = folder.path() + "/series.h5";
    write_dataset(set, path);
    const Dataset read = read_dataset(path);
    CHECK(read.signal == set.signal);
    // Files have seconds.
    for (std::size_t k = 0; k < 26; ++k) CHECK(read.time_us[k] == Approx(set.time_us[k]));
    CHECK(parse_experiment(read.experiment_toml, path).series.size() == 2);

    std::vector<float> signal(3 * 2 * 26), slopes(3 * 2 * 2 * 26);
    simulate_batch_with_jacobian(e, set.parameters, signal, slopes);
    std::vector<float> plain(signal.size());
    std::vector<std::size_t> reports;
    CHECK(simulate_batch(e, set.parameters, {}, plain, 1, [&](std::size_t done) {
              reports.push_back(done);
              return true;
          }) == 3);
    CHECK(std::is_sorted(reports.begin(), reports.end()));
    CHECK(simulate_batch(e, set.parameters, {}, plain, 1, [](std::size_t) { return false; }) == 0);
    const std::vector<std::string> names{"alpha_x_khz", "flip_deg"};
    for (std::size_t i = 0; i < 3; ++i) {
        const auto values = std::span(set.parameters).subspan(2 * i, 2);
        const SignalJacobian j = simulate_with_jacobian(with_parameters(e, values), names);
        REQUIRE(j.signal.points() == 26);
        std::size_t first = 0;
        for (const Experiment& record : records) {
            const SignalJacobian alone =
                simulate_with_jacobian(with_parameters(record, values), names);
            for (std::size_t k = 0; k < alone.signal.points(); ++k) {
                const std::size_t at = first + k;
                REQUIRE(j.signal.my[at] == alone.signal.my[k]);
                REQUIRE(j.dmx[1][at] == alone.dmx[1][k]);
                REQUIRE(signal[(2 * i + 1) * 26 + at] == Approx(alone.signal.my[k]).margin(1e-4));
                // Noise of a hundredth, five of its deviations.
                REQUIRE(set.signal[2 * i * 26 + at] == Approx(alone.signal.mx[k]).margin(0.05));
                for (std::size_t t = 0; t < 2; ++t) {
                    REQUIRE(slopes[((2 * i + t) * 2 + 1) * 26 + at] ==
                            Approx(alone.dmy[t][k]).margin(1e-4));
                }
            }
            first += alone.signal.points();
        }
    }
    CHECK(simulation_cost(e).steps ==
          simulation_cost(records[0]).steps + simulation_cost(records[1]).steps);
}

TEST_CASE("records come from a table of keys") {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/records.csv";
    std::ofstream(path)
        << "# decay\nsequence.tau_us, file ,acquisition.origin\n15,a.csv,echo\n25, b.csv,pulse\n";
    Experiment e = two_echoes();
    e.series = read_series(path);
    REQUIRE(e.series.size() == 2);
    CHECK(e.series[1].file == folder.path() + "/b.csv");
    const std::vector<Experiment> records = series_records(e);
    CHECK(std::get<HahnEcho>(records[1].sequence.program).tau_us == 25.0);
    CHECK(records[1].acquisition.origin == TimeOrigin::pulse);
    CHECK(experiment_to_toml(parse_experiment(experiment_to_toml(e), "text")) ==
          experiment_to_toml(e));

    const auto error_of = [&](const std::string& text) {
        std::ofstream(path) << text;
        return message_of<InputError>([&] { read_series(path); });
    };
    CHECK(error_of("").ends_with("expected a line of keys and one for each record"));
    CHECK(error_of("sequence.tau_us\n").ends_with("one for each record"));
    CHECK(error_of("sequence.tau_us,line.centre_khz\n3\n")
              .ends_with("records.csv:2: expected 2 values, found 1"));
    CHECK(error_of("tau\n3\n").ends_with("or file, found \"tau\""));
    CHECK(error_of("sequence.tau_us,file\n,x\n")
              .ends_with("records.csv:2: expected a value of sequence.tau_us, found \"\""));
}

TEST_CASE("records that disagree in what they have in common are named in one line") {
    Experiment e = two_echoes();
    const auto with = [&](const std::string& key, const std::string& value) {
        Experiment other = e;
        other.series[1].settings.emplace_back(key, value);
        return invalid(other);
    };
    CHECK(with("interaction.alpha_x_khz", "30") ==
          "series[1]: interaction.alpha_x_khz is an unknown, which the records have in common");
    CHECK(with("interaction.summed_khz", "30").ends_with("which the records have in common"));
    CHECK(with("acquisition.noise", "0.1") ==
          "series[1]: the records must have acquisition.noise in common");
    CHECK(with("prior.xi", "3").ends_with("must have prior.xi in common"));
    CHECK(with("accuracy.tolerance", "1e-3").ends_with("accuracy.tolerance in common"));
    CHECK(with("line.shape", "\"gaussian\"").ends_with("line.shape in common"));
    CHECK(with("sequence.tua_us", "3") ==
          "series[1]: unknown key sequence.tua_us; did you mean sequence.tau_us?");
    CHECK(with("sequence.tau_us", "3") == "series[1]: sequence.tau_us is given twice");
    CHECK(with("sequence.flip_phase_deg", "\"y\"")
              .ends_with("sequence.flip_phase_deg: expected a number, found the string \"y\""));
    e.series[1].settings = {{"sequence.tau_us", "3"}};
    CHECK(invalid(e) ==
          "series[1]: acquisition.start_us = -8 us from the echo is 2 us before the first pulse");
    const auto error_of = [](const std::string& text) {
        return message_of<InputError>([&] { parse_experiment(text, "f.toml"); });
    };
    CHECK(error_of("series = 3\n") ==
          "f.toml:1: series: expected [[series]] for each record, "
          "found 3");
    CHECK(error_of("[[series]]\nsequence.tau_us = [1]\n")
              .ends_with("series[0].sequence.tau_us: expected a number or a string, found an array "
                         "of 1"));
}
