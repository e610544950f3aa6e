// A sweep of the pulses' strength fitted as one: home within the joint bound, and nearer than
// alone.

#include "nmrinverse/joint_fit.h"

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <cmath>

#include "catch_compat.h"
#include "fit/joint_likelihood.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/fisher.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

using namespace nmrinverse;

namespace {

constexpr double kNoise = 1e-3;

/// The 2021 task at every eighth sample: what is tested does not depend on how many there are.
nmrsim::Experiment task() {
    nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
    const double spacing =
        (e.acquisition.stop_us - e.acquisition.start_us) / (e.acquisition.points - 1);
    e.acquisition.points = 107;
    e.acquisition.stop_us = e.acquisition.start_us + 106 * 8 * spacing;
    e.acquisition.noise = kNoise;
    return e;
}

struct Sweep {
    std::vector<double> truth;  ///< (curves, 3)
    std::vector<float> signals;
    std::vector<double> starts;  ///< (curves, count, 3)
};

Sweep sweep_of(const nmrsim::Experiment& e, double alpha_x, double alpha_z,
               const std::vector<double>& thetas, std::size_t starts, std::uint64_t seed) {
    const double spread[3] = {2.0, 12.0, 1.0};  // kHz, kHz, degree: what a network is off
    Sweep sweep;
    for (std::size_t c = 0; c < thetas.size(); ++c) {
        const std::vector<double> truth{alpha_x, alpha_z, thetas[c]};
        nmrsim::Signal signal = nmrsim::simulate(nmrsim::with_parameters(e, truth));
        nmrsim::add_noise(signal, kNoise, seed, c);
        sweep.truth.insert(sweep.truth.end(), truth.begin(), truth.end());
        sweep.signals.insert(sweep.signals.end(), signal.mx.begin(), signal.mx.end());
        sweep.signals.insert(sweep.signals.end(), signal.my.begin(), signal.my.end());
        nmrsim::CounterRandom random(seed, 100 + c, nmrsim::RandomStream::noise);
        double off[3];
        for (std::size_t k = 0; k < 3; ++k) off[k] = spread[k] * random.normal();
        for (std::size_t i = 0; i < starts; ++i) {
            for (std::size_t k = 0; k < 3; ++k) {
                sweep.starts.push_back(truth[k] + off[k] + spread[k] * random.normal());
            }
        }
    }
    return sweep;
}

/// Joint Cramer-Rao deviations: of alpha_x, alpha_z, then each theta.
std::vector<double> joint_bound(const nmrsim::Experiment& e, const Sweep& sweep) {
    const std::size_t curves = sweep.truth.size() / 3;
    const Eigen::Index n = static_cast<Eigen::Index>(2 + curves);
    Eigen::MatrixXd information = Eigen::MatrixXd::Zero(n, n);
    const std::vector<std::string> names{"alpha_x_khz", "alpha_z_khz", "flip_deg"};
    for (std::size_t c = 0; c < curves; ++c) {
        const auto at = nmrsim::with_parameters(e, std::span(sweep.truth).subspan(3 * c, 3));
        const auto one =
            nmrsim::fisher_information(nmrsim::simulate_with_jacobian(at, names), kNoise);
        const Eigen::Index place[3] = {0, 1, static_cast<Eigen::Index>(2 + c)};
        for (int a = 0; a < 3; ++a) {
            for (int b = 0; b < 3; ++b) information(place[a], place[b]) += one.matrix(a, b);
        }
    }
    const Eigen::MatrixXd covariance = information.inverse();
    std::vector<double> deviations;
    for (Eigen::Index i = 0; i < n; ++i) deviations.push_back(std::sqrt(covariance(i, i)));
    return deviations;
}

}  // namespace

