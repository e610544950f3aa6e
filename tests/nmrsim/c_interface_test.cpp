// The C interface against the C++ functions, bit for bit, and what it says of bad input.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/version.h"
#include "nmrsim_c.h"

using namespace nmrsim;

namespace {

using Handle = std::unique_ptr<nmrsim_experiment, decltype(&nmrsim_free)>;

Handle opened(const char* name) {
    nmrsim_experiment* experiment = nullptr;
    REQUIRE(nmrsim_load(name, &experiment) == NMRSIM_OK);
    return {experiment, nmrsim_free};
}

void set(const Handle& handle, const char* setting) {
    REQUIRE(nmrsim_set(handle.get(), setting) == NMRSIM_OK);
}

/// A short window of the 2021 task, in both interfaces.
const std::vector<std::string> kShort = {"acquisition.start_us=190", "acquisition.stop_us=210",
                                         "acquisition.points=41"};

/// A small lattice.
const std::vector<std::string> kSmall = {"lattice.nx=16", "lattice.ny=16", "acquisition.points=21"};

struct Both {
    Handle c;
    Experiment cpp;
};

Both both(const char* name, const std::vector<std::string>& settings) {
    Both pair{opened(name), load_experiment(name)};
    for (const std::string& setting : settings) {
        set(pair.c, setting.c_str());
        apply_setting(pair.cpp, setting);
    }
    return pair;
}

std::vector<double> rows(const std::vector<double>& mx, const std::vector<double>& my,
                         const std::vector<double>& mz) {
    std::vector<double> all = mx;
    all.insert(all.end(), my.begin(), my.end());
    all.insert(all.end(), mz.begin(), mz.end());
    return all;
}

void check_failure(int status, int expected, const std::string& words) {
    CHECK(status == expected);
    CHECK_THAT(nmrsim_last_error(), ContainsSubstring(words));
    CHECK(std::string(nmrsim_last_error()).find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("a curve and its derivatives are those of C++", "[c_interface]") {
    const Both pair = GENERATE(0, 1) == 0 ? both("challenge-2021", kShort)
                                          : both("challenge-2024-gaussian", kSmall);
    const std::size_t points = nmrsim_points(pair.c.get());
    REQUIRE(points == static_cast<std::size_t>(pair.cpp.acquisition.points));

    std::vector<double> times(points);
    REQUIRE(nmrsim_times_us(pair.c.get(), times.data(), times.size()) == NMRSIM_OK);
    const Signal expected = simulate(pair.cpp);
    CHECK(times == expected.time_us);

    std::vector<double> signal(3 * points, -1.0);
    double error = -1.0;
    REQUIRE(nmrsim_simulate(pair.c.get(), signal.data(), signal.size(), &error) == NMRSIM_OK);
    CHECK(signal == rows(expected.mx, expected.my, expected.mz));
    CHECK(error == expected.estimated_error);

    const char* names[] = {"alpha_x_khz", "flip_deg"};
    const std::vector<std::string> same_names(std::begin(names), std::end(names));
    const SignalJacobian jacobian = simulate_with_jacobian(pair.cpp, same_names);
    std::vector<double> slopes(2 * 3 * points, -1.0);
    REQUIRE(nmrsim_simulate_with_derivatives(pair.c.get(), names, 2, signal.data(), signal.size(),
                                             slopes.data(), slopes.size()) == NMRSIM_OK);
    CHECK(signal == rows(jacobian.signal.mx, jacobian.signal.my, jacobian.signal.mz));
    for (std::size_t k = 0; k < 2; ++k) {
        const auto first = slopes.begin() + static_cast<std::ptrdiff_t>(3 * k * points);
        const std::vector<double> row(first, first + static_cast<std::ptrdiff_t>(3 * points));
        CHECK(row == rows(jacobian.dmx[k], jacobian.dmy[k], jacobian.dmz[k]));
    }
}

TEST_CASE("draws and batches are a data set's", "[c_interface]") {
    const bool uniform = GENERATE(true, false);
    Both pair = uniform ? both("challenge-2021", kShort) : both("challenge-2020", kSmall);
    const std::size_t count = 5;
    const Dataset data = generate_dataset(pair.cpp, count, 7, 3);
    const std::size_t unknowns = nmrsim_unknowns(pair.c.get());
    REQUIRE(unknowns == pair.cpp.prior.size());

    std::vector<double> parameters(count * unknowns);
    REQUIRE(nmrsim_draw(pair.c.get(), 7, 3, parameters.data(), parameters.size()) == NMRSIM_OK);
    CHECK(parameters == data.parameters);
    std::vector<std::uint64_t> seeds(count);
    REQUIRE(nmrsim_draw_lattice_seeds(7, 3, seeds.data(), seeds.size()) == NMRSIM_OK);

    std::vector<float> signal(data.signal.size(), -1.0f);
    REQUIRE(nmrsim_simulate_batch(pair.c.get(), parameters.data(), parameters.size(), seeds.data(),
                                  seeds.size(), signal.data(), signal.size(), 2) == NMRSIM_OK);
    CHECK(signal == data.signal);
    // No seeds: lattice.seed for all.
    REQUIRE(nmrsim_simulate_batch(pair.c.get(), parameters.data(), parameters.size(), nullptr, 0,
                                  signal.data(), signal.size(), 1) == NMRSIM_OK);
    CHECK((signal == data.signal) == uniform);
}

TEST_CASE("batches with derivatives are those of C++", "[c_interface]") {
    const Both pair = both("challenge-2021", kShort);
    const std::size_t points = nmrsim_points(pair.c.get());
    const std::vector<double> parameters = {60, 120, 45, 20, 250, 80};
    std::vector<float> signal(2 * 2 * points), expected_signal(signal);
    std::vector<float> slopes(2 * 3 * 2 * points), expected_slopes(slopes);
    simulate_batch_with_jacobian(pair.cpp, parameters, expected_signal, expected_slopes);
    REQUIRE(nmrsim_simulate_batch_with_derivatives(pair.c.get(), parameters.data(), 6,
                                                   signal.data(), signal.size(), slopes.data(),
                                                   slopes.size(), 0) == NMRSIM_OK);
    CHECK(signal == expected_signal);
    CHECK(slopes == expected_slopes);

    // NULL names are the prior's.
    std::vector<double> one(3 * points), one_slopes(3 * 3 * points);
    REQUIRE(nmrsim_simulate_with_derivatives(pair.c.get(), nullptr, 0, one.data(), one.size(),
                                             one_slopes.data(), one_slopes.size()) == NMRSIM_OK);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < 3; ++i) names.push_back(nmrsim_unknown_name(pair.c.get(), i));
    const SignalJacobian jacobian = simulate_with_jacobian(pair.cpp, names);
    CHECK(std::equal(jacobian.dmx[2].begin(), jacobian.dmx[2].end(),
                     one_slopes.begin() + static_cast<std::ptrdiff_t>(6 * points)));
}

TEST_CASE("an experiment is described", "[c_interface]") {
    const Handle e = opened("challenge-2021");
    CHECK(std::string(nmrsim_version()) == kVersion);
    const std::vector<std::string> shipped = shipped_experiments();
    for (std::size_t i = 0; i < shipped.size(); ++i) {
        CHECK(nmrsim_shipped_experiment(i) == shipped[i]);
    }
    CHECK(nmrsim_shipped_experiment(shipped.size()) == nullptr);

    CHECK(std::string(nmrsim_unknown_name(e.get(), 0)) == "alpha_x_khz");
    CHECK(std::string(nmrsim_unknown_unit(e.get(), 0)) == "kHz");
    CHECK(nmrsim_unknown_name(e.get(), 3) == nullptr);
    CHECK(nmrsim_unknown_unit(e.get(), 3) == nullptr);
    double low = -1.0, high = -1.0;
    REQUIRE(nmrsim_unknown_range(e.get(), 1, &low, &high) == NMRSIM_OK);
    CHECK(low == 0.0);
    CHECK(high == 300.0);

    REQUIRE(nmrsim_set_value(e.get(), "alpha_z_khz", 12.5) == NMRSIM_OK);
    double value = 0.0;
    REQUIRE(nmrsim_get_value(e.get(), "alpha_z_khz", &value) == NMRSIM_OK);
    CHECK(value == 12.5);
}

TEST_CASE("texts and copies are the same experiment", "[c_interface]") {
    const Handle e = opened("challenge-2020");
    set(e, "interaction.xi=7");
    std::size_t length = 0;
    REQUIRE(nmrsim_to_toml(e.get(), nullptr, 0, &length) == NMRSIM_OK);
    std::vector<char> text(length + 1, 'x');
    REQUIRE(nmrsim_to_toml(e.get(), text.data(), text.size(), nullptr) == NMRSIM_OK);
    CHECK(std::strlen(text.data()) == length);
    check_failure(nmrsim_to_toml(e.get(), text.data(), length, nullptr), NMRSIM_INVALID_ARGUMENT,
                  "capacity must be >= " + std::to_string(length + 1));

    nmrsim_experiment* raw = nullptr;
    REQUIRE(nmrsim_parse(text.data(), &raw) == NMRSIM_OK);
    const Handle parsed(raw, nmrsim_free);
    REQUIRE(nmrsim_copy(parsed.get(), &raw) == NMRSIM_OK);
    const Handle copy(raw, nmrsim_free);
    set(parsed, "interaction.xi=3");  // the copy is its own
    double xi = 0.0;
    REQUIRE(nmrsim_get_value(copy.get(), "xi", &xi) == NMRSIM_OK);
    CHECK(xi == 7.0);
}

TEST_CASE("bad input has a code and a message", "[c_interface]") {
    const Handle e = opened("challenge-2021");
    nmrsim_experiment* none = e.get();
    check_failure(nmrsim_load("challenge-2012", &none), NMRSIM_INPUT_ERROR,
                  "did you mean challenge-2021?");
    CHECK(none == nullptr);
    check_failure(nmrsim_load(nullptr, &none), NMRSIM_INVALID_ARGUMENT,
                  "name_or_path must not be null");
    check_failure(nmrsim_load("challenge-2021", nullptr), NMRSIM_INVALID_ARGUMENT,
                  "experiment must not be null");
    check_failure(nmrsim_parse("[interaction]\nkernl = 1\n", &none), NMRSIM_INPUT_ERROR,
                  "text:2: unknown key interaction.kernl; did you mean kernel?");
    check_failure(nmrsim_copy(nullptr, &none), NMRSIM_INVALID_ARGUMENT, "experiment");
    check_failure(nmrsim_set(e.get(), "interaction.alfa_x_khz=1"), NMRSIM_INPUT_ERROR,
                  "did you mean alpha_x_khz?");
    check_failure(nmrsim_set(nullptr, "lattice.nx=1"), NMRSIM_INVALID_ARGUMENT, "experiment");
    check_failure(nmrsim_set(e.get(), nullptr), NMRSIM_INVALID_ARGUMENT, "setting");
    check_failure(nmrsim_set_value(e.get(), "flip_deg", 1e9), NMRSIM_INVALID_ARGUMENT,
                  "sequence.flip_deg must be in");
    double value = 0.0;
    check_failure(nmrsim_get_value(e.get(), "flip", &value), NMRSIM_INVALID_ARGUMENT, "flip");
    check_failure(nmrsim_get_value(e.get(), "xi", &value), NMRSIM_INVALID_ARGUMENT,
                  "interaction.xi does not apply");
    check_failure(nmrsim_unknown_range(e.get(), 3, &value, &value), NMRSIM_INVALID_ARGUMENT,
                  "index must be < 3, got 3");
    CHECK(nmrsim_points(nullptr) == 0);
    CHECK(nmrsim_unknowns(nullptr) == 0);
    CHECK(nmrsim_unknown_name(nullptr, 0) == nullptr);
    nmrsim_free(nullptr);
}

TEST_CASE("arrays of a wrong size are refused", "[c_interface]") {
    const Both pair = both("challenge-2021", kShort);
    const nmrsim_experiment* e = pair.c.get();
    std::vector<double> many(1000);
    std::vector<float> floats(1000);
    std::vector<std::uint64_t> seeds(10);
    check_failure(nmrsim_times_us(e, many.data(), 40), NMRSIM_INVALID_ARGUMENT,
                  "time_us must have 41 elements, (points), got 40");
    check_failure(nmrsim_simulate(e, many.data(), 41, nullptr), NMRSIM_INVALID_ARGUMENT,
                  "signal must have 123 elements, (3, points), got 41");
    check_failure(nmrsim_simulate(e, nullptr, 123, nullptr), NMRSIM_INVALID_ARGUMENT,
                  "signal must not be null");
    check_failure(nmrsim_draw(e, 1, 0, many.data(), 4), NMRSIM_INVALID_ARGUMENT,
                  "a multiple of 3 elements, (count, unknowns), got 4");
    const auto batch = [&](std::size_t parameters, std::size_t seed_count, std::size_t signal,
                           int threads) {
        return nmrsim_simulate_batch(e, many.data(), parameters, seeds.data(), seed_count,
                                     floats.data(), signal, threads);
    };
    check_failure(batch(6, 1, 164, 1), NMRSIM_INVALID_ARGUMENT, "lattice_seeds must have 2");
    check_failure(batch(6, 2, 163, 1), NMRSIM_INVALID_ARGUMENT, "signal must have 164 elements");
    check_failure(batch(6, 2, 164, -1), NMRSIM_INVALID_ARGUMENT, "threads must be >= 0, got -1");
    many[4] = -1e9;  // alpha_z_khz of the second curve
    check_failure(batch(6, 2, 164, 1), NMRSIM_INVALID_ARGUMENT, "alpha_z_khz");
    check_failure(nmrsim_simulate_batch_with_derivatives(e, many.data(), 3, floats.data(), 82,
                                                         floats.data(), 245, 1),
                  NMRSIM_INVALID_ARGUMENT,
                  "derivatives must have 246 elements, (count, unknowns, 2, points), got 245");
    const char* names[] = {"alpha_x_khz", nullptr};
    check_failure(nmrsim_simulate_with_derivatives(e, names, 2, many.data(), 123, many.data(), 246),
                  NMRSIM_INVALID_ARGUMENT, "names[i] must not be null");
    check_failure(nmrsim_simulate_with_derivatives(e, names, 1, many.data(), 123, many.data(), 246),
                  NMRSIM_INVALID_ARGUMENT, "derivatives must have 123 elements");

    nmrsim_experiment* raw = nullptr;
    REQUIRE(nmrsim_parse("[interaction]\nkernel = \"uniform\"\n", &raw) == NMRSIM_OK);
    const Handle without_prior(raw, nmrsim_free);
    check_failure(nmrsim_draw(raw, 1, 0, many.data(), 3), NMRSIM_INVALID_ARGUMENT,
                  "prior must name at least one unknown");
}

TEST_CASE("a setting that fails changes nothing", "[c_interface]") {
    const Handle e = opened("challenge-2021");
    const auto text = [&] {
        std::size_t length = 0;
        nmrsim_to_toml(e.get(), nullptr, 0, &length);
        std::string toml(length + 1, '\0');
        REQUIRE(nmrsim_to_toml(e.get(), toml.data(), toml.size(), nullptr) == NMRSIM_OK);
        return toml;
    };
    const std::string before = text();
    CHECK(nmrsim_set(e.get(), "lattice.nx=-1") != NMRSIM_OK);
    CHECK(nmrsim_set_value(e.get(), "alpha_x_khz", -1e12) != NMRSIM_OK);
    CHECK(text() == before);
}

TEST_CASE("messages belong to their thread", "[c_interface]") {
    const Handle e = opened("challenge-2021");
    CHECK(nmrsim_set(e.get(), "lattice.nx=-1") != NMRSIM_OK);
    const std::string here = nmrsim_last_error();
    std::string at_first = "x", there;
    std::thread other([&] {
        at_first = nmrsim_last_error();
        nmrsim_experiment* none = nullptr;
        nmrsim_load("no-such-experiment", &none);
        there = nmrsim_last_error();
    });
    other.join();
    CHECK(at_first.empty());
    CHECK_THAT(there, ContainsSubstring("no-such-experiment"));
    CHECK(nmrsim_last_error() == here);
}
