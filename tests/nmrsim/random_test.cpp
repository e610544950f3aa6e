#include "nmrsim/random.h"

#include <array>
#include <cmath>
#include <set>

#include "catch_compat.h"

using namespace nmrsim;

namespace {

using Words = std::array<std::uint32_t, 4>;

/// Philox 4x32 with 10 rounds, written from its paper: J. Salmon et al., "Parallel random numbers:
/// as easy as 1, 2, 3", SC11 (2011).
Words philox(Words counter, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {
            static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(b),
            static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(a)};
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    return counter;
}

}  // namespace

TEST_CASE("seed, index and stream 0 give the published Philox numbers") {
    // Known answer of Random123 for philox4x32-10, counter 0, key 0:
    // 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    CounterRandom random(0, 0, RandomStream(0));
    CHECK(random.bits() == 0xe169c58d6627e8d5u);
    CHECK(random.bits() == 0x9b00dbd8bc57ac4cu);
}

TEST_CASE("the counter is (block, stream, index), the key the seed") {
    const std::uint64_t seed = 0x0123456789abcdef, index = 0xfedcba9876543210;
    CounterRandom random(seed, index, RandomStream::noise);
    for (std::uint32_t block = 0; block < 5; ++block) {
        const Words words = philox({block, 3, 0x76543210, 0xfedcba98}, 0x89abcdef, 0x01234567);
        CHECK(random.bits() == (words[0] | std::uint64_t{words[1]} << 32));
        CHECK(random.bits() == (words[2] | std::uint64_t{words[3]} << 32));
    }
}

TEST_CASE("streams, indices and seeds differ") {
    std::set<std::uint64_t> seen;
    for (const std::uint64_t seed : {1, 2}) {
        for (const std::uint64_t index : {0, 1, 2}) {
            for (const auto stream :
                 {RandomStream::parameters, RandomStream::offsets, RandomStream::noise,
                  RandomStream::lattice_seed, RandomStream::diagnostics,
                  RandomStream::posterior_draws, RandomStream::importance,
                  RandomStream::refined_draws, RandomStream::search, RandomStream::echo_bank,
                  RandomStream::bootstrap, RandomStream::training_parameters,
                  RandomStream::training_lattice_seed, RandomStream::training_noise,
                  RandomStream::training_order, RandomStream::calibration}) {
                seen.insert(CounterRandom(seed, index, stream).bits());
            }
        }
    }
    CHECK(seen.size() == 2 * 3 * 16);
}

TEST_CASE("uniform numbers have the moments of (0, 1)") {
    const int n = 200000;
    CounterRandom random(7, 0, RandomStream::parameters);
    double sum = 0.0, squares = 0.0, least = 1.0, most = 0.0;
    for (int i = 0; i < n; ++i) {
        const double u = random.uniform();
        sum += u;
        squares += (u - 0.5) * (u - 0.5);
        least = std::min(least, u);
        most = std::max(most, u);
    }
    // 5 sigma of the mean, sqrt(1/12 / n), and of the variance, sqrt((1/80 - 1/144) / n).
    CHECK(std::abs(sum / n - 0.5) < 5.0 * std::sqrt(1.0 / 12.0 / n));
    CHECK(std::abs(squares / n - 1.0 / 12.0) < 5.0 * std::sqrt((1.0 / 80.0 - 1.0 / 144.0) / n));
    CHECK(least > 0.0);
    CHECK(most < 1.0);
}

TEST_CASE("normal numbers have the moments of the unit normal and no correlation in a pair") {
    const int n = 200000;
    CounterRandom random(7, 1, RandomStream::noise);
    double mean = 0.0, variance = 0.0, fourth = 0.0, pairs = 0.0, before = 0.0;
    for (int i = 0; i < n; ++i) {
        const double x = random.normal();
        mean += x / n;
        variance += x * x / n;
        fourth += x * x * x * x / n;
        if (i % 2) pairs += x * before / (n / 2);
        before = x;
    }
    // 5 sigma: Var(x) = 1, Var(x^2) = 2, Var(x^4) = 105 - 9 = 96, Var(x y) = 1.
    CHECK(std::abs(mean) < 5.0 * std::sqrt(1.0 / n));
    CHECK(std::abs(variance - 1.0) < 5.0 * std::sqrt(2.0 / n));
    CHECK(std::abs(fourth - 3.0) < 5.0 * std::sqrt(96.0 / n));
    CHECK(std::abs(pairs) < 5.0 * std::sqrt(1.0 / (n / 2)));
}