TEST_CASE("a joint fit comes home at the joint bound", "[joint]") {
    const nmrsim::Experiment e = task();
    JointOptions options;
    options.refine.noise = kNoise;
    const Sweep sweep = sweep_of(e, 60.0, 180.0, {20.0, 35.0, 50.0, 65.0, 80.0}, 64, 1);
    const JointFit fit = fit_jointly(e, sweep.signals, sweep.starts, options);
    CHECK(fit.converged);
    CHECK(fit.rivals == 0);
    CHECK(fit.curves == 5);
    // 5 x 2 x 107 numbers, 2 + 5 unknowns; chi-square has the variance 2 degrees.
    CHECK(fit.degrees == 5 * 214 - 7);
    CHECK(fit.within_noise());
    REQUIRE(fit.names.size() == 7);
    CHECK(fit.names[1] == "alpha_z_khz");
    CHECK(fit.names[3] == "flip_deg of curve 2");
    const std::vector<double> bound = joint_bound(e, sweep);
    double sum = 0.0;
    for (std::size_t c = 0; c < 5; ++c) {
        sum += fit.chi_square_of[c];
        for (std::size_t k = 0; k < 3; ++k) {
            const double error = fit.estimate[3 * c + k] - sweep.truth[3 * c + k];
            const double sd = fit.deviations[3 * c + k];
            CAPTURE(c, k, error, sd);
            CHECK(std::abs(error) < 5.0 * sd);
            // The bound at the truth; it changes by far less than 5% over an error. The prior's own
            // variance, a ten-thousandth, adds less.
            CHECK(sd == Approx(bound[k < 2 ? k : 2 + c]).epsilon(0.05));
            CHECK(sd <= fit.alone[c].deviations()[k] * 1.05);
        }
        CHECK(fit.estimate[3 * c] == fit.estimate[0]);
        CHECK(fit.estimate[3 * c + 1] == fit.estimate[1]);
    }
    CHECK(sum == Approx(fit.chi_square));
    const Eigen::Index n = fit.covariance.rows();
    CHECK(n == 7);
    CHECK(std::sqrt(fit.covariance(1, 1)) == Approx(fit.deviations[1]));
    CHECK(std::sqrt(fit.covariance(6, 6)) == Approx(fit.deviations[14]));
}

TEST_CASE("curves that say nothing alone are led by the others", "[joint]") {
    // The second curve's starts are all at a wrong alpha; the others' bring the right one.
    const nmrsim::Experiment e = task();
    JointOptions options;
    options.refine.noise = kNoise;
    options.refine.widenings = 0;
    Sweep sweep = sweep_of(e, 90.0, 120.0, {30.0, 60.0, 75.0}, 32, 2);
    for (std::size_t i = 32; i < 64; ++i) {
        sweep.starts[3 * i] = 20.0;
        sweep.starts[3 * i + 1] = 20.0;
    }
    const JointFit fit = fit_jointly(e, sweep.signals, sweep.starts, options);
    CHECK_FALSE(fit.alone[1].within_noise());
    CHECK(fit.within_noise());
    for (std::size_t i = 0; i < 9; ++i) {
        CAPTURE(i, fit.estimate[i], sweep.truth[i]);
        CHECK(std::abs(fit.estimate[i] - sweep.truth[i]) < 5.0 * fit.deviations[i]);
    }
}

