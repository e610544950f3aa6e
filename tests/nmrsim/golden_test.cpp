// Files written once and kept: they stay readable, with the values that they were written with.
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/curve_file.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/numeric_array.h"

using namespace nmrsim;

namespace {

const std::string kGolden = NMRSIM_GOLDEN;

void check_set(const Dataset& set) {
    REQUIRE(set.points() == 3);
    REQUIRE(set.count() == 2);
    // Seconds in the file, whose products and quotients are rounded.
    CHECK(set.time_us[0] == Approx(10.0).epsilon(1e-15));
    CHECK(set.time_us[2] == Approx(11.0).epsilon(1e-15));
    for (int i = 0; i < 12; ++i) {
        CHECK(set.signal[static_cast<std::size_t>(i)] == static_cast<float>(i) / 16 - 0.25f);
    }
    CHECK(set.experiment_toml == "name = \"golden\"\n");
    CHECK(set.seed == 18446744073709551615u);
    CHECK(set.first_index == 7);
    CHECK(set.version == "0.1.0");
    REQUIRE(set.unknowns.size() == 2);
    CHECK(set.unknowns[0].name == "alpha_x_khz");
    CHECK(set.unknowns[0].high == 150.0);
}

const std::vector<double> kTimes = {190.0, 200.0, 210.0};
const std::vector<float> kSignal = {0.125f, 0.5f, -0.125f, -0.25f, 0.25f, 0.375f};

}  // namespace

TEST_CASE("data sets of every version are read") {
    const Dataset first = read_dataset(kGolden + "/dataset-1.h5");
    check_set(first);
    CHECK(first.unknowns[1].name == "flip_deg");
    CHECK(first.unknowns[1].low == 10.0);
    CHECK(first.parameters == std::vector<double>{25.0, 45.0, 130.5, 89.0});

    const Dataset second = read_dataset(kGolden + "/dataset-2.h5");
    check_set(second);
    CHECK(second.unknowns[1].name == "kernel");
    CHECK(second.unknowns[1].choices == std::vector<std::string>{"gaussian", "rkky"});
    CHECK(second.parameters == std::vector<double>{25.0, 0.5, 130.5, 1.5});
}

TEST_CASE("a data set in several files is read by its manifest") {
    const DatasetReader reader({kGolden + "/manifest-1.json"});
    REQUIRE(reader.count() == 3);
    const Dataset set = reader.rows(0, 3);
    CHECK(set.points() == 8);
    CHECK(set.seed == 4);
    CHECK(set.parameters[0] == 2.8137624612248837);
    CHECK(set.parameters[8] == 24.54166879151923);
    CHECK(set.signal[0] == -0.00169566809f);
    CHECK(set.signal[47] == 0.180355459f);
}

TEST_CASE("experiments are read") {
    const Experiment e = load_experiment(kGolden + "/experiment.toml");
    CHECK(e.name == "golden");
    CHECK(e.interaction.alpha_x_khz == 25.5);
    CHECK(e.interaction.alpha_z_khz == 80.0);
    CHECK(e.line.half_width_khz == 25.0);
    CHECK_FALSE(e.line.renormalize);
    CHECK(std::get<HahnEcho>(e.sequence.program).flip_deg == 45.0);
    CHECK(std::get<HahnEcho>(e.sequence.program).tau_us == 100.0);
    CHECK(acquisition_times_us(e) == kTimes);
    REQUIRE(e.prior.size() == 2);
    CHECK(e.prior[1].name == "flip_deg");
}

TEST_CASE("curves and challenges are read") {
    const Signal curve = read_curve(kGolden + "/curve.csv");
    CHECK(curve.time_us == kTimes);
    CHECK(curve.mx == std::vector<double>{0.125, 0.5, -0.125});
    CHECK(curve.my == std::vector<double>{-0.25, 0.25, 0.375});
    CHECK(curve.mz == std::vector<double>(3, 0.0625));

    const Dataset set =
        read_challenge(kGolden + "/challenge", load_experiment(kGolden + "/experiment.toml"));
    CHECK(set.signal == std::vector<float>{0.125f, 0.5f, -0.125f, -0.25f, 0.25f, 0.375f, 0.25f,
                                           -0.5f, 0.0625f, 1.0f, 0.125f, -1.0f});
    CHECK(set.parameters == std::vector<double>{25.5, 45.0, 130.5, 89.0});
}

TEST_CASE("NumPy's files are read") {
    CurveFormat format;
    format.dwell = 10.0;
    format.start = 190.0;
    CHECK(read_measured_curves(kGolden + "/curve.npy", format).signal == kSignal);
    CHECK(read_measured_curves(kGolden + "/curve.npy", format).time_us == kTimes);
    CHECK(read_measured_curves(kGolden + "/stored.npz").signal == kSignal);
    CHECK(read_measured_curves(kGolden + "/stored.npz").time_us == kTimes);
    format = {};
    format.columns = {{"re", "re"}, {"im", "im"}};
    CHECK(read_measured_curves(kGolden + "/deflated.npz", format).signal == kSignal);
}
