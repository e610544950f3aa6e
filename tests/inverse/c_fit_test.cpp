// The C interface of the fits against the C++ function, bit for bit, and what it says of bad input.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrinverse/fit.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/simulate.h"
#include "nmrsim_fit.h"

using namespace nmrinverse;

namespace {

constexpr double kNoise = 1e-3;

using Handle = std::unique_ptr<nmrsim_experiment, decltype(&nmrsim_free)>;

/// A short window of the 2021 task.
nmrsim::Experiment short_experiment() {
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    for (const char* setting : {"acquisition.start_us=180", "acquisition.stop_us=220",
                                "acquisition.points=64", "sequence.flip_deg=50"}) {
        nmrsim::apply_setting(experiment, setting);
    }
    return experiment;
}

Handle handle_of(const nmrsim::Experiment& experiment) {
    nmrsim_experiment* handle = nullptr;
    REQUIRE(nmrsim_parse(nmrsim::experiment_to_toml(experiment).c_str(), &handle) == NMRSIM_OK);
    return {handle, nmrsim_free};
}

/// Two curves, (2, 2, points), with a little on them that stands for noise.
std::vector<float> two_curves(const nmrsim::Experiment& experiment) {
    std::vector<float> signal(4 * 64);
    const std::vector<double> parameters = {60.0, 120.0, 50.0, 93.0, 71.0, 38.0};
    nmrsim::simulate_batch(experiment, parameters, {}, signal, 1);
    for (std::size_t i = 0; i < signal.size(); ++i) {
        signal[i] += static_cast<float>(kNoise * ((i * 7919) % 13 < 6 ? 1.0 : -1.0));
    }
    return signal;
}

nmrsim_fit_options noisy_options() {
    nmrsim_fit_options options;
    nmrsim_fit_defaults(&options);
    options.noise = kNoise;
    options.fit_phase = 1;
    options.seed = 5;
    return options;
}

}  // namespace

TEST_CASE("C fits: the numbers of the C++ function", "[c]") {
    const nmrsim::Experiment experiment = short_experiment();
    const Handle handle = handle_of(experiment);
    const std::vector<float> signal = two_curves(experiment);
    const nmrsim_fit_options options = noisy_options();
    std::vector<double> estimates(2 * 3 * 6), receiver(2 * 3), samples(2 * 7 * 3);
    std::vector<int> verdicts(2, -1);
    const int code =
        nmrsim_fit(handle.get(), &options, nullptr, 0, signal.data(), signal.size(),
                   estimates.data(), estimates.size(), verdicts.data(), verdicts.size(),
                   receiver.data(), receiver.size(), samples.data(), samples.size());
    INFO(nmrsim_last_error());
    REQUIRE(code == NMRSIM_OK);

    InputCurves input;
    input.name = "input";
    input.names = {"a", "b"};
    input.curves.time_us = nmrsim::acquisition_times_us(experiment);
    input.curves.signal = signal;
    FitOptions same;
    same.noise = kNoise;
    same.fit_phase = true;
    same.seed = 5;
    same.samples = 7;
    const FitResult fit = nmrinverse::fit(experiment, {&input, 1}, same);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(estimates[6 * i] == fit.estimates.mean[i]);
        CHECK(estimates[6 * i + 1] == fit.estimates.sd[i]);
        CHECK(estimates[6 * i + 2] == fit.estimates.q05[i]);
        CHECK(estimates[6 * i + 5] == fit.estimates.q95[i]);
    }
    CHECK(samples == fit.samples);
    CHECK(verdicts[0] == static_cast<int>(fit.judgements.verdict[0]));
    CHECK(verdicts[1] == static_cast<int>(fit.judgements.verdict[1]));
    CHECK(receiver[0] == std::abs(fit.factor[0]));
    CHECK(receiver[3 + 2] == fit.shift_us[1]);
    // And what was put in: five standard deviations.
    CHECK(std::abs(estimates[0] - 60.0) < 5.0 * estimates[1]);
    CHECK(std::abs(estimates[6 * 5] - 38.0) < 5.0 * estimates[6 * 5 + 1]);
}

TEST_CASE("C fits: bad input is an error in words", "[c]") {
    const nmrsim::Experiment experiment = short_experiment();
    const Handle handle = handle_of(experiment);
    const std::vector<float> signal = two_curves(experiment);
    std::vector<double> estimates(2 * 3 * 6);
    nmrsim_fit_options options = noisy_options();
    const auto says = [&](const char* words, std::size_t signal_size, std::size_t estimates_size) {
        CHECK(nmrsim_fit(handle.get(), &options, nullptr, 0, signal.data(), signal_size,
                         estimates.data(), estimates_size, nullptr, 0, nullptr, 0, nullptr,
                         0) == NMRSIM_INVALID_ARGUMENT);
        CHECK_THAT(nmrsim_last_error(), ContainsSubstring(words));
    };
    says("multiple of 128", signal.size() - 1, estimates.size());
    says("estimates must have 36 elements", signal.size(), 35);
    options.threads = -1;
    says("threads must be >= 0", signal.size(), estimates.size());
    options = noisy_options();
    options.noise = 0.0;
    says("noise > 0", signal.size(), estimates.size());
    options.noise = kNoise;
    std::vector<double> samples(5);
    CHECK(nmrsim_fit(handle.get(), &options, nullptr, 0, signal.data(), signal.size(),
                     estimates.data(), estimates.size(), nullptr, 0, nullptr, 0, samples.data(),
                     samples.size()) == NMRSIM_INVALID_ARGUMENT);
    CHECK(nmrsim_fit(nullptr, &options, nullptr, 0, signal.data(), signal.size(), estimates.data(),
                     estimates.size(), nullptr, 0, nullptr, 0, nullptr,
                     0) == NMRSIM_INVALID_ARGUMENT);
    CHECK_THAT(nmrsim_last_error(), ContainsSubstring("experiment must not be null"));
    nmrsim_fit_defaults(nullptr);
}
