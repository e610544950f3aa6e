// Verdicts on curves that the model is not for, and on good ones.
#include "nmrinverse/verdict.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrinverse/refine.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"

using namespace nmrinverse;

namespace {

constexpr double kNoise = 1e-3;

/// A fit within its noise.
VerdictEvidence good_evidence() {
    VerdictEvidence evidence;
    evidence.noise = kNoise;
    evidence.residual = evidence.expected = std::sqrt(2.0) * kNoise;
    evidence.magnitude = 0.3;
    evidence.points = 856;
    evidence.correlation = 0.05;
    return evidence;
}

std::vector<float> white_noise(std::size_t points, double sigma, std::uint64_t seed) {
    nmrsim::CounterRandom random(seed, 0, nmrsim::RandomStream::noise);
    std::vector<float> values(2 * points);
    for (float& value : values) value = static_cast<float>(sigma * random.normal());
    return values;
}

/// Noise whose neighbours are correlated by `rho`, of standard deviation sigma.
std::vector<float> colored_noise(std::size_t points, double sigma, double rho, std::uint64_t seed) {
    std::vector<float> values = white_noise(points, sigma, seed);
    const double fresh = std::sqrt(1.0 - rho * rho);
    for (std::size_t i = 1; i < values.size(); ++i) {
        if (i == points) continue;
        values[i] = static_cast<float>(rho * values[i - 1] + fresh * values[i]);
    }
    return values;
}

nmrsim::Experiment experiment_2021() {
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    // Every fourth sample: enough to tell, and a quarter of the time.
    experiment.acquisition.points = 214;
    experiment.acquisition.noise = kNoise;
    return experiment;
}

/// A curve of `experiment` at `values`, without noise.
std::vector<float> curve_of(const nmrsim::Experiment& experiment, std::vector<double> values) {
    std::vector<float> signal(2 * static_cast<std::size_t>(experiment.acquisition.points));
    nmrsim::simulate_batch(experiment, values, {}, signal, 1);
    return signal;
}

void add(std::vector<float>& to, const std::vector<float>& what) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += what[i];
}

Curves one_curve(const nmrsim::Experiment& experiment, const std::vector<float>& signal) {
    Curves curves;
    curves.names = {"curve"};
    curves.time_us = nmrsim::acquisition_times_us(experiment);
    curves.signal = signal;
    return curves;
}

/// Normal intervals about an estimate.
nmrinverse::Predictions about(const std::vector<double>& mean, const std::vector<double>& sd) {
    nmrinverse::Predictions p;
    p.count = 1;
    p.unknowns = mean.size();
    p.mean = mean;
    p.sd = sd;
    for (std::size_t k = 0; k < mean.size(); ++k) {
        p.q05.push_back(mean[k] - 1.645 * sd[k]);
        p.q25.push_back(mean[k] - 0.674 * sd[k]);
        p.q75.push_back(mean[k] + 0.674 * sd[k]);
        p.q95.push_back(mean[k] + 1.645 * sd[k]);
    }
    return p;
}

/// The verdict on the least squares fit of a curve, from starts about `values`.
Judgements refined_verdict(const std::vector<float>& signal, const std::vector<double>& values,
                           std::uint64_t seed) {
    const nmrsim::Experiment experiment = experiment_2021();
    nmrsim::CounterRandom random(seed, 1, nmrsim::RandomStream::noise);
    const double spread[3] = {0.3, 1.0, 0.1};
    std::vector<double> starts = values;
    for (int i = 0; i < 21; ++i) starts.push_back(values[i % 3] + spread[i % 3] * random.normal());
    nmrinverse::RefineOptions options;
    options.noise = kNoise;
    options.refined = 4;
    options.widenings = 0;  // starts are near the truth; for bad curves there is nothing better
    options.threads = 1;
    const nmrinverse::Refinement fit = nmrinverse::refine(experiment, signal, starts, options);
    return judge(one_curve(experiment, signal), about(fit.estimate, fit.deviations()), experiment,
                 {.noise = kNoise, .threads = 1, .best_fit = true});
}

