#include "nmrsim/dataset.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>

#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"
#include "nmrsim/threads.h"
#include "nmrsim/version.h"

namespace nmrsim {

namespace {

/// Curves handed over at once: enough to keep all cores busy, few enough to lose when stopped.
constexpr std::size_t kBlock = 4096;

/// Adds the noise of curve `index` to `curve`, (2, points).
void add_noise(std::span<float> curve, double sigma, std::uint64_t seed, std::uint64_t index) {
    CounterRandom random(seed, index, RandomStream::noise);
    for (float& value : curve) value = static_cast<float>(value + sigma * random.normal());
}

/// How many curves at the front of a block, (count, values_per_curve), have been written; the
/// others still hold the NaN they were filled with.
std::size_t leading_curves(std::span<const float> block, std::size_t values_per_curve) {
    std::size_t done = 0;
    while (done * values_per_curve < block.size() && !std::isnan(block[done * values_per_curve]) &&
           !std::isnan(block[(done + 1) * values_per_curve - 1])) {
        ++done;
    }
    return done;
}

/// Draws and simulates block after block. Returns: how many curves from the front are whole.
std::size_t simulate_blocks(const Experiment& experiment, std::size_t count, Dataset& dataset,
                            int threads, const BatchProgress& progress) {
    const std::size_t unknowns = experiment.prior.size();
    const std::size_t values_per_curve = 2 * dataset.points();
    dataset.parameters.reserve(count * unknowns);
    dataset.signal.reserve(count * values_per_curve);
    for (std::size_t first = 0; first < count; first += kBlock) {
        const std::size_t size = std::min(kBlock, count - first);
        std::vector<std::uint64_t> lattice_seeds;
        for (std::size_t i = dataset.first_index + first; lattice_seeds.size() < size; ++i) {
            const std::vector<double> drawn = draw_parameters(experiment.prior, dataset.seed, i);
            dataset.parameters.insert(dataset.parameters.end(), drawn.begin(), drawn.end());
            lattice_seeds.push_back(
                CounterRandom(dataset.seed, i, RandomStream::lattice_seed).bits());
        }
        dataset.signal.resize((first + size) * values_per_curve);
        const std::span<float> block =
            std::span(dataset.signal).subspan(first * values_per_curve, size * values_per_curve);
        BatchProgress report;
        if (progress) report = [&](std::size_t done) { return progress(first + done); };
        // A batch that is stopped leaves gaps, since it does not take the curves in order.
        std::fill(block.begin(), block.end(), std::numeric_limits<float>::quiet_NaN());
        const std::size_t done = simulate_batch(
            experiment, std::span(dataset.parameters).subspan(first * unknowns, size * unknowns),
            lattice_seeds, block, threads, report);
        if (done < size) return first + leading_curves(block, values_per_curve);
    }
    return count;
}

}  // namespace

Dataset generate_dataset(const Experiment& experiment, std::size_t count, std::uint64_t seed,
                         std::uint64_t first_index, int threads, const BatchProgress& progress) {
    experiment.validate();
    if (experiment.prior.empty()) {
        throw std::invalid_argument(
            "prior must name at least one unknown to make a data set, got none");
    }
    Dataset dataset;
    dataset.unknowns = experiment.prior;
    dataset.time_us = acquisition_times_us(experiment);
    dataset.experiment_toml = experiment_to_toml(experiment);
    dataset.seed = seed;
    dataset.first_index = first_index;
    dataset.version = kVersion;

    const std::size_t unknowns = experiment.prior.size();
    const std::size_t values_per_curve = 2 * dataset.points();
    const std::size_t done = simulate_blocks(experiment, count, dataset, threads, progress);
    dataset.parameters.resize(done * unknowns);
    dataset.signal.resize(done * values_per_curve);

    const double sigma = experiment.acquisition.noise;
    if (sigma > 0.0) {
        const std::span<float> signal(dataset.signal);
        const int team = team_size(threads);
#pragma omp parallel for num_threads(team)
        for (std::size_t i = 0; i < done; ++i) {
            add_noise(signal.subspan(i * values_per_curve, values_per_curve), sigma, seed,
                      first_index + i);
        }
    }
    return dataset;
}

}  // namespace nmrsim
