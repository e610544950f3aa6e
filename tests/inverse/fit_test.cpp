// From curves to estimates and verdicts in one call, without a network.
#include "nmrinverse/fit.h"

#include <cmath>
#include <complex>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrinverse/compare.h"
#include "nmrsim/dataset.h"
#include "nmrsim/echo_in_words.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"

using namespace nmrinverse;

namespace {

constexpr double kNoise = 1e-3;

/// Every fourth sample: enough to tell, and a quarter of the time.
nmrsim::Experiment experiment_2021() {
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    experiment.acquisition.points = 214;
    return experiment;
}

/// Noisy curves of these parameters, (count, 3), as a receiver gives them.
InputCurves curves_of(const nmrsim::Experiment& experiment, const std::vector<double>& parameters,
                      std::complex<double> factor = 1.0) {
    InputCurves input;
    input.name = "curves";
    for (std::size_t c = 0; c < parameters.size() / 3; ++c) {
        const auto own = std::span(parameters).subspan(3 * c, 3);
        nmrsim::Signal signal = nmrsim::simulate(nmrsim::with_parameters(experiment, own));
        nmrsim::add_noise(signal, kNoise, 3, c);
        input.names.push_back("curve " + std::to_string(c));
        input.curves.time_us = signal.time_us;
        std::vector<float> rows[2];
        for (std::size_t i = 0; i < signal.points(); ++i) {
            const std::complex<double> m =
                factor * std::complex<double>(signal.mx[i], signal.my[i]);
            rows[0].push_back(static_cast<float>(m.real()));
            rows[1].push_back(static_cast<float>(m.imag()));
        }
        for (const auto& row : rows) {
            input.curves.signal.insert(input.curves.signal.end(), row.begin(), row.end());
        }
    }
    return input;
}

void check_near(const FitResult& result, const std::vector<double>& truth) {
    REQUIRE(result.estimates.mean.size() == truth.size());
    for (std::size_t i = 0; i < truth.size(); ++i) {
        CAPTURE(i, result.estimates.mean[i], result.estimates.sd[i]);
        CHECK(std::abs(result.estimates.mean[i] - truth[i]) < 5.0 * result.estimates.sd[i]);
    }
}

/// Options of measured curves; what is said goes into `said`.
FitOptions as_measured(std::string& said) {
    FitOptions options;
    options.measured = true;
    options.say = [&said](const std::string& line) { said += line + "\n"; };
    return options;
}

}  // namespace

TEST_CASE("fit: an experiment's curves come home without a network") {
    const nmrsim::Experiment experiment = experiment_2021();
    const std::vector<double> truth = {93.0, 71.0, 38.0, 40.0, 120.0, 65.0};
    const InputCurves input = curves_of(experiment, truth);
    FitOptions options;
    options.noise = kNoise;
    options.samples = 30;
    std::string stages;
    options.progress = [&](const std::string& stage, double share) {
        CHECK((share >= 0.0 && share <= 1.0));
        if (stages.find(stage) == std::string::npos) stages += stage + "; ";
        return true;
    };
    const FitResult result = fit(experiment, {&input, 1}, options);
    REQUIRE(result.count() == 2);
    check_near(result, truth);
    CHECK(result.judgements.verdict == std::vector<Verdict>(2, Verdict::ok));
    CHECK(result.samples.size() == 2 * 30 * 3);
    CHECK(result.factor == std::vector<std::complex<double>>(2, 1.0));
    CHECK(stages.starts_with("refining; "));
    // Nothing hangs on chance, threads or company.
    options.threads = 1;
    options.progress = {};
    InputCurves second = input;
    second.names.erase(second.names.begin());
    second.curves.signal.erase(second.curves.signal.begin(), second.curves.signal.begin() + 428);
    CHECK(fit(experiment, {&second, 1}, options).estimates.mean[0] ==
          Approx(result.estimates.mean[3]).epsilon(1e-3));
}