/// True values in the middle of the 2021 task's ranges, where a curve tells all three.
std::vector<double> middle_draw(std::uint64_t index) {
    const std::vector<double> u = nmrsim::draw_parameters(experiment_2021().prior, 11, index);
    return {10.0 + 0.85 * u[0], 20.0 + 0.85 * u[1], 15.0 + 0.7 * (u[2] - 10.0)};
}

}  // namespace

TEST_CASE("verdict: every finding by itself") {
    CHECK(verdict_of(good_evidence()).verdict == Verdict::ok);
    CHECK(verdict_of(good_evidence()).reason.empty());
    const auto with = [](const auto& change) {
        VerdictEvidence evidence = good_evidence();
        change(evidence);
        return verdict_of(evidence);
    };
    using E = VerdictEvidence;
    CHECK(with([](E& e) { e.finite = false; }).verdict == Verdict::reject);
    CHECK(with([](E& e) { e.residual = std::nan(""); }).verdict == Verdict::reject);
    // Four times the expected residual: of a fit, no parameters are nearer. A network may be wrong
    // itself, most of all on a curve far from those it learned from.
    CHECK(with([](E& e) { e.residual *= 4.1; }).verdict == Verdict::caution);
    CHECK(with([](E& e) {
              e.residual *= 4.1;
              e.fitted = true;
          }).verdict == Verdict::reject);
    CHECK(with([](E& e) {
              e.residual *= 4.1;
              e.distance = 0.5;
          }).verdict == Verdict::caution);
    CHECK(with([](E& e) {
              e.residual *= 4.1;
              e.distance = 1.0;
          }).verdict == Verdict::caution);
    // Chi-square nine times what is expected: no curve of the experiment where the residual is
    // correlated, more noise than was said where it is white.
    const auto nine = [&](double correlation, bool fitted) {
        return with([&](E& e) {
                   e.residual *= 3.0;
                   e.correlation = correlation;
                   e.fitted = fitted;
               })
            .verdict;
    };
    CHECK(nine(0.95, true) == Verdict::reject);
    CHECK(nine(0.1, true) == Verdict::caution);
    CHECK(nine(0.95, false) == Verdict::caution);
    // Noise that is correlated as it is known to be is none of a misfit.
    CHECK(with([](E& e) {
              e.correlation = 0.95;
              e.noise_correlation = 0.95;
              e.fitted = true;
          }).verdict == Verdict::ok);
    // Noise^2 known to 10%: 1.21 + 5 hypot(1 / sqrt(856), 0.1) = 1.74 = 1.32^2.
    CHECK(with([](E& e) {
              e.residual *= 1.31;
              e.noise_uncertainty = 0.1;
          }).verdict == Verdict::ok);
    CHECK(with([](E& e) {
              e.residual *= 0.5;
              e.noise_is_bound = true;
          }).verdict == Verdict::ok);
    // 1.1^2 + 5 / sqrt(856) = 1.381 = 1.175^2; 1 / 1.1^2 - 0.171 = 0.656 = 0.81^2.
    CHECK(with([](E& e) { e.residual *= 1.17; }).verdict == Verdict::ok);
    CHECK(with([](E& e) { e.residual *= 1.18; }).verdict == Verdict::caution);
    CHECK(with([](E& e) { e.residual *= 0.82; }).verdict == Verdict::ok);
    const Judgement low = with([](E& e) { e.residual *= 0.80; });
    CHECK(low.verdict == Verdict::caution);
    CHECK(low.reason == "residual 0.8 times the noise given");
    // 5 / sqrt(1712) = 0.121.
    CHECK(with([](E& e) { e.correlation = 0.12; }).verdict == Verdict::ok);
    CHECK(with([](E& e) { e.correlation = 0.13; }).verdict == Verdict::caution);
    CHECK(with([](E& e) { e.magnitude = 2e-3; }).verdict == Verdict::ok);  // a weak curve
    const auto unfollowed = [](E& e) {
        e.expected = 0.4;
        e.residual = 0.3;
    };
    CHECK(with(unfollowed).verdict == Verdict::caution);
    CHECK(with([&](E& e) {
              unfollowed(e);
              e.distance = 0.5;
          }).verdict == Verdict::ok);
    // No draw nearer than zeros: the posterior's curves differ, and none is this one.
    CHECK(with([&](E& e) {
              unfollowed(e);
              e.distance = 0.5;
              e.nearest = 0.29;
          }).verdict == Verdict::ok);
    CHECK(with([&](E& e) {
              unfollowed(e);
              e.distance = 0.5;
              e.nearest = 0.31;
          }).reason == "no draw of the posterior follows the curve");
    CHECK(with([](E& e) {
              e.magnitude = 1e-4;  // a weak curve
              e.nearest = std::sqrt(2.0) * kNoise;
          }).verdict == Verdict::ok);
    CHECK(with([](E& e) { e.clipped = true; }).verdict == Verdict::caution);
    CHECK(with([](E& e) { e.piled = true; }).verdict == Verdict::caution);
    CHECK(with([](E& e) { e.untold = true; }).verdict == Verdict::caution);
    CHECK(with([](E& e) { e.distance = 0.99; }).verdict == Verdict::ok);
    CHECK(with([](E& e) { e.distance = 1.0; }).verdict == Verdict::caution);
    CHECK(with([](E& e) { e.distance = std::nan(""); }).verdict == Verdict::caution);
    CHECK(with([](E& e) { e.efficiency = 0.02; }).verdict == Verdict::ok);
    CHECK(with([](E& e) { e.efficiency = 0.001; }).verdict == Verdict::caution);
    CHECK(with([](E& e) {
              e.distance = 1.0;
              e.clipped = true;
          }).reason == "clipped; unlike the curves of the training");
    // A network's own error, nine times the noise: its residual is colored and known to a factor.
    const auto network = [](double residual, double correlation) {
        VerdictEvidence evidence = good_evidence();
        evidence.expected = 9.0 * std::sqrt(2.0) * kNoise;
        evidence.residual = residual * evidence.expected;
        evidence.correlation = correlation;
        return verdict_of(evidence).verdict;
    };
    CHECK(network(2.9, 0.99) == Verdict::ok);
    CHECK(network(3.1, 0.5) == Verdict::caution);
    CHECK(network(0.2, 0.5) == Verdict::ok);
    // Without a noise level nothing is asked of the residual's color.
    VerdictEvidence unknown = good_evidence();
    unknown.noise = 0.0;
    unknown.correlation = 0.99;
    unknown.residual *= 0.1;
    CHECK(verdict_of(unknown).verdict == Verdict::ok);
}

