// Features: what they must and must not depend on, noise, and their text form.
#include "curve/curve_features.h"

#include <ATen/CPUGeneratorImpl.h>

#include "network/torch.h"

#include <cmath>

#include "catch_compat.h"
#include "curve/disturbance.h"
#include "nmrsim/units.h"
#include "training/optimizer.h"

using namespace nmrinverse;

namespace {

FeatureSpec spec_of(int points, int step) {
    FeatureSpec spec;
    spec.low_pass = make_low_pass(points, step);
    return spec;
}

/// (1, 2, samples): exp(2 pi i bin t / samples) times `size`.
torch::Tensor tone(int samples, int bin, double size) {
    const torch::Tensor phase =
        torch::arange(samples, torch::kFloat64) * (nmrsim::kTwoPi * bin / samples);
    return (size * torch::stack({phase.cos(), phase.sin()})).unsqueeze(0).to(torch::kFloat32);
}

double largest_size(const torch::Tensor& tensor) {
    return tensor.abs().max().item<double>();
}

}  // namespace

TEST_CASE("A tone fills one bin of the spectrum and turns evenly", "[features]") {
    const int samples = 64;
    const int bin = 5;
    FeatureSpec spec = spec_of(samples, 1);
    const Features features(spec);
    const torch::Tensor inputs = features.inputs(tone(samples, bin, 0.3), torch::Tensor());
    REQUIRE(inputs.sizes() == torch::IntArrayRef({1, 7 * samples + 1}));
    const torch::Tensor channels = inputs.slice(1, 0, 7 * samples).reshape({7, samples});
    CHECK(largest_size(channels[2] - 1.0) < 1e-5);  // |m| over its root mean square
    // Damped by 0.03^2 where |m| is 1.
    const double angle = nmrsim::kTwoPi * bin / samples;
    CHECK(largest_size(channels[3] - std::cos(angle) / 1.0009) < 1e-4);
    CHECK(largest_size(channels[4] - std::sin(angle) / 1.0009) < 1e-4);
    const torch::Tensor power = channels[5].square() + channels[6].square();
    CHECK(std::abs(power[samples / 2 + bin].item<double>() - samples) < 1e-3);
    CHECK(std::abs(power.sum().item<double>() - samples) < 1e-3);  // Parseval
}

TEST_CASE("Phase-free features do not depend on the receiver's phase", "[features]") {
    FeatureSpec spec = phase_free_features();
    spec.low_pass = make_low_pass(100, 4);
    const Features features(spec);
    CHECK(spec.channels() == 3);
    torch::manual_seed(5);
    const torch::Tensor curve = 0.1 * torch::randn({3, 2, spec.low_pass.samples});
    const torch::Tensor re = curve.select(1, 0), im = curve.select(1, 1);
    const double c = std::cos(1.1), s = std::sin(1.1);
    const torch::Tensor turned = torch::stack({c * re - s * im, s * re + c * im}, 1);
    const torch::Tensor none;
    const torch::Tensor inputs = features.inputs(curve, none);
    // Single precision, some ten operations on numbers near 1.
    CHECK(largest_size(inputs - features.inputs(turned, none)) < 1e-5);
    // Features of all of the curve do.
    spec = FeatureSpec();
    spec.low_pass = make_low_pass(100, 4);
    const Features all(spec);
    CHECK(largest_size(all.inputs(curve, none) - all.inputs(turned, none)) > 0.1);
    // A curve of modulus 1 has the logarithm of 1 and the floor.
    spec = phase_free_features();
    spec.low_pass = make_low_pass(64, 1);
    const torch::Tensor flat = Features(spec).inputs(tone(64, 3, 0.2), none).slice(1, 0, 64);
    CHECK(largest_size(flat - std::log(1.06)) < 1e-5);
}

