// Refinement: from starts off by what a network is off, to the truth within the noise.

#include "nmrinverse/refine.h"

#include <cmath>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"

using namespace nmrinverse;

namespace {

constexpr double kNoise = 1e-3;
constexpr std::size_t kCurve = 2 * 856;

nmrsim::Experiment task() {
    nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
    e.acquisition.noise = kNoise;
    return e;
}

/// `count` starts about a point that is itself off, both by these standard deviations.
std::vector<double> starts_about(std::span<const double> truth, std::size_t count,
                                 std::uint64_t seed) {
    const double spread[3] = {2.0, 12.0, 1.0};  // kHz, kHz, degree
    nmrsim::CounterRandom random(seed, 0, nmrsim::RandomStream::noise);
    double off[3];
    for (std::size_t k = 0; k < 3; ++k) off[k] = spread[k] * random.normal();
    std::vector<double> starts;
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t k = 0; k < 3; ++k) {
            starts.push_back(truth[k] + off[k] + spread[k] * random.normal());
        }
    }
    return starts;
}

}  // namespace

TEST_CASE("refinement comes home within the noise", "[refine]") {
    const nmrsim::Experiment e = task();
    const std::size_t curves = 6;
    const nmrsim::Dataset data = nmrsim::generate_dataset(e, curves, 31);
    RefineOptions options;
    options.noise = kNoise;
    for (std::size_t i = 0; i < curves; ++i) {
        CAPTURE(i);
        const std::span<const double> truth(&data.parameters[3 * i], 3);
        const Refinement fit = refine(e, std::span(data.signal).subspan(i * kCurve, kCurve),
                                      starts_about(truth, 256, i), options);
        CHECK(fit.converged);
        // Chi-square has the variance 2 degrees: five standard deviations.
        CHECK(fit.degrees == kCurve - 3.0);
        CHECK(std::abs(fit.chi_square - fit.degrees) < 5.0 * std::sqrt(2.0 * fit.degrees));
        const std::vector<double> deviations = fit.deviations();
        for (std::size_t k = 0; k < 3; ++k) {
            CAPTURE(k, truth[k], fit.estimate[k], deviations[k]);
            CHECK(std::abs(fit.estimate[k] - truth[k]) < 5.0 * deviations[k]);
            CHECK(fit.estimate[k] >= e.prior[k].low);
            CHECK(fit.estimate[k] <= e.prior[k].high);
        }
    }
}

TEST_CASE("an unknown gain and receiver phase are fitted with the rest", "[refine]") {
    const nmrsim::Experiment e = task();
    nmrsim::Dataset data = nmrsim::generate_dataset(e, 1, 32);
    const std::complex<double> factor = std::polar(0.8, 0.5);
    for (std::size_t i = 0; i < kCurve / 2; ++i) {
        const std::complex<double> m =
            factor * std::complex<double>(data.signal[i], data.signal[kCurve / 2 + i]);
        data.signal[i] = static_cast<float>(m.real());
        data.signal[kCurve / 2 + i] = static_cast<float>(m.imag());
    }
    RefineOptions options;
    options.noise = 0.8 * kNoise;
    const std::vector<double> starts = starts_about(data.parameters, 256, 9);
    const Refinement without = refine(e, data.signal, starts, options);
    CHECK(without.chi_square > 10.0 * without.degrees);
    options.fit_gain = options.fit_phase = true;
    const Refinement fit = refine(e, data.signal, starts, options);
    CHECK(std::abs(fit.chi_square - fit.degrees) < 5.0 * std::sqrt(2.0 * fit.degrees));
    const std::vector<double> deviations = fit.deviations();
    for (std::size_t k = 0; k < 3; ++k) {
        CHECK(std::abs(fit.estimate[k] - data.parameters[k]) < 5.0 * deviations[k]);
    }
    CHECK(std::abs(fit.factor - factor) < 0.05);
}

TEST_CASE("one start near the truth is enough, and one at the edge stays inside", "[refine]") {
    nmrsim::Experiment e = task();
    const std::vector<double> truth{150.0, 120.0, 50.0};  // alpha_x at its prior's end
    nmrsim::Experiment at = nmrsim::with_parameters(e, truth);
    nmrsim::Signal signal = nmrsim::simulate(at);
    nmrsim::add_noise(signal, kNoise, 3);
    std::vector<float> curve(signal.mx.begin(), signal.mx.end());
    curve.insert(curve.end(), signal.my.begin(), signal.my.end());
    RefineOptions options;
    options.noise = kNoise;
    const Refinement fit = refine(e, curve, std::vector<double>{150.3, 120.1, 50.02}, options);
    CHECK(fit.estimate[0] <= 150.0);
    CHECK(fit.estimate[0] > 149.5);
    CHECK(std::abs(fit.chi_square - fit.degrees) < 5.0 * std::sqrt(2.0 * fit.degrees));
}

TEST_CASE("what cannot be refined is refused", "[refine]") {
    const nmrsim::Experiment e = task();
    const std::vector<float> curve(kCurve, 0.0f);
    const std::vector<double> start{50.0, 100.0, 45.0};
    CHECK_THROWS_WITH(refine(e, std::vector<float>(7), start), ContainsSubstring("7 samples"));
    CHECK_THROWS_WITH(refine(e, curve, std::vector<double>{}), ContainsSubstring("0 numbers"));
    std::vector<float> broken = curve;
    broken[5] = std::nanf("");
    CHECK_THROWS_WITH(refine(e, broken, start), ContainsSubstring("must be finite"));
    RefineOptions options;
    options.noise = 0.0;
    CHECK_THROWS_WITH(refine(e, curve, start, options), "noise must be > 0, got 0");
    CHECK_THROWS_WITH(refine(nmrsim::load_experiment("published-echo"), curve, start),
                      ContainsSubstring("draw of offsets"));
}