TEST_CASE("fit: what the receiver does is fitted where it is unknown, and rejected where not") {
    const nmrsim::Experiment experiment = experiment_2021();
    const std::vector<double> truth = {93.0, 71.0, 38.0};
    const std::complex<double> factor = std::polar(1.3, 0.4);
    const InputCurves input = curves_of(experiment, truth, factor);
    FitOptions options;
    options.noise = 1.3 * kNoise;
    const FitResult wrong = fit(experiment, {&input, 1}, options);
    CHECK(wrong.judgements.verdict[0] == Verdict::reject);
    CHECK(!wrong.judgements.reason[0].empty());
    options.fit_gain = options.fit_phase = true;
    const FitResult result = fit(experiment, {&input, 1}, options);
    check_near(result, truth);
    CHECK(result.judgements.verdict[0] == Verdict::ok);
    CHECK(std::abs(result.factor[0] - factor) < 0.01);
}

TEST_CASE("fit: a measured echo is found, a joint fit shares its unknowns", "[slow]") {
    nmrsim::Experiment longer = nmrsim::load_experiment("challenge-2021");
    longer.acquisition.start_us = 120.0;
    longer.acquisition.stop_us = 290.0;
    longer.acquisition.points = 1063;
    const std::vector<double> truth = {60.0, 180.0, 30.0, 60.0, 180.0, 45.0, 60.0, 180.0, 65.0};
    const std::complex<double> factor = std::polar(40.0, 2.0);
    const InputCurves input = curves_of(longer, truth, factor);
    FitOptions options;
    options.measured = options.joint = true;
    std::vector<std::string> lines;
    options.say = [&](const std::string& line) { lines.push_back(line); };
    const FitResult result = fit(nmrsim::load_experiment("challenge-2021"), {&input, 1}, options);
    check_near(result, truth);
    CHECK(result.estimates.mean[1] == result.estimates.mean[4]);
    for (std::size_t c = 0; c < 3; ++c) {
        CHECK(result.judgements.verdict[c] == Verdict::ok);
        // 0.04% of amplitude in the noise; phase and time zero look much alike.
        CHECK(std::abs(result.factor[c] / factor - 1.0) < 0.02);
        CHECK(std::abs(result.shift_us[c]) < 0.05);
    }
    CHECK(lines.back().starts_with("joint fit of 3 curves"));
    CHECK(result.steps.find("curve 2") != std::string::npos);
}

TEST_CASE("fit: dead samples, gaps and samples' own deviations are heeded") {
    const nmrsim::Experiment experiment =
        nmrsim::echo_from_words({"50us", "lorentzian:15kHz", "60,120"});
    const std::vector<double> truth = {12.0, 30.0, 60.0};
    InputCurves input = curves_of(experiment, truth, std::polar(40.0, 1.0));
    nmrsim::MeasuredCurves& curves = input.curves;
    const std::size_t points = curves.points();
    // Nothing where it is dead; loud where its deviation says so; a hole where there are no times.
    curves.dead.assign(points, false);
    curves.sigma.assign(points, 40.0f * static_cast<float>(kNoise));
    nmrsim::CounterRandom random(5, 0, nmrsim::RandomStream::noise);
    for (std::size_t i = 0; i < points; ++i) {
        curves.dead[i] = i > 100 && i < 110;
        if (curves.dead[i]) curves.signal[i] = curves.signal[points + i] = 0.0f;
        if (i < 250) continue;
        curves.sigma[i] *= 20.0f;
        for (const std::size_t part : {i, points + i}) {
            curves.signal[part] += 19.97f * 40.0f * static_cast<float>(kNoise * random.normal());
        }
    }
    const auto cut = [&](auto& values, std::size_t rows) {
        for (std::size_t row = rows; row-- > 0;) {
            const auto at = values.begin() + static_cast<std::ptrdiff_t>(row * points + 150);
            values.erase(at, at + 20);
        }
    };
    cut(curves.signal, 2);
    cut(curves.sigma, 1);
    cut(curves.dead, 1);
    cut(curves.time_us, 1);
    std::string said;
    FitOptions options = as_measured(said);
    const FitResult result = fit(experiment, {&input, 1}, options);
    INFO(said << result.judgements.reason[0]);
    check_near(result, truth);
    CHECK(result.judgements.verdict[0] == Verdict::ok);
    CHECK(said.find("29 samples do not count") != std::string::npos);
    CHECK(said.find("each sample by its own standard deviation") != std::string::npos);
    // Without weights the loud ones are no noise of this size.
    options.noise = 40.0 * kNoise;
    input.curves.sigma.clear();
    const FitResult alike = fit(experiment, {&input, 1}, options);
    CHECK(alike.judgements.verdict[0] != Verdict::ok);
}