TEST_CASE("The curve's size shows in one number only", "[features]") {
    const Features features(spec_of(100, 4));
    torch::manual_seed(3);
    const torch::Tensor curve = torch::randn({1, 2, features.spec().low_pass.samples});
    const torch::Tensor one = features.inputs(0.1 * curve, torch::Tensor());
    const torch::Tensor two = features.inputs(0.2 * curve, torch::Tensor());
    const std::int64_t last = one.size(1) - 1;
    CHECK(largest_size(one.slice(1, 0, last) - two.slice(1, 0, last)) < 1e-4);
    CHECK(std::abs((two - one)[0][last].item<double>() - std::log(2.0)) < 1e-4);
}

TEST_CASE("An empty curve has finite features", "[features]") {
    const Features features(spec_of(64, 2));
    const torch::Tensor inputs =
        features.inputs(torch::zeros({2, 2, features.spec().low_pass.samples}), torch::Tensor());
    CHECK(inputs.isfinite().all().item<bool>());
}

TEST_CASE("Standardised features have mean 0 and standard deviation 1 in each channel",
          "[features]") {
    Features features(spec_of(100, 4));
    torch::manual_seed(4);
    const int samples = features.spec().low_pass.samples;
    const torch::Tensor curves =
        0.1 * torch::randn({500, 2, samples}) * torch::rand({500, 1, 1}).exp();
    features.standardise(curves);
    const torch::Tensor inputs = features.inputs(curves, torch::Tensor());
    for (int c = 0; c < features.spec().channels(); ++c) {
        const torch::Tensor channel = inputs.slice(1, c * samples, (c + 1) * samples);
        CHECK(std::abs(channel.mean().item<double>()) < 1e-3);
        CHECK(std::abs(channel.std(false).item<double>() - 1.0) < 1e-3);
    }
}

TEST_CASE("Plain features are the curve's numbers on one scale", "[features]") {
    FeatureSpec spec = plain_features();
    spec.low_pass = make_low_pass(100, 4);
    Features features(spec);
    torch::manual_seed(6);
    const int samples = spec.low_pass.samples;
    torch::Tensor curves = 0.1 * torch::randn({300, 2, samples});
    curves.select(1, 0) *= 0.02;  // faint, and stays so
    features.standardise(curves);
    REQUIRE(features.spec().inputs() == 2 * samples + 1);
    const torch::Tensor inputs = features.inputs(curves, torch::Tensor());
    // How much larger a channel's steps are than the curve's, of each curve: the same for both.
    const auto factor = [&](int c) {
        const auto steps = [&](const torch::Tensor& numbers) {
            return (numbers.slice(1, 1) - numbers.slice(1, 0, samples - 1)).abs().sum(1);
        };
        return steps(inputs.slice(1, c * samples, (c + 1) * samples)) / steps(curves.select(1, c));
    };
    CHECK(largest_size(factor(0) / factor(1) - 1.0) < 1e-3);
    const double spread = inputs.slice(1, samples, 2 * samples).std(false).item<double>();
    CHECK(std::abs(spread - 1.0) < 1e-2);
}

TEST_CASE("Mirrored curves are mirrored in the axis, about half of them", "[features]") {
    torch::manual_seed(7);
    const std::int64_t count = 400;
    const torch::Tensor curves = torch::randn({count, 2, 5});
    // In the y axis Mx changes its sign; in the axis at 45 degrees Mx and My change places.
    for (const double axis_deg : {90.0, 45.0}) {
        const torch::Tensor result = mirrored_by_chance(
            curves, axis_deg, at::make_generator<at::CPUGeneratorImpl>(std::uint64_t{5}));
        const torch::Tensor mx = curves.select(1, 0), my = curves.select(1, 1);
        const torch::Tensor mirrored = axis_deg == 90.0 ? torch::stack({-mx, my}, 1)  // see above
                                                        : torch::stack({my, mx}, 1);
        const torch::Tensor kept = (result - curves).abs().amax({1, 2}) < 1e-6;
        const torch::Tensor turned = (result - mirrored).abs().amax({1, 2}) < 1e-6;
        CHECK((kept ^ turned).all().item<bool>());
        const auto how_many = turned.sum().item<std::int64_t>();
        CHECK(how_many > 150);
        CHECK(how_many < 250);
    }
}

