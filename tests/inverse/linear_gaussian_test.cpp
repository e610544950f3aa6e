// A problem whose posterior is known: the network must find it, mean, width and coverage.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "catch_compat.h"
#include "model/tensor_file.h"
#include "nmrinverse/evaluation.h"
#include "training_problem.h"

namespace {

/// Mean of a Gaussian (location, sd) cut to [0, 1].
double cut_gaussian_mean(double location, double sd) {
    const auto density = [](double z) {
        return std::exp(-0.5 * z * z) / std::sqrt(nmrsim::kTwoPi);
    };
    const auto below = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
    const double low = -location / sd;
    const double high = (1.0 - location) / sd;
    return location + sd * (density(low) - density(high)) / (below(high) - below(low));
}

}  // namespace

TEST_CASE("Linear Gaussian curves: estimate, standard deviation and coverage are the posterior's",
          "[trainer]") {
    const double sigma = 0.05;
    const double posterior_sd = 4.0 * sigma / std::sqrt(32.0);  // 0.035 of the box
    nmrinverse::TrainingOptions options = small_training();
    options.epochs = 10;
    const nmrinverse::Model model = nmrinverse::train(linear_dataset(10000, sigma, 1), options);
    const std::size_t count = 4000;
    const nmrsim::Dataset test = linear_dataset(count, sigma, 2);
    const nmrinverse::Evaluation evaluation = nmrinverse::evaluate(model, test);

    for (std::size_t k = 0; k < 2; ++k) {
        const double low = k ? 100.0 : 0.0;
        const double width = k ? 200.0 : 100.0;
        double excess = 0.0;
        double exact_mse = 0.0;
        double sd = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            const double location = least_squares(test.signal.data() + i * 128, 64)[k];
            const double exact = cut_gaussian_mean(location, posterior_sd);
            const double mean = (evaluation.predictions.mean[2 * i + k] - low) / width;
            const double truth = (test.parameters[2 * i + k] - low) / width;
            excess += std::pow(mean - exact, 2) / count;
            exact_mse += std::pow(truth - exact, 2) / count;
            sd += evaluation.predictions.sd[2 * i + k] / width / count;
        }
        INFO("unknown " << k << ", excess " << excess << ", exact " << exact_mse);
        // The posterior's mean is the best there is; the network may lose a tenth of its error.
        CHECK(excess < 0.1 * exact_mse);
        CHECK(evaluation.scores[k].mse / (width * width) <
              1.1 * exact_mse + 4.0 * exact_mse * std::sqrt(excess / exact_mse / count));
        // The box narrows the posterior of the few curves at its edges; the network adds its own
        // error.
        CHECK(sd > 0.9 * posterior_sd);
        CHECK(sd < 1.15 * posterior_sd);
        // Binomial: 4 sigma of 4,000 test curves and of the 1,000 that calibrated:
        // 4 sqrt(0.25 (1/4000 + 1/1000)) = 0.071 and 4 sqrt(0.09 (1/4000 + 1/1000)) = 0.042.
        CHECK(std::abs(evaluation.scores[k].coverage50 - 0.5) < 0.071);
        CHECK(std::abs(evaluation.scores[k].coverage90 - 0.9) < 0.042);
    }
}

TEST_CASE("An unknown that no curve tells of gets its prior", "[trainer]") {
    nmrsim::Dataset data = linear_dataset(4000, 0.02, 3);
    nmrsim::Dataset test = linear_dataset(2000, 0.02, 4);
    for (nmrsim::Dataset* set : {&data, &test}) {
        for (std::size_t i = 0; i < set->count(); ++i) {  // the second unknown is drawn anew
            set->parameters[2 * i + 1] =
                100.0 +
                200.0 *
                    nmrsim::CounterRandom(set->seed, i, nmrsim::RandomStream::offsets).uniform();
        }
    }
    nmrinverse::TrainingOptions options = small_training();
    options.epochs = 4;
    const nmrinverse::Evaluation evaluation =
        nmrinverse::evaluate(nmrinverse::train(data, options), test);
    // The prior: variance 200^2 / 12 = 3333, its mean explains nothing.
    CHECK(evaluation.scores[1].r2 < 0.02);
    CHECK(evaluation.scores[1].r2 > -0.1);
    double sd = 0.0;
    for (std::size_t i = 0; i < 2000; ++i) sd += evaluation.predictions.sd[2 * i + 1] / 2000.0;
    CHECK(std::abs(sd / (200.0 / std::sqrt(12.0)) - 1.0) < 0.1);
    // 4 sigma of 2,000 test and 200 calibrating curves: 4 sqrt(0.09 (1/2000 + 1/200)) = 0.089.
    CHECK(std::abs(evaluation.scores[1].coverage90 - 0.9) < 0.089);
}

TEST_CASE("A model trained for a range of noise says how sure it is at each level", "[trainer]") {
    nmrinverse::TrainingOptions options = small_training();
    options.epochs = 10;
    options.noise_low = 0.02;
    options.noise_high = 0.2;
    const nmrinverse::Model model = nmrinverse::train(linear_dataset(10000, 0.0, 1), options);
    for (const double sigma : {0.03, 0.1}) {
        const double posterior_sd = 4.0 * sigma / std::sqrt(32.0);
        const nmrinverse::Evaluation evaluation =
            nmrinverse::evaluate(model, linear_dataset(2000, sigma, 2), sigma);
        double sd = 0.0;
        for (std::size_t i = 0; i < 2000; ++i)
            sd += evaluation.predictions.sd[2 * i] / 100.0 / 2000;
        INFO("sigma " << sigma << ", sd " << sd << ", posterior " << posterior_sd);
        // The network adds its own error where noise is low, the box takes from it where it is
        // high; the two levels are more than a factor of 3 apart.
        CHECK(sd > 0.8 * posterior_sd);
        CHECK(sd < 1.5 * posterior_sd);
    }
}