TEST_CASE("verdict: correlation of white and of colored residuals") {
    // 100 residuals of 20 lags: the largest of 2,000 normal deviations stays below 5 with
    // probability 1 - 1e-3.
    double largest = 0.0, colored = 1.0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        largest = std::max(largest, residual_correlation(white_noise(856, 1e-3, seed)));
        colored = std::min(colored, residual_correlation(colored_noise(856, 1e-3, 0.5, seed)));
    }
    CHECK(largest < 5.0 / std::sqrt(1712.0));
    CHECK(largest > 2.0 / std::sqrt(1712.0));
    // 0.5 +- sqrt((1 - 0.25) / 1712) = 0.021, five of these.
    CHECK(colored > 0.39);
    std::vector<float> tone(2 * 400);
    for (std::size_t i = 0; i < tone.size(); ++i) {
        tone[i] = static_cast<float>(std::cos(0.3 * static_cast<double>(i)));
    }
    CHECK(residual_correlation(tone) > 0.9);
    CHECK(residual_correlation(std::vector<float>(20, 0.0f)) == 0.0);
}

TEST_CASE("verdict: clipped curves have runs at their ends") {
    const nmrsim::Experiment experiment = experiment_2021();
    std::vector<float> signal = curve_of(experiment, {40.0, 100.0, 60.0});
    CHECK(longest_clipped_run(signal) < kClippedRun);
    CHECK(longest_clipped_run(white_noise(856, 1.0, 3)) < kClippedRun);
    CHECK(longest_clipped_run(std::vector<float>(40, 0.5f)) == 0);
    const float most = 0.7f * *std::max_element(signal.begin(), signal.end());
    for (float& value : signal) value = std::clamp(value, -most, most);
    CHECK(longest_clipped_run(signal) >= kClippedRun);
    // A dead receiver is no clipping.
    std::vector<float> dead = curve_of(experiment, {40.0, 100.0, 60.0});
    for (float& value : dead) value = std::abs(value);
    std::fill_n(dead.begin(), 50, 0.0f);
    std::fill_n(dead.begin() + 214, 50, 0.0f);
    CHECK(longest_clipped_run(dead) < kClippedRun);
}

