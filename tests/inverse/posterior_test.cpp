// What a model knows of a curve: marginals, draws and densities that agree with each other.
#include "nmrinverse/posterior.h"

#include "network/torch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "catch_compat.h"
#include "model/model_state.h"
#include "training_problem.h"

using namespace nmrinverse;

namespace {

const Model& model() {
    static const Model trained = [] {
        TrainingOptions options = small_training();
        options.epochs = 12;
        return train(linear_dataset(6000, 0.05, 1), options);
    }();
    return trained;
}

constexpr std::size_t kCount = 300;

const nmrsim::Dataset& curves() {
    static const nmrsim::Dataset data = linear_dataset(kCount, 0.05, 2);
    return data;
}

}  // namespace

TEST_CASE("Quantiles invert the cumulative and stay inside the prior", "[posterior]") {
    const Posterior posterior = model().posterior(curves().signal, kCount);
    REQUIRE(posterior.count() == kCount);
    REQUIRE(posterior.unknowns() == 2);
    const double levels[] = {0.0, 0.1, 0.5, 0.9, 1.0};
    const std::vector<double> quantiles = posterior.quantiles(levels);
    REQUIRE(quantiles.size() == kCount * 2 * 5);
    for (std::size_t level = 1; level < 4; ++level) {
        std::vector<double> values;
        for (std::size_t at = 0; at < 2 * kCount; ++at) values.push_back(quantiles[at * 5 + level]);
        const std::vector<double> back = posterior.cdf(values);
        for (std::size_t at = 0; at < back.size(); ++at) {
            // The cumulative is in single precision, of values to 6e-8 of the box, where densities
            // reach 100.
            CHECK(std::abs(back[at] - levels[level]) < 1e-4);
        }
    }
    for (std::size_t at = 0; at < quantiles.size(); ++at) {
        const bool second = at / 5 % 2;
        CHECK(quantiles[at] >= (second ? 100.0 : 0.0));
        CHECK(quantiles[at] <= (second ? 300.0 : 100.0));
    }
    const Predictions summary = posterior.summary();
    CHECK(summary.q05.size() == 2 * kCount);
    CHECK(summary.probabilities.empty());
    const double tenth[] = {0.05};
    CHECK(std::abs(posterior.quantiles(tenth)[7] - summary.q05[7]) < 1e-9);
    const double outside[] = {1.5};
    CHECK_THROWS_AS(posterior.quantiles(outside), std::invalid_argument);
}

TEST_CASE("Draws follow the marginals and depend on the seed alone", "[posterior]") {
    const Posterior posterior = model().posterior(curves().signal, kCount);
    const std::size_t draws = 200;
    const std::vector<double> samples = posterior.sample(draws, 7);
    REQUIRE(samples.size() == kCount * draws * 2);
    CHECK(samples == posterior.sample(draws, 7));
    CHECK(samples != posterior.sample(draws, 8));
    CHECK(posterior.sample(0, 7).empty());
    // Curves asked for one by one, or in blocks, get the same, to the rounding of a network that
    // sees them in batches of other sizes.
    for (const std::size_t c : {std::size_t{0}, std::size_t{17}, kCount - 1}) {
        const std::vector<double> alone =
            model().posterior(std::span(curves().signal).subspan(128 * c, 128), 1).sample(5, 7, c);
        for (std::size_t i = 0; i < alone.size(); ++i) {
            const double width = i % 2 ? 200.0 : 100.0;
            CHECK(std::abs(alone[i] - samples[c * draws * 2 + i]) < 1e-4 * width);
        }
    }
    // The first unknown's draws come from its marginal: of kCount * draws, a share 0.05 lies below
    // the 5% quantile, to 4 sqrt(0.05 0.95 / 60000) = 0.0036. The second one's density was learnt
    // twice.
    const Predictions summary = posterior.summary();
    for (std::size_t k = 0; k < 2; ++k) {
        double below = 0.0;
        for (std::size_t c = 0; c < kCount; ++c) {
            for (std::size_t d = 0; d < draws; ++d) {
                below += samples[(c * draws + d) * 2 + k] < summary.q05[2 * c + k];
            }
        }
        below /= static_cast<double>(kCount * draws);
        INFO("unknown " << k << ": " << below);
        CHECK(std::abs(below - 0.05) < (k ? 0.03 : 0.0036));
    }
}

TEST_CASE("Draws know nothing of the true values that the same seed draws", "[posterior]") {
    // What a posterior leaves open must not be filled in from the truth's own random numbers. Where
    // in its marginal a draw lies is uniform whatever the curve, and so is the truth in the prior.
    const nmrsim::Prior& prior = model().experiment().prior;
    const Posterior posterior = model().posterior(curves().signal, kCount);
    for (const std::uint64_t seed : {0, 1, 7}) {
        const std::vector<double> where = posterior.cdf(posterior.sample(1, seed));
        double product[2][2] = {};
        for (std::size_t c = 0; c < kCount; ++c) {
            const std::vector<double> truth = nmrsim::draw_parameters(prior, seed, c);
            for (std::size_t a = 0; a < 2; ++a) {
                const double u = (truth[a] - prior[a].low) / (prior[a].high - prior[a].low);
                for (std::size_t b = 0; b < 2; ++b) {
                    product[a][b] += 12.0 * (u - 0.5) * (where[2 * c + b] - 0.5);
                }
            }
        }
        // A mean of kCount products of deviation 1; the same numbers leave kCount.
        for (const auto& row : product) {
            for (const double sum : row) CHECK(std::abs(sum) < 4.5 * std::sqrt(kCount));
        }
    }
}