TEST_CASE("A model calibrated anew is as wide as its errors at each level of noise", "[trainer]") {
    nmrinverse::TrainingOptions options = small_training();
    options.epochs = 2;  // not enough to know how wide
    options.noise_low = 0.02;
    options.noise_high = 0.2;
    const std::vector<double> sigmas{0.02, 0.063, 0.2};
    constexpr int kSeeds = 3;
    std::vector<double> coverage50(2 * sigmas.size()), coverage90(2 * sigmas.size());
    for (int seed = 1; seed <= kSeeds; ++seed) {
        options.seed = static_cast<std::uint64_t>(seed);
        const nmrinverse::Model first = nmrinverse::train(linear_dataset(2000, 0.0, 1), options);
        const nmrinverse::Model model = nmrinverse::calibrate(first, linear_dataset(4000, 0.0, 5));
        CHECK_THROWS_AS(nmrinverse::calibrate(first, nmrsim::Dataset{}), std::invalid_argument);
        for (std::size_t s = 0; s < sigmas.size(); ++s) {
            const nmrinverse::Evaluation evaluation =
                nmrinverse::evaluate(model, linear_dataset(4000, sigmas[s], 2), sigmas[s]);
            for (std::size_t k = 0; k < 2; ++k) {
                coverage50[2 * s + k] += evaluation.scores[k].coverage50 / kSeeds;
                coverage90[2 * s + k] += evaluation.scores[k].coverage90 / kSeeds;
            }
        }
    }
    for (std::size_t i = 0; i < coverage50.size(); ++i) {
        INFO("sigma " << sigmas[i / 2] << ", " << coverage50[i] << ", " << coverage90[i]);
        // 4 sigma of the 4,000 that test and the 4,000 that calibrate, the same for all seeds:
        // 0.045 and 0.027. One factor does not make the shape right as well, which is each
        // network's own: as much again, over the root of three networks.
        CHECK(std::abs(coverage50[i] - 0.5) < 0.071);
        CHECK(std::abs(coverage90[i] - 0.9) < 0.043);
    }
}

TEST_CASE("A model that is too sure of some estimates and not of others is calibrated by them",
          "[trainer]") {
    const double sigma = 0.05;
    const TestFolder folder("linear_gaussian_test");
    const std::string path = folder.file("lopsided.safetensors");
    {
        nmrinverse::TrainingOptions options = small_training();
        options.epochs = 4;
        options.members = 1;
        options.held_out = 0.125;
        nmrinverse::save_model(nmrinverse::train(linear_dataset(4000, sigma, 1), options), path);
        // Logarithms of standard deviations and estimates are linear in one embedding: the first
        // unknown's is made to rise with the second one's estimate, by e from end to end.
        nmrinverse::TensorFile file = nmrinverse::read_tensor_file(path);
        nmrinverse::FileTensor& weight = file.tensors.at("member0.estimate.weight");
        nmrinverse::FileTensor& bias = file.tensors.at("member0.estimate.bias");
        const auto width = static_cast<std::size_t>(weight.shape[1]);
        for (std::size_t i = 0; i < width; ++i) {
            weight.values[2 * width + i] += weight.values[width + i];
        }
        bias.values[2] += bias.values[1] - 0.5f;
        nmrinverse::write_tensor_file(file, path);
    }
    const nmrinverse::Model lopsided = nmrinverse::load_model(path);
    const std::size_t count = 6000;
    const nmrsim::Dataset test = linear_dataset(count, sigma, 2);
    // Of the first unknown in thirds of the second one's estimates: shares in the 90% interval.
    const auto coverage = [&](const nmrinverse::Model& model) {
        const nmrinverse::Predictions all = nmrinverse::evaluate(model, test).predictions;
        std::array<double, 3> held{};
        std::array<double, 3> curves{};
        for (std::size_t i = 0; i < 2 * count; i += 2) {
            const double place = (all.mean[i + 1] - 100.0) / 200.0;
            const auto third = static_cast<std::size_t>(std::clamp(3.0 * place, 0.0, 2.0));
            curves[third] += 1.0;
            held[third] += test.parameters[i] >= all.q05[i] && test.parameters[i] <= all.q95[i];
        }
        for (std::size_t t = 0; t < 3; ++t) held[t] /= curves[t];
        return held;
    };
    const std::array<double, 3> before = coverage(lopsided);
    INFO("before: " << before[0] << ", " << before[1] << ", " << before[2]);
    CHECK(before[0] < 0.85);
    CHECK(before[2] > 0.94);
    const nmrinverse::Model model =
        nmrinverse::calibrate(lopsided, linear_dataset(count, sigma, 5));
    nmrinverse::save_model(model, path);
    const std::array<double, 3> after = coverage(model);
    INFO("after: " << after[0] << ", " << after[1] << ", " << after[2]);
    // 4 sigma of 2,000 that test and 2,000 that calibrate: 0.038; shape as above.
    for (const double share : after) CHECK(std::abs(share - 0.9) < 0.05);
    CHECK(coverage(nmrinverse::load_model(path)) == after);
}
