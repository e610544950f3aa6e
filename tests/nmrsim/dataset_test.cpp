#include "nmrsim/dataset.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"

using namespace nmrsim;

namespace {

/// The 2021 task at a few points and a loose tolerance.
Experiment small_uniform() {
    Experiment experiment = load_experiment("challenge-2021");
    experiment.acquisition.points = 58;
    experiment.accuracy.tolerance = 1e-2;
    experiment.acquisition.noise = 1e-3;
    return experiment;
}

/// A finite range on a small lattice, both unknowns derived from others in part.
Experiment small_lattice() {
    Experiment experiment = load_experiment("challenge-2024-gaussian");
    experiment.lattice.nx = experiment.lattice.ny = 12;
    experiment.acquisition.points = 61;
    experiment.acquisition.noise = 1e-3;
    experiment.prior[1] = {"xi", 1.0, 4.0};
    return experiment;
}

/// Three kernels on a small lattice, each by the field that suits it.
Experiment small_mix() {
    Experiment experiment = load_experiment("kernel-recognition");
    experiment.lattice.nx = experiment.lattice.ny = 24;
    experiment.acquisition.points = 61;
    experiment.acquisition.stop_us = 120.0;
    experiment.prior[2] = {"xi", 2.0, 8.0};
    return experiment;
}

}  // namespace

TEST_CASE("sample i depends on experiment, seed and i alone") {
    for (const Experiment& experiment : {small_uniform(), small_lattice(), small_mix()}) {
        INFO(experiment.name);
        const Dataset all = generate_dataset(experiment, 23, 11, 0, 1);
        REQUIRE(all.count() == 23);
        const std::size_t curve = 2 * all.points(), unknowns = all.unknowns.size();

        const Dataset threads = generate_dataset(experiment, 23, 11, 0, 3);
        CHECK(threads.parameters == all.parameters);
        CHECK(threads.signal == all.signal);

        // Any part, whatever its start and length.
        for (const auto& [first, count] :
             {std::pair<std::size_t, std::size_t>{0, 5}, {5, 1}, {6, 17}}) {
            const Dataset part = generate_dataset(experiment, count, 11, first, 2);
            CHECK(part.first_index == first);
            CHECK(std::equal(part.signal.begin(), part.signal.end(),
                             all.signal.begin() + static_cast<std::ptrdiff_t>(first * curve)));
            CHECK(
                std::equal(part.parameters.begin(), part.parameters.end(),
                           all.parameters.begin() + static_cast<std::ptrdiff_t>(first * unknowns)));
        }
        const Dataset other = generate_dataset(experiment, 23, 12, 0, 1);
        CHECK(other.parameters != all.parameters);
    }
}

TEST_CASE("a data set says what made it") {
    const Experiment experiment = small_uniform();
    const Dataset set = generate_dataset(experiment, 2, 11, 5);
    CHECK(set.time_us == acquisition_times_us(experiment));
    CHECK(set.seed == 11);
    CHECK(set.first_index == 5);
    CHECK(set.version != "");
    CHECK(set.unknowns.size() == 3);
    CHECK(set.unknowns[2].name == "flip_deg");
    const Experiment again = parse_experiment(set.experiment_toml, "set");
    CHECK(generate_dataset(again, 2, set.seed, set.first_index).signal == set.signal);
    for (std::uint64_t i = 0; i < 2; ++i) {
        const std::vector<double> drawn = draw_parameters(experiment.prior, 11, 5 + i);
        for (std::size_t k = 0; k < 3; ++k) CHECK(set.parameters[i * 3 + k] == drawn[k]);
    }
}

TEST_CASE("each curve is the simulation of its parameters with a lattice of its own") {
    Experiment experiment = small_lattice();
    experiment.acquisition.noise = 0.0;
    const Dataset set = generate_dataset(experiment, 3, 4, 7);
    std::vector<std::uint64_t> seeds;
    for (std::uint64_t i = 0; i < 3; ++i) {
        const std::span<const double> values(set.parameters);
        Experiment one = with_parameters(experiment, values.subspan(3 * i, 3));
        seeds.push_back(CounterRandom(4, 7 + i, RandomStream::lattice_seed).bits());
        one.lattice.seed = seeds.back();
        const Signal signal = simulate(one);
        for (std::size_t k = 0; k < set.points(); ++k) {
            // Both are within the tolerance of the same answer, and |M| is at most 1/2.
            CHECK(set.signal[2 * i * set.points() + k] ==
                  Approx(signal.mx[k]).margin(experiment.accuracy.tolerance));
            CHECK(set.signal[(2 * i + 1) * set.points() + k] ==
                  Approx(signal.my[k]).margin(experiment.accuracy.tolerance));
        }
    }
    CHECK((seeds[0] != seeds[1] && seeds[1] != seeds[2]));
}