TEST_CASE("verdict: refined fits of good curves are ok, of bad ones never") {
    const nmrsim::Experiment experiment = experiment_2021();
    int good = 0;
    for (std::uint64_t i = 0; i < 8; ++i) {
        const std::vector<double> values = middle_draw(i);
        std::vector<float> signal = curve_of(experiment, values);
        add(signal, white_noise(214, kNoise, i));
        const Judgements judged = refined_verdict(signal, values, i);
        INFO(judged.reason[0]);
        good += judged.verdict[0] == Verdict::ok;
    }
    CHECK(good == 8);

    for (std::uint64_t i = 0; i < 2; ++i) {
        const std::vector<double> values = middle_draw(i);
        const std::vector<float> noise = white_noise(214, kNoise, 100 + i);
        const auto verdict_on = [&](std::vector<float> signal, std::vector<double> start) {
            const Judgements judged = refined_verdict(signal, start, i);
            INFO(judged.reason[0]);
            CHECK(judged.verdict[0] != Verdict::ok);
        };
        // Out of range: a fifth beyond the largest alpha_x.
        nmrsim::Experiment wide = experiment;
        wide.prior[0].high = 200.0;
        std::vector<float> signal = curve_of(wide, {180.0, values[1], values[2]});
        add(signal, noise);
        verdict_on(signal, {150.0, values[1], values[2]});
        // Another kernel's curve: a gaussian of range 3 on a small lattice, same summed coupling.
        nmrsim::Experiment other = experiment;
        nmrsim::apply_setting(other, "interaction.kernel=gaussian");
        nmrsim::apply_setting(other, "interaction.xi=3");
        nmrsim::apply_setting(other, "interaction.normalize=true");
        nmrsim::apply_setting(other, "lattice.nx=32");
        nmrsim::apply_setting(other, "lattice.ny=32");
        const std::uint64_t seeds[1] = {1};
        signal.assign(signal.size(), 0.0f);
        nmrsim::simulate_batch(other, values, seeds, signal, 1);
        add(signal, noise);
        verdict_on(signal, values);
        // Clipped at 70% of its largest value.
        signal = curve_of(experiment, values);
        add(signal, noise);
        const float most = 0.7f * *std::max_element(signal.begin(), signal.end());
        for (float& value : signal) value = std::clamp(value, -most, most);
        verdict_on(signal, values);
        // Shifted by 1 us, half a percent of the time to the echo. (Half of that, other values of
        // the unknowns can hide.)
        nmrsim::Experiment late = experiment;
        late.acquisition.start_us += 1.0;
        late.acquisition.stop_us += 1.0;
        signal = curve_of(late, values);
        add(signal, noise);
        verdict_on(signal, values);
        // Noise of the right size and the wrong color.
        signal = curve_of(experiment, values);
        add(signal, colored_noise(214, kNoise, 0.6, 200 + i));
        verdict_on(signal, values);
        // Twice the noise that was said.
        signal = curve_of(experiment, values);
        add(signal, white_noise(214, 2.0 * kNoise, 300 + i));
        verdict_on(signal, values);
    }
}