TEST_CASE("The joint density is one, by the unknowns' units, and none outside", "[posterior]") {
    const Posterior posterior = model().posterior(std::span(curves().signal).first(128), 1);
    // A grid of 400 x 400 cells over the box of 100 x 200: the posterior is some 14 cells wide.
    const int cells = 400;
    std::vector<double> points;
    for (int i = 0; i < cells; ++i) {
        for (int j = 0; j < cells; ++j) {
            points.push_back(100.0 * (i + 0.5) / cells);
            points.push_back(100.0 + 200.0 * (j + 0.5) / cells);
        }
    }
    const std::vector<double> density = posterior.log_prob(points);
    double sum = 0.0;
    for (const double value : density) sum += std::exp(value) * 100.0 * 200.0 / (cells * cells);
    CHECK(std::abs(sum - 1.0) < 0.01);
    const double outside[] = {-1.0, 150.0};
    CHECK(posterior.log_prob(outside)[0] == -std::numeric_limits<double>::infinity());
    CHECK_THROWS_AS(posterior.log_prob(std::span(points).first(3)), std::invalid_argument);
}

TEST_CASE("Curves like those of the training are near, others far", "[posterior]") {
    // Shares of curves of the same kind are uniform, to what this many and the 600 held-out ones
    // tell: once in 10^4 the distribution is farther off than 2.23 sqrt(1/300 + 1/600) = 0.158, the
    // mean than 4 sqrt((1/300 + 1/600) / 12) = 0.082.
    std::vector<double> near = model().posterior(curves().signal, kCount).distance();
    std::sort(near.begin(), near.end());
    double mean = 0.0, farthest = 0.0;
    for (std::size_t i = 0; i < kCount; ++i) {
        mean += near[i] / kCount;
        farthest = std::max(farthest, std::abs(near[i] - (static_cast<double>(i) + 0.5) / kCount));
    }
    CHECK(std::abs(mean - 0.5) < 0.082);
    CHECK(farthest < 0.158);
    // Called far: 0.5% of them, 1.5 of 300 and as many as the held-out ones' tail is off by.
    const auto far = near.end() - std::lower_bound(near.begin(), near.end(), 0.995);
    CHECK(far < 10);
    std::vector<float> strange(curves().signal.begin(), curves().signal.begin() + 128);
    for (std::size_t t = 0; t < 64; ++t) strange[t] = t % 8 < 4 ? 0.5f : -0.5f;
    CHECK(model().posterior(strange, 1).distance()[0] > 0.99);
}

TEST_CASE("Few curves in many directions do not make all others strange", "[posterior]") {
    // Embeddings of 128 numbers that are correlated as a network's are: some directions 100 times
    // as long as others, all of them mixed.
    torch::manual_seed(5);
    const std::int64_t width = 128;
    const torch::Tensor lengths = torch::logspace(0.0, -2.0, width);
    const torch::Tensor mixed = std::get<0>(at::linalg_qr(torch::randn({width, width})));
    const auto embeddings = [&](std::int64_t count) {
        return (torch::randn({count, width}) * lengths).matmul(mixed) + 3.0;
    };
    const torch::Tensor fresh = embeddings(20000);
    for (const std::int64_t count : {30, 135, 270, 2000}) {
        const EmbeddingReference reference = embedding_reference(embeddings(count));
        const torch::Tensor far = (fresh - reference.mean).matmul(reference.whitening).norm(2, 1);
        const auto beyond = [&](double level) {
            const auto at = static_cast<std::int64_t>(level * (kReferenceSteps - 1));
            return (far > reference.quantiles[at]).to(torch::kFloat32).mean().item<double>();
        };
        INFO(count << " curves: " << beyond(0.5) << ", " << beyond(0.995));
        // Half of them beyond the middle, to 4 deviations of what `count` distances tell. Beyond
        // the k-th largest lie k / count, to 4 deviations and a few more where k is small.
        const auto all = static_cast<double>(count);
        const double k = 0.005 * all + 1.0;
        CHECK(std::abs(beyond(0.5) - 0.5) < 4.0 * 0.5 / std::sqrt(all));
        CHECK(beyond(0.995) < (k + 4.0 * std::sqrt(k) + 4.0) / all);
    }
}

TEST_CASE("The gradient says which samples an estimate hangs on", "[posterior]") {
    // u's least squares estimate has the weights 4 cos(2 pi t / T) / 32 of Mx, and none of My.
    const std::size_t points = 64;
    std::vector<double> mean(2 * 2 * points, 0.0);
    const std::size_t curves_used = 100;
    for (std::size_t c = 0; c < curves_used; ++c) {
        const std::vector<double> gradient =
            model().gradient(std::span(curves().signal).subspan(c * 128, 128));
        REQUIRE(gradient.size() == 2 * 2 * points);
        for (std::size_t i = 0; i < gradient.size(); ++i) mean[i] += gradient[i] / curves_used;
    }
    double product = 0.0, square = 0.0, exact_square = 0.0;
    for (std::size_t t = 0; t < points; ++t) {
        const double exact =
            100.0 * 4.0 / 32.0 * std::cos(nmrsim::kTwoPi * static_cast<double>(t) / points);
        product += exact * mean[t];
        square += mean[t] * mean[t];
        exact_square += exact * exact;
    }
    // Directions agree; the mean over the amplitude that features are divided by adds a part of
    // its own.
    CHECK(product / std::sqrt(square * exact_square) > 0.8);
    CHECK_THROWS_AS(model().gradient(std::span(curves().signal).first(100)), std::invalid_argument);
}