TEST_CASE("in a mix of kernels each curve is bit for bit that of its kernel alone") {
    const Experiment experiment = small_mix();
    // 12 curves hold each kernel, in no order: what one curve leaves in a thread's workspace must
    // not tell on the next.
    const Dataset set = generate_dataset(experiment, 12, 3, 0, 1);
    const std::span<const double> values(set.parameters);
    std::vector<int> seen(3, 0);
    int switches = 0;
    std::size_t before = 3;
    for (std::size_t i = 0; i < set.count(); ++i) {
        const std::size_t choice = choice_of(experiment.prior[0], values[4 * i]);
        ++seen[choice];
        switches += choice != before && before < 3;
        before = choice;
        // Described from the start, without a prior.
        Experiment one = experiment;
        one.prior.clear();
        const double xi = values[4 * i + 2], exponent = values[4 * i + 3];
        const Kernel kernels[] = {GaussianKernel{xi}, PowerLawKernel{xi, exponent}, RkkyKernel{xi}};
        one.interaction.kernel = kernels[choice];
        one.interaction.alpha_x_khz =
            values[4 * i + 1] / std::abs(kernel_sum(one.interaction, one.lattice));
        one.lattice.seed = CounterRandom(3, i, RandomStream::lattice_seed).bits();
        const Signal signal = simulate(one);
        for (std::size_t k = 0; k < set.points(); ++k) {
            REQUIRE(set.signal[2 * i * set.points() + k] == static_cast<float>(signal.mx[k]));
            REQUIRE(set.signal[(2 * i + 1) * set.points() + k] == static_cast<float>(signal.my[k]));
        }
    }
    CHECK((seen[0] > 0 && seen[1] > 0 && seen[2] > 0));
    CHECK(switches > 2);
}

TEST_CASE("a phase cycle, a gain and the general simulator take a mix of kernels too") {
    Experiment experiment = small_mix();
    experiment.lattice.nx = experiment.lattice.ny = 8;
    experiment.acquisition.points = 13;
    experiment.accuracy.tolerance = 1e-3;
    experiment.prior[2] = {"xi", 1.0, 3.0};
    experiment.prior.push_back({"gain", 0.5, 2.0});
    experiment.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{180.0, 0.0}, 180.0}};
    Experiment shifted = experiment;
    shifted.line.centre_khz = 5.0;  // has no simulator but the general one
    for (const Experiment& e : {experiment, shifted}) {
        const Dataset set = generate_dataset(e, 6, 3);
        const std::span<const double> values(set.parameters);
        for (std::size_t i = 0; i < set.count(); ++i) {
            Experiment one = with_parameters(e, values.subspan(5 * i, 5));
            one.lattice.seed = CounterRandom(3, i, RandomStream::lattice_seed).bits();
            const Signal signal = simulate(one);
            for (std::size_t k = 0; k < set.points(); ++k) {
                // Means of two runs, in float here and in double there: |M| < 1 rounded some times.
                CHECK(set.signal[2 * i * set.points() + k] == Approx(signal.mx[k]).margin(1e-6));
            }
        }
    }
}

TEST_CASE("noise is normal, independent and as strong as asked") {
    Experiment experiment = small_uniform();
    experiment.acquisition.noise = 0.0;
    const std::size_t curves = 200;
    const Dataset clean = generate_dataset(experiment, curves, 3);
    experiment.acquisition.noise = 0.02;
    const Dataset noisy = generate_dataset(experiment, curves, 3);
    REQUIRE(noisy.parameters == clean.parameters);
    const std::size_t n = clean.signal.size();
    double mean = 0.0, variance = 0.0, next = 0.0, before = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        const double x = (noisy.signal[i] - clean.signal[i]) / 0.02;
        mean += x / static_cast<double>(n);
        variance += x * x / static_cast<double>(n);
        next += x * before / static_cast<double>(n);
        before = x;
    }
    // 5 sigma of n unit normals; single precision adds 1e-7 / 0.02 at most.
    const double sigma = 1.0 / std::sqrt(static_cast<double>(n));
    CHECK(std::abs(mean) < 5.0 * sigma);
    CHECK(std::abs(variance - 1.0) < 5.0 * std::sqrt(2.0) * sigma);
    CHECK(std::abs(next) < 5.0 * sigma);
}

TEST_CASE("a set that is stopped holds the first curves, whole") {
    const Experiment experiment = small_uniform();
    const Dataset all = generate_dataset(experiment, 400, 9, 0, 2);
    for (const int threads : {1, 2}) {
        const Dataset part = generate_dataset(experiment, 400, 9, 0, threads,
                                              [](std::size_t done) { return done < 100; });
        CHECK(part.count() < 400);
        REQUIRE(part.parameters.size() == part.count() * 3);
        CHECK(std::equal(part.signal.begin(), part.signal.end(), all.signal.begin()));
        CHECK(std::equal(part.parameters.begin(), part.parameters.end(), all.parameters.begin()));
    }
}

TEST_CASE("a set of lattices that is stopped keeps what is done") {
    const Experiment experiment = small_lattice();
    const Dataset all = generate_dataset(experiment, 12, 9, 0, 1);
    // One thread takes lattices in order, and is asked after each.
    const Dataset part =
        generate_dataset(experiment, 12, 9, 0, 1, [](std::size_t done) { return done < 5; });
    CHECK(part.count() == 5);
    CHECK(std::equal(part.signal.begin(), part.signal.end(), all.signal.begin()));
}

TEST_CASE("progress counts up to all curves") {
    std::size_t last = 0, calls = 0;
    const Dataset set = generate_dataset(small_uniform(), 64, 9, 0, 1, [&](std::size_t done) {
        CHECK(done >= last);
        last = done;
        ++calls;
        return true;
    });
    CHECK(set.count() == 64);
    CHECK(last == 64);
    CHECK(calls > 0);
}

TEST_CASE("an experiment without unknowns makes no set") {
    Experiment experiment = small_uniform();
    experiment.prior.clear();
    CHECK_THROWS_WITH(generate_dataset(experiment, 1, 1), ContainsSubstring("prior"));
    experiment = small_uniform();
    experiment.line.half_width_khz = -1.0;
    CHECK_THROWS_AS(generate_dataset(experiment, 1, 1), std::invalid_argument);
    CHECK(generate_dataset(small_uniform(), 0, 1).count() == 0);
}