TEST_CASE("verdict: estimates of a network are given their own error") {
    const nmrsim::Experiment experiment = experiment_2021();
    const std::vector<double> sd = {0.3, 1.0, 0.1};
    // 40 good curves whose estimates err as they say, by the standard deviations one by one and by
    // samples. An error of one direction alone is above three of its standard deviations in 0.3%,
    // and the expected residual is itself known to a third or so: two in 40 at most.
    int doubtful = 0, rejected = 0, far_ok = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        const std::vector<double> values = middle_draw(i);
        nmrsim::CounterRandom random(7, i, nmrsim::RandomStream::noise);
        std::vector<double> mean, samples;
        for (std::size_t k = 0; k < 3; ++k) mean.push_back(values[k] + sd[k] * random.normal());
        for (int j = 0; j < 24; ++j) samples.push_back(mean[j % 3] + sd[j % 3] * random.normal());
        std::vector<float> signal = curve_of(experiment, values);
        add(signal, white_noise(214, kNoise, i));
        const Curves curves = one_curve(experiment, signal);
        for (const auto& draws : {std::vector<double>{}, samples}) {
            JudgeOptions options = {
                .noise = kNoise, .threads = 1, .samples = draws, .distance = {0.5}};
            const Judgements near = judge(curves, about(mean, sd), experiment, options);
            doubtful += near.verdict[0] != Verdict::ok;
            rejected += near.verdict[0] == Verdict::reject;
            options.distance = {1.0};
            far_ok += judge(curves, about(mean, sd), experiment, options).verdict[0] == Verdict::ok;
        }
    }
    CHECK(rejected == 0);
    CHECK(doubtful <= 4);
    CHECK(far_ok == 0);
}

TEST_CASE("verdict: a posterior that follows the curve nowhere is not ok, however wide it is") {
    const nmrsim::Experiment experiment = experiment_2021();
    const std::vector<double> values = {60.0, 100.0, 60.0}, mean = {60.0, 150.0, 60.0};
    const std::vector<double> sd = {2.0, 40.0, 2.0};
    const std::vector<float> signal = curve_of(experiment, values);
    const auto reason_with = [&](std::vector<double> samples, bool checked = false) {
        const JudgeOptions options = {
            .threads = 1, .checked = checked, .samples = std::move(samples), .distance = {0.5}};
        return judge(one_curve(experiment, signal), about(mean, sd), experiment, options).reason[0];
    };
    CHECK(reason_with({62.0, 190.0, 60.0, 60.0, 101.0, 60.0}).empty());
    const std::vector<double> elsewhere = {62.0, 190.0, 60.0, 60.0, 120.0, 60.0};
    CHECK(reason_with(elsewhere) == "no draw of the posterior follows the curve");
    CHECK(reason_with(elsewhere, true).empty());
}

TEST_CASE("verdict: a curve is judged at its own samples") {
    // Every fourth sample of the window is interpolated between its neighbours, some of them.
    const nmrsim::Experiment experiment = experiment_2021();
    const std::vector<double> values = {40.0, 100.0, 60.0}, sd = {0.01, 0.02, 0.005};
    nmrsim::Experiment finer = experiment;
    finer.acquisition.points = 500;
    std::vector<float> signal = curve_of(finer, values);
    add(signal, white_noise(500, kNoise, 5));
    Curves curves = one_curve(experiment, curve_of(experiment, values));
    auto own = std::make_shared<Curves::Own>();
    own->start_us = finer.acquisition.start_us;
    own->stop_us = finer.acquisition.stop_us;
    own->signal = signal;
    curves.own = {own};
    CHECK(curves.times_us(0) == nmrsim::acquisition_times_us(finer));
    const JudgeOptions options = {.noise = kNoise, .threads = 1, .best_fit = true};
    const Judgements judged = judge(curves, about(values, sd), experiment, options);
    CHECK(judged.verdict[0] == Verdict::ok);
    CHECK(judged.fit[0].size() == signal.size());
    // |M - M_fit|^2 of 500 points: 2 sigma^2, five standard deviations.
    CHECK(judged.residual[0] == Approx(std::sqrt(2.0) * kNoise).epsilon(2.5 / std::sqrt(500.0)));
    own = std::make_shared<Curves::Own>(*own);
    own->signal[123] = std::numeric_limits<float>::quiet_NaN();
    curves.own = {own};
    CHECK(unreadable_curves(curves) == std::vector<std::size_t>{0});
}

