/// Small problems for the tests of training, models and evaluation.
#pragma once

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nmrinverse/trainer.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"

/// A folder of one test program, removed at the end.
struct TestFolder {
    std::filesystem::path path;
    explicit TestFolder(const std::string& name)
        : path(std::filesystem::temp_directory_path() / (name + "." + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path);
    }
    ~TestFolder() { std::filesystem::remove_all(path); }
    std::string file(const std::string& name) const { return (path / name).string(); }
};

/// Two unknowns and few points: an experiment for curves that need not be echoes.
inline nmrsim::Experiment small_experiment(int points = 64) {
    nmrsim::Experiment experiment;
    experiment.name = "small";
    experiment.acquisition.start_us = 0.0;
    experiment.acquisition.stop_us = 60.0;
    experiment.acquisition.points = points;
    experiment.prior = {{"alpha_x_khz", 0.0, 100.0}, {"alpha_z_khz", 100.0, 300.0}};
    return experiment;
}

/// Curves that are linear in the unknowns' unit-box coordinates u and v,
/// Mx + i My = 1/2 + u cos(2 pi t / T) / 4 + v sin(2 pi t / T) / 4 + noise, t = 0 ... points - 1, T
/// the window: the two patterns are orthogonal, so that, before the box cuts it, the posterior of u
/// and v is Gaussian around their least squares estimates with the standard deviation 4 sigma /
/// sqrt(points / 2) each.
inline nmrsim::Dataset linear_dataset(std::size_t count, double sigma, std::uint64_t seed) {
    const nmrsim::Experiment experiment = small_experiment();
    const auto points = static_cast<std::size_t>(experiment.acquisition.points);
    nmrsim::Dataset data;
    data.unknowns = experiment.prior;
    data.time_us = nmrsim::acquisition_times_us(experiment);
    data.experiment_toml = nmrsim::experiment_to_toml(experiment);
    data.seed = seed;
    for (std::size_t i = 0; i < count; ++i) {
        const std::vector<double> drawn = nmrsim::draw_parameters(experiment.prior, seed, i);
        data.parameters.insert(data.parameters.end(), drawn.begin(), drawn.end());
        const double u = drawn[0] / 100.0;
        const double v = (drawn[1] - 100.0) / 200.0;
        nmrsim::CounterRandom random(seed, i, nmrsim::RandomStream::noise);
        for (std::size_t part = 0; part < 2; ++part) {
            for (std::size_t t = 0; t < points; ++t) {
                const double phase =
                    nmrsim::kTwoPi * static_cast<double>(t) / static_cast<double>(points);
                const double value =
                    part ? 0.0 : 0.5 + 0.25 * (u * std::cos(phase) + v * std::sin(phase));
                data.signal.push_back(static_cast<float>(value + sigma * random.normal()));
            }
        }
    }
    return data;
}

/// Least squares estimates of u and v from one curve of linear_dataset(), (2).
inline std::vector<double> least_squares(const float* signal, std::size_t points) {
    std::vector<double> estimate(2, 0.0);
    for (std::size_t t = 0; t < points; ++t) {
        const double phase = nmrsim::kTwoPi * static_cast<double>(t) / static_cast<double>(points);
        const double scale = 4.0 / (0.5 * static_cast<double>(points));
        estimate[0] += scale * signal[t] * std::cos(phase);
        estimate[1] += scale * signal[t] * std::sin(phase);
    }
    return estimate;
}

/// A network that trains in a second.
inline nmrinverse::TrainingOptions small_training() {
    nmrinverse::TrainingOptions options;
    options.embedding = nmrinverse::Embedding::dense;
    options.features = nmrinverse::CurveFeatures::all;
    options.width = 32;
    options.hidden = 64;
    options.blocks = 2;
    options.members = 1;
    options.batch = 128;
    options.epochs = 3;
    options.threads = 1;
    return options;
}