TEST_CASE("each curve has its own gain, phase and time zero", "[joint]") {
    const nmrsim::Experiment e = task();
    Sweep sweep = sweep_of(e, 60.0, 180.0, {35.0, 70.0}, 64, 3);
    const std::size_t points = 107;
    const std::complex<double> factors[2] = {std::polar(1.3, 0.8), std::polar(0.8, -2.0)};
    for (std::size_t c = 0; c < 2; ++c) {
        float* x = &sweep.signals[2 * points * c];
        for (std::size_t i = 0; i < points; ++i) {
            const auto turned = factors[c] * std::complex<double>(x[i], x[points + i]);
            x[i] = static_cast<float>(turned.real());
            x[points + i] = static_cast<float>(turned.imag());
        }
    }
    JointOptions options;
    options.noise = {1.3 * kNoise, 0.8 * kNoise};
    options.refine.fit_gain = options.refine.fit_phase = true;
    const JointFit fit = fit_jointly(e, sweep.signals, sweep.starts, options);
    CHECK(fit.within_noise());
    CHECK(fit.degrees == 2 * 214 - 4 - 4);
    for (std::size_t c = 0; c < 2; ++c) {
        // The bound of one curve alone is the larger one.
        const std::vector<std::string> names{"alpha_x_khz", "alpha_z_khz", "flip_deg", "gain",
                                             "receiver_phase_deg"};
        const auto at = nmrsim::with_parameters(e, std::span(sweep.truth).subspan(3 * c, 3));
        const std::vector<double> bound = nmrsim::cramer_rao_deviations(
            nmrsim::fisher_information(nmrsim::simulate_with_jacobian(at, names), kNoise));
        const std::complex<double> ratio = fit.factor[c] / factors[c];
        CHECK(std::abs(std::abs(ratio) - 1.0) < 5.0 * bound[3]);
        CHECK(std::abs(std::arg(ratio)) / nmrsim::kRadiansPerDegree < 5.0 * bound[4]);
        for (std::size_t k = 0; k < 3; ++k) {
            CHECK(std::abs(fit.estimate[3 * c + k] - sweep.truth[3 * c + k]) <
                  5.0 * fit.deviations[3 * c + k]);
        }
    }
}

TEST_CASE("curves of other times are fitted as one", "[joint]") {
    const nmrsim::Experiment e = task();
    nmrsim::Experiment finer = e;
    finer.acquisition.start_us += 0.4;
    finer.acquisition.points = 150;
    const Sweep first = sweep_of(e, 60.0, 130.0, {35.0}, 16, 3);
    const Sweep second = sweep_of(finer, 60.0, 130.0, {55.0}, 16, 4);
    std::vector<float> signals = first.signals;
    signals.insert(signals.end(), second.signals.begin(), second.signals.end());
    std::vector<double> starts = first.starts;
    starts.insert(starts.end(), second.starts.begin(), second.starts.end());
    JointOptions options;
    options.refine.noise = kNoise;
    options.windows = {e.acquisition, finer.acquisition};
    const JointFit fit = fit_jointly(e, signals, starts, options);
    CHECK(fit.within_noise());
    CHECK(fit.degrees == 2 * (107 + 150) - 4);
    const double truth[6] = {60.0, 130.0, 35.0, 60.0, 130.0, 55.0};
    for (std::size_t i = 0; i < 6; ++i) {
        CAPTURE(i, fit.estimate[i], fit.deviations[i]);
        CHECK(std::abs(fit.estimate[i] - truth[i]) < 4.0 * fit.deviations[i]);
    }
    options.windows[1].points = 149;
    CHECK_THROWS_WITH(fit_jointly(e, signals, starts, options),
                      ContainsSubstring("do not fit 2 windows"));
}

TEST_CASE("a joint fit refuses what it cannot use", "[joint]") {
    const nmrsim::Experiment e = task();
    const Sweep sweep = sweep_of(e, 60.0, 180.0, {35.0, 70.0}, 2, 3);
    JointOptions options;
    const auto refused = [&](std::span<const float> signals, std::span<const double> starts) {
        CHECK_THROWS_AS(fit_jointly(e, signals, starts, options), std::invalid_argument);
    };
    refused(std::span(sweep.signals).first(214), sweep.starts);  // one curve
    refused(std::span(sweep.signals).first(300), sweep.starts);
    refused(sweep.signals, std::span(sweep.starts).first(5));
    options.per_curve = {"xi"};
    refused(sweep.signals, sweep.starts);
    options.per_curve = {"alpha_x_khz", "alpha_z_khz", "flip_deg"};
    refused(sweep.signals, sweep.starts);
    options.per_curve = {"flip_deg"};
    options.noise = {1e-3};
    refused(sweep.signals, sweep.starts);
    options.noise = {1e-3, 0.0};
    refused(sweep.signals, sweep.starts);
}