TEST_CASE("fit: a curve whose Im has the other sign is fitted so where asked, and said otherwise") {
    const nmrsim::Experiment experiment =
        nmrsim::echo_from_words({"50us", "lorentzian:15kHz", "60,120"});
    const std::vector<double> truth = {25.0, 30.0, 60.0};
    InputCurves input = curves_of(experiment, truth);
    nmrsim::CurveFormat turned;
    turned.conjugate = true;
    input.curves = nmrsim::as_told(std::move(input.curves), turned, "curve");
    std::string said;
    FitOptions options = as_measured(said);
    const FitResult wrong = fit(experiment, {&input, 1}, options);
    INFO(said << wrong.judgements.reason[0]);
    CHECK(wrong.judgements.verdict[0] != Verdict::ok);
    CHECK(said.find("Im with the other sign fits better: --conjugate") != std::string::npos);
    input.curves = nmrsim::as_told(std::move(input.curves), turned, "curve");
    said.clear();
    const FitResult right = fit(experiment, {&input, 1}, options);
    check_near(right, truth);
    CHECK(said.find("other sign") == std::string::npos);
}

TEST_CASE("fit: what cannot be fitted is refused in one line") {
    const nmrsim::Experiment experiment = experiment_2021();
    const InputCurves input = curves_of(experiment, {93.0, 71.0, 38.0});
    FitOptions options;
    const auto refused = [&](const nmrsim::Experiment& of, const std::string& words) {
        CHECK_THROWS_WITH(fit(of, {&input, 1}, options), ContainsSubstring(words));
    };
    refused(experiment, "noise > 0");
    options.noise = -1.0;
    refused(experiment, "noise must be >= 0, got -1");
    options.noise = kNoise;
    refused(nmrsim::load_experiment("published-echo"), "uniform kernel");
    options.joint = true;
    refused(experiment, "two or more curves, got 1");
    options.samples = 3;
    refused(experiment, "none of a joint fit");
    options = {};
    options.noise = kNoise;
    nmrsim::Experiment elsewhere = experiment;
    elsewhere.acquisition.stop_us += 100.0;
    refused(elsewhere, "cover");
    options.progress = [](const std::string&, double) { return false; };
    CHECK_THROWS_AS(fit(experiment, {&input, 1}, options), nmrsim::Stopped);
}

TEST_CASE("compare: the odds are on the experiment that made the curve") {
    const nmrsim::Experiment experiment =
        nmrsim::echo_from_words({"50us", "lorentzian:15kHz", "60,120"});
    FitOptions options;
    options.noise = kNoise;
    const std::vector<std::string> words = {"uniform", "none", "gaussian"};
    const std::vector<Alternative> alternatives = alternatives_of(experiment, words);
    REQUIRE(alternatives[1].experiment.prior.size() == 1);
    const InputCurves coupled = curves_of(experiment, {12.0, 30.0, 60.0});
    const Comparison clear = compare(alternatives, {&coupled, 1}, options);
    REQUIRE(clear.probability.size() == 3);
    CHECK(clear.probability[0] > 0.999);
    CHECK(clear.chi_square[1] > 10.0 * clear.degrees[1]);
    // Without coupling the wider prior loses odds, though it fits as well.
    const InputCurves free = curves_of(experiment, {0.0, 0.0, 60.0});
    const Comparison plain = compare(alternatives, {&free, 1}, options);
    CHECK(plain.probability[1] > 0.99);
    CHECK(plain.chi_square[0] < plain.chi_square[1] + 1.0);
    const std::string csv = comparison_as_csv(plain);
    CHECK(csv.starts_with("curve,alternative,probability,log_evidence,chi_square,degrees\n"));
    CHECK(csv.find("curve 0,none,") != std::string::npos);
    CHECK_THROWS_AS(alternatives_of(experiment, std::vector<std::string>{"rkky"}),
                    std::invalid_argument);
}