TEST_CASE("noise that a data set was made with is never told as less") {
    CHECK(told_noise("a.h5", 0.0, 1e-3) == 1e-3);
    CHECK(told_noise("a.h5", 1e-3, 0.0) == 1e-3);
    CHECK(told_noise("a.h5", 1e-3, 2e-3) == 2e-3);
    CHECK_THROWS_WITH(told_noise("a.h5", 1e-2, 1e-3),
                      ContainsSubstring("made with acquisition.noise = 0.01"));
}

TEST_CASE("verdict: what is not finite is rejected") {
    const nmrsim::Experiment experiment = experiment_2021();
    const std::vector<double> values = {40.0, 100.0, 60.0}, sd = {1.0, 5.0, 0.5};
    std::vector<float> signal = curve_of(experiment, values);
    nmrinverse::Predictions estimates = about(values, sd);
    const JudgeOptions options = {.threads = 1};
    CHECK(judge(one_curve(experiment, signal), estimates, experiment, options).verdict[0] ==
          Verdict::ok);
    CHECK(unreadable_curves(one_curve(experiment, signal)).empty());
    estimates.mean[1] = std::numeric_limits<double>::quiet_NaN();
    CHECK(judge(one_curve(experiment, signal), estimates, experiment, options).verdict[0] ==
          Verdict::reject);
    signal[17] = std::numeric_limits<float>::quiet_NaN();
    const Curves curves = one_curve(experiment, signal);
    CHECK(unreadable_curves(curves) == std::vector<std::size_t>{0});
    const Judgements judged = judge(curves, about(values, sd), experiment, options);
    CHECK(judged.verdict[0] == Verdict::reject);
    CHECK(judged.reason[0] == "not finite");
}

TEST_CASE("verdict: a fitted receiver is applied to the simulated curve") {
    const nmrsim::Experiment experiment = experiment_2021();
    const std::vector<double> values = {40.0, 100.0, 60.0}, sd = {0.01, 0.02, 0.005};
    nmrsim::Experiment late = experiment;
    late.acquisition.start_us += 0.4;
    late.acquisition.stop_us += 0.4;
    late.acquisition.gain = 1.2;
    late.acquisition.receiver_phase_deg = 25.0;
    std::vector<float> signal = curve_of(late, values);
    add(signal, white_noise(214, kNoise, 5));
    const Curves curves = one_curve(experiment, signal);
    JudgeOptions options = {.noise = kNoise, .threads = 1, .best_fit = true};
    CHECK(judge(curves, about(values, sd), experiment, options).verdict[0] == Verdict::reject);
    options.factor = {std::polar(1.2, 25.0 * std::numbers::pi / 180.0)};
    options.time_zero_us = {0.4};
    CHECK(judge(curves, about(values, sd), experiment, options).verdict[0] == Verdict::ok);
    options.factor.push_back(1.0);
    CHECK_THROWS_AS(judge(curves, about(values, sd), experiment, options), std::invalid_argument);
    options.factor.pop_back();
    options.samples = {1.0};
    CHECK_THROWS_AS(judge(curves, about(values, sd), experiment, options), std::invalid_argument);
}