TEST_CASE("Noise after the low-pass has the covariance of filtered noise", "[features]") {
    FeatureSpec spec = spec_of(60, 4);
    spec.noise_low = spec.noise_high = 0.1;
    const Features features(spec);
    const int samples = spec.low_pass.samples;
    // The factor's own product, read off with unit vectors, is exact.
    const torch::Tensor unit = torch::eye(samples).reshape({samples, 1, samples}).repeat({1, 2, 1});
    const torch::Tensor factor = features.noise_after_low_pass(unit).select(1, 0);
    const torch::Tensor covariance = factor.t().matmul(factor);
    std::vector<float> matrix = low_pass_matrix(spec.low_pass);
    const torch::Tensor filter = torch::from_blob(matrix.data(), {samples, 60});
    CHECK(largest_size(covariance - filter.matmul(filter.t())) < 1e-6);
}

TEST_CASE("The noise level is an input where a range was trained", "[features]") {
    FeatureSpec spec = spec_of(32, 1);
    spec.noise_low = 1e-4;
    spec.noise_high = 1e-2;
    const Features features(spec);
    const torch::Tensor curve = tone(32, 2, 0.2).repeat({4, 1, 1});
    const torch::Tensor inputs = features.inputs(curve, torch::tensor({1e-4f, 1e-3f, 1e-2f, 1.0f}));
    const torch::Tensor level = inputs.select(1, inputs.size(1) - 1);
    CHECK(largest_size(level - torch::tensor({-1.0f, 0.0f, 1.0f, 1.0f})) < 1e-5);  // beyond it: its end
}

TEST_CASE("A feature spec survives its text form; a broken one is refused", "[features]") {
    Features features(spec_of(100, 4));
    torch::manual_seed(5);
    features.standardise(torch::randn({50, 2, features.spec().low_pass.samples}));
    const FeatureSpec back = feature_spec_from_json(to_json(features.spec()));
    CHECK(back.channel_mean == features.spec().channel_mean);
    CHECK(back.channel_sd == features.spec().channel_sd);
    CHECK(back.log_scale_sd == features.spec().log_scale_sd);
    CHECK(back.low_pass.samples == features.spec().low_pass.samples);
    FeatureSpec broken = back;
    broken.channel_sd.pop_back();
    CHECK_THROWS_AS(feature_spec_from_json(to_json(broken)), std::invalid_argument);
    CHECK_THROWS_AS(feature_spec_from_json("{}"), std::invalid_argument);
    std::string older = to_json(features.spec());
    older.insert(1, "\"log_power\":false,");
    CHECK_NOTHROW(feature_spec_from_json(older));
    older.replace(older.find("false"), 5, "true");
    CHECK_THROWS_WITH(feature_spec_from_json(older),
                      "features: log_power is of an earlier version");
    CHECK_THROWS_AS(feature_spec_from_json("not json"), std::invalid_argument);
}

TEST_CASE("Orthogonalised matrices keep their directions and lose their sizes", "[optimizer]") {
    torch::manual_seed(6);
    for (const auto& [rows, columns] : {std::pair{24, 60}, std::pair{60, 24}}) {
        // Singular values from 1 down to 0.01: the iteration lifts a value s by about 3.4 a step
        // while it is small, and keeps those near 1 between 0.7 and 1.2 (Jordan et al.).
        const auto [u, s, v] = torch::svd(torch::randn({rows, columns}));
        const torch::Tensor sizes = torch::logspace(0.0, -2.0, 24);
        const torch::Tensor result = orthogonalised(u.matmul(torch::diag(sizes)).matmul(v.t()));
        const torch::Tensor inner = u.t().matmul(result).matmul(v);  // diagonal: same directions
        const torch::Tensor diagonal = inner.diagonal();
        CHECK(largest_size(inner - torch::diag(diagonal)) < 1e-3);
        CHECK(diagonal.min().item<double>() > 0.3);
        CHECK(diagonal.max().item<double>() < 1.3);
    }
}
