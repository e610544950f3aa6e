// The posterior network where the posterior is known: a linear Gaussian problem and two moons.
#include "network/posterior_net.h"

#include "network/torch.h"

#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/units.h"
#include "training/optimizer.h"

using namespace nmrinverse;

namespace {

using nmrsim::kPi;

/// Observations of n unit-box parameters, (n, inputs).
using Observe = std::function<torch::Tensor(const torch::Tensor& u)>;

NetworkOptions two_unknowns(Head head, int pieces) {
    return {.inputs = 2,
            .unknowns = 2,
            .width = 48,
            .hidden = 96,
            .blocks = 2,
            .convolutions = {},
            .head = {head, pieces},
            .choices = {0, 0}};
}

// Steps from one look at held-out observations to the next.
constexpr int kLookEvery = 10;
// Steps that weights are averaged over, about.
constexpr double kAveraged = 20.0;

torch::Tensor joint(PosteriorNet& net, const torch::Tensor& observed, const torch::Tensor& u) {
    torch::NoGradGuard no_grad;
    return net.densities(net(observed), Calibration(2), u).conditional.sum(-1)[0];
}

/// A network trained by its likelihood alone on fresh observations. As in train(), weights are
/// averaged, and the best averages of several looks at observations held out are kept: a step may
/// be a bad one, and which one is depends on how sums are rounded.
PosteriorNet trained(const NetworkOptions& options, const Observe& observe, int steps) {
    torch::set_num_threads(1);
    torch::manual_seed(1);
    PosteriorNet net(options);
    const NamedWeights weights = net.weights();
    Optimizer optimizer(weights, 0.0);
    const Calibration plain(2);
    const torch::Tensor held_out = torch::rand({4000, 2});
    const torch::Tensor held_out_seen = observe(held_out);
    double best = -std::numeric_limits<double>::infinity();
    std::vector<torch::Tensor> best_weights(weights.size());
    PosteriorNet mean(options);
    std::vector<torch::Tensor> mean_weights;
    for (auto& [name, weight] : mean.weights()) mean_weights.push_back(weight);
    for (int step = 0; step < steps; ++step) {
        const torch::Tensor u = torch::rand({512, 2});
        const NetworkAnswer answer = net(observe(u));
        const torch::Tensor squares = (answer.mean - u).square();
        const torch::Tensor spread =
            0.5 * squares.detach() * torch::exp(-2.0 * answer.log_sd) + answer.log_sd;
        const JointDensity density = net.densities(answer, plain, u);
        const torch::Tensor loss = 10.0 * squares.mean() + spread.mean() -
                                   (density.conditional.sum(-1) + density.marginal.sum(-1)).mean();
        loss.backward();
        optimizer.clip_gradients(2.0);
        optimizer.step(2e-3 * 0.5 * (1.0 + std::cos(kPi * step / steps)) + 1e-5);
        torch::NoGradGuard no_grad;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            mean_weights[i].lerp_(weights[i].second, step < steps / 2 ? 1.0 : 1.0 / kAveraged);
        }
        if ((step + 1) % kLookEvery != 0 || step < steps / 2) continue;
        const double now = joint(mean, held_out_seen, held_out).mean().item<double>();
        if (!(now > best)) continue;
        best = now;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            best_weights[i] = mean_weights[i].detach().clone();
        }
    }
    torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i].second.copy_(best_weights[i]);
    return net;
}

torch::Tensor draws(PosteriorNet& net, const torch::Tensor& observed, std::int64_t count) {
    torch::NoGradGuard no_grad;
    return net.draw(net(observed).repeated(count), Calibration(2),
                    torch::rand({count, 3}, torch::kFloat64));
}

/// x = (u + v, u - v / 2) + sigma noise.
constexpr double kSigma = 0.05;
torch::Tensor linear(const torch::Tensor& u) {
    const torch::Tensor matrix = torch::tensor({{1.0f, 1.0f}, {1.0f, -0.5f}});
    return u.matmul(matrix) + kSigma * torch::randn({u.size(0), 2});
}

/// A network of that problem, for all tests.
PosteriorNet& linear_flow() {
    static PosteriorNet net = trained(two_unknowns(Head::flow, 8), linear, 700);
    return net;
}

/// Two moons (D. Greenberg, M. Nonnenmacher, J. Macke, arXiv 1905.07488): theta = 2 u - 1, x a
/// point of a half ring of radius 0.1 +- 0.01, moved by (|theta1 + theta2|, theta2 - theta1) /
/// sqrt(2).
torch::Tensor shift_of(const torch::Tensor& u) {
    const torch::Tensor theta = 2.0 * u - 1.0;
    const torch::Tensor a = theta.select(1, 0), b = theta.select(1, 1);
    return torch::stack({0.25 - (a + b).abs() / std::sqrt(2.0), (b - a) / std::sqrt(2.0)}, 1);
}
torch::Tensor moons(const torch::Tensor& u) {
    const torch::Tensor angle = kPi * (torch::rand({u.size(0)}) - 0.5);
    const torch::Tensor radius = 0.1 + 0.01 * torch::randn({u.size(0)});
    return shift_of(u) + torch::stack({radius * angle.cos(), radius * angle.sin()}, 1);
}
/// Logarithm of the likelihood of the observations, (n).
torch::Tensor moons_log_likelihood(const torch::Tensor& x, const torch::Tensor& u) {
    const torch::Tensor p = x - shift_of(u);
    const torch::Tensor radius = p.norm(2, 1);
    const torch::Tensor off = (radius - 0.1) / 0.01;
    return torch::where(
        p.select(1, 0) > 0.0,
        -0.5 * off.square() - std::log(0.01 * std::sqrt(2.0 * kPi) * kPi) - radius.log(),
        torch::full_like(radius, -1e30));
}

/// Mean over fresh observations of the exact posterior's log density at the truth; the evidence by
/// a grid of n x n.
double exact_moons(const torch::Tensor& u, const torch::Tensor& x, int n) {
    const torch::Tensor axis = (torch::arange(n) + 0.5) / n;
    const torch::Tensor grid = torch::stack({axis.repeat_interleave(n), axis.repeat({n})}, 1);
    const torch::Tensor here = moons_log_likelihood(x, u);
    double sum = 0.0;
    for (std::int64_t i = 0; i < u.size(0); ++i) {
        const torch::Tensor evidence =
            moons_log_likelihood(x[i].unsqueeze(0).expand({n * n, 2}), grid).exp().mean();
        sum += here[i].item<double>() - std::log(evidence.item<double>());
    }
    return sum / static_cast<double>(u.size(0));
}

/// The weights have the names and shapes that files are checked against.
void check_weights(PosteriorNet& net) {
    const auto shapes = weight_shapes(net.options());
    const auto parameters = net.weights();
    REQUIRE(parameters.size() == shapes.size());
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        CHECK(parameters[i].first == shapes[i].first);
        CHECK(parameters[i].second.sizes().vec() == shapes[i].second);
    }
}

}  // namespace

TEST_CASE("The joint posterior of a linear Gaussian problem, by each head", "[posterior]") {
    // Away from the box's edges the posterior is Gaussian with covariance sigma^2 (A^T A)^-1,
    // A = (1 1; 1 -1/2): ((1.25, -0.5), (-0.5, 2)) sigma^2 / 2.25, correlation -0.316.
    for (const Head head : {Head::gaussian, Head::flow}) {
        INFO(name_of(head));
        PosteriorNet net =
            head == Head::flow ? linear_flow() : trained(two_unknowns(head, 4), linear, 700);
        torch::manual_seed(2);
        const torch::Tensor u = 0.25 + 0.5 * torch::rand({4000, 2});
        const torch::Tensor x = linear(u);
        const double factor = kSigma / 1.5;
        const double entropy =  // of the exact posterior: log(2 pi e sqrt(det))
            std::log(2.0 * kPi) + 1.0 + 0.5 * std::log(std::pow(factor, 4) * (1.25 * 2.0 - 0.25));
        const double mean = joint(net, x, u).mean().item<double>();
        INFO("log density " << mean << ", exact " << -entropy);
        // The exact posterior scores -entropy with a standard error of sqrt(1 / 4000) = 0.016 (half
        // a chi-square of two degrees has variance 1); nothing scores better. A posterior of
        // independent unknowns would lose -0.5 log(1 - 0.1) = 0.05.
        CHECK(mean < -entropy + 0.07);
        CHECK(mean > -entropy - 0.05 - 0.03);
        const torch::Tensor drawn = draws(net, torch::tensor({{1.0f, 0.25f}}), 20000);
        const torch::Tensor off = drawn - drawn.mean(0);
        const torch::Tensor covariance = off.t().matmul(off) / 20000.0 / (factor * factor);
        INFO(covariance);
        REQUIRE(drawn.size(0) == 20000);
        REQUIRE(drawn.size(1) == 2);
        CHECK(std::abs(drawn.mean(0)[0].item<double>() - 0.5) < 0.3 * factor);
        CHECK(std::abs(drawn.mean(0)[1].item<double>() - 0.5) < 0.3 * factor);
        CHECK(std::abs(covariance[0][0].item<double>() / 1.25 - 1.0) < 0.2);
        CHECK(std::abs(covariance[1][1].item<double>() / 2.0 - 1.0) < 0.2);
        CHECK(std::abs(covariance[0][1].item<double>() + 0.5) < 0.25);
    }
}

TEST_CASE("Two moons: the flow finds both, a Gaussian cannot", "[posterior]") {
    PosteriorNet net = trained(two_unknowns(Head::flow, 12), moons, 1600);
    torch::manual_seed(3);
    const torch::Tensor u = torch::rand({200, 2});
    const torch::Tensor x = moons(u);
    // A grid of half a ring's width.
    const double exact = exact_moons(u, x, 280);
    const double flow = joint(net, x, u).mean().item<double>();
    PosteriorNet gaussian = trained(two_unknowns(Head::gaussian, 1), moons, 600);
    const double plain = joint(gaussian, x, u).mean().item<double>();
    INFO("exact " << exact << ", flow " << flow << ", gaussian " << plain);
    CHECK(flow < exact + 0.3);  // the scatter of 200 observations
    CHECK(flow > exact - 1.2);
    CHECK(flow > plain + 1.0);

    // Observed at the origin, theta and its mirror image in theta1 + theta2 = 0 are as likely.
    const torch::Tensor origin = torch::zeros({1, 2});
    const torch::Tensor drawn = draws(net, origin, 4000).to(torch::kFloat32);
    const double upper = (drawn.sum(1) > 1.0).to(torch::kFloat64).mean().item<double>();
    INFO("share of the upper moon " << upper);
    CHECK(upper > 0.3);
    CHECK(upper < 0.7);
    // And the draws lie on the rings: within five of its widths.
    const torch::Tensor radius = (origin - shift_of(drawn)).norm(2, 1);
    const double on_ring = ((radius - 0.1).abs() < 0.05).to(torch::kFloat64).mean().item<double>();
    INFO("share on the rings " << on_ring);
    CHECK(on_ring > 0.7);
}

TEST_CASE("Marginals are those of the joint posterior", "[posterior]") {
    PosteriorNet net = linear_flow();
    torch::NoGradGuard no_grad;
    torch::manual_seed(5);
    const torch::Tensor x = torch::tensor({{1.0f, 0.25f}});
    const torch::Tensor drawn = draws(net, x, 20000);
    const torch::Tensor levels = torch::tensor({0.05, 0.25, 0.75, 0.95}, torch::kFloat64);
    const torch::Tensor quantile = net.marginal_quantiles(net(x), Calibration(2), levels)[0];
    for (std::int64_t k = 0; k < 2; ++k) {
        for (std::int64_t j = 0; j < 4; ++j) {
            const double below =
                (drawn.select(1, k) < quantile[k][j]).to(torch::kFloat64).mean().item<double>();
            INFO("unknown " << k << ", level " << levels[j].item<double>() << ", drawn " << below);
            // The first one is the same density (4 sigma of 20,000: 0.014), the second one learnt
            // twice.
            CHECK(std::abs(below - levels[j].item<double>()) < (k == 0 ? 0.014 : 0.05));
        }
    }
}

TEST_CASE("Bent cumulatives, densities and quantiles are of one distribution", "[posterior]") {
    NetworkOptions options = two_unknowns(Head::flow, 5);
    options.members = 2;
    torch::manual_seed(4);
    PosteriorNet net(options);
    torch::NoGradGuard no_grad;
    for (auto& [name, weight] : net.weights()) weight.add_(0.1 * torch::randn(weight.sizes()));
    NetworkAnswer answer = net(torch::randn({3, 2}));
    answer.noise_position = torch::tensor({0.0f, 0.3f, 1.0f});
    Calibration calibration(2);
    calibration[1].by_noise = {1.0, 1.5};
    // Wider in the tails at the lowest noise, narrower and then much wider at the highest.
    calibration[1].by_level = {0.9, 2.5, 4.0, 5.0, 1.3, 2.8, 7.0, 12.0};
    const std::int64_t points = 4001;
    const torch::Tensor u =
        ((torch::arange(points) + 0.5) / static_cast<double>(points)).to(torch::kFloat32);
    for (std::int64_t curve = 0; curve < 3; ++curve) {
        const NetworkAnswer one = answer.slice(curve, curve + 1);
        const JointDensity plain =
            net.marginal_densities(one.repeated(points), Calibration(2), torch::stack({u, u}, 1));
        const JointDensity bent =
            net.marginal_densities(one.repeated(points), calibration, torch::stack({u, u}, 1));
        const auto of = [](const torch::Tensor& members, std::int64_t k) {
            return members.select(2, k).to(torch::kFloat64);
        };
        // Unbent, to the rounding of single precision near 1.
        CHECK((of(plain.cumulative, 0) - of(bent.cumulative, 0)).abs().max().item<double>() < 1e-6);
        const torch::Tensor cumulative = of(bent.cumulative, 1);  // (members, points)
        const torch::Tensor density = of(bent.marginal, 1).exp();
        CHECK((of(plain.cumulative, 1) - cumulative).abs().max().item<double>() > 0.01);
        // The density is the cumulative's slope: its sum over cells is the cumulative, to the error
        // of the rule of middles and single precision.
        const torch::Tensor sum = (density.cumsum(1) - 0.5 * density) / static_cast<double>(points);
        CHECK((sum - cumulative).abs().max().item<double>() < 2e-3);
        const double asked[] = {0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999};
        const torch::Tensor levels =
            torch::tensor(std::vector<double>(std::begin(asked), std::end(asked)), torch::kFloat64);
        const torch::Tensor quantiles = net.marginal_quantiles(one, calibration, levels)[0];
        for (std::int64_t j = 0; j < levels.size(0); ++j) {
            const torch::Tensor at = quantiles.select(1, j).unsqueeze(0).to(torch::kFloat32);
            const torch::Tensor back =
                net.marginal_densities(one, calibration, at).cumulative.mean(0)[0];
            for (std::int64_t k = 0; k < 2; ++k) {
                CHECK(std::abs(back[k].item<double>() - asked[j]) < 1e-4);
            }
        }
    }
}

TEST_CASE("The network's weights have the names and shapes that files are checked against",
          "[network]") {
    NetworkOptions options{.inputs = 20,
                           .unknowns = 3,
                           .width = 16,
                           .hidden = 40,
                           .blocks = 2,
                           .members = 2,
                           .convolutions = {},
                           .head = {.pieces = 2},
                           .choices = {0, 20, 0}};
    CHECK(options.density_parameters() == 20);
    PosteriorNet net(options);
    check_weights(net);
    const NetworkOptions back = network_options_from_json(to_json(options));
    CHECK(back.choices == options.choices);
    CHECK(back.head.form == options.head.form);
    std::string mixture = to_json(options);
    mixture.replace(mixture.find("flow"), 4, "mixture");
    CHECK_THROWS_WITH(network_options_from_json(mixture),
                      "head must be flow or gaussian, got mixture");
    // Untrained, it says the prior: its mean, and about its standard deviation.
    const Anchor estimate = combined(net(torch::randn({4, 20})));
    CHECK((estimate.mean - 0.5).abs().max().item<double>() < 1e-6);
    CHECK(std::abs(estimate.sd[0][0].item<double>() - std::sqrt(1.0 / 12.0)) < 0.03);
    CHECK_THROWS_AS(network_options_from_json(R"({"kind": "residual-dense", "inputs": -1})"),
                    std::invalid_argument);
}

TEST_CASE("A network with convolutions has the weights and the text form it is checked against",
          "[network]") {
    NetworkOptions options;
    options.unknowns = 2;
    options.choices = {0, 0};
    options.width = 16;
    options.hidden = 24;
    options.blocks = 1;
    options.members = 2;
    options.convolutions = {3, 50, 16};
    options.inputs = 3 * 50 + 2;
    // 50 samples: 13, then 7; filters 16, 24.
    CHECK(options.convolutions.stages() == std::vector<int>{16, 24});
    CHECK(options.convolutions.left() == 7);
    CHECK(options.convolutions.outputs() == 7 * 24);
    PosteriorNet net(options);
    check_weights(net);
    const NetworkOptions back = network_options_from_json(to_json(options));
    CHECK(back.convolutions.channels == 3);
    CHECK(back.convolutions.samples == 50);
    CHECK(back.convolutions.filters == 16);
    // A curve's answer does not depend on the curves beside it.
    torch::manual_seed(3);
    const torch::Tensor inputs = torch::randn({5, options.inputs});
    const torch::Tensor all = net(inputs).embedding;
    const torch::Tensor one = net(inputs.slice(0, 2, 3)).embedding;
    // Sums of some hundred terms near 1, in another order: single precision.
    CHECK((all.slice(1, 2, 3) - one).abs().max().item<double>() < 1e-5);
    options.inputs = 149;
    CHECK_THROWS_WITH(options.validate(),
                      ContainsSubstring("network.inputs must be >= 3 channels"));
    options.convolutions.filters = 12;
    CHECK_THROWS_WITH(options.validate(), ContainsSubstring("filters must be a multiple of 8"));
}

TEST_CASE("A gated reading starts as nothing, then multiplies what is seen by what is known",
          "[network]") {
    NetworkOptions options{.inputs = 12,
                           .unknowns = 2,
                           .width = 16,
                           .hidden = 24,
                           .blocks = 3,
                           .gates = 20,
                           .convolutions = {},
                           .head = {},
                           .choices = {0, 0}};
    PosteriorNet net(options);
    check_weights(net);
    CHECK(network_options_from_json(to_json(options)).gates == 20);
    options.gates = 0;
    CHECK(to_json(options).find("gates") == std::string::npos);  // as older models are
    CHECK(network_options_from_json(to_json(options)).gates == 0);
    options.gates = -1;
    CHECK_THROWS_WITH(options.validate(), ContainsSubstring("gates must be in"));

    torch::manual_seed(3);
    GatedReading gated(4, 6, 5);
    const torch::Tensor x = torch::randn({7, 6});
    const torch::Tensor seen = torch::randn({7, 4});
    CHECK(torch::equal(gated(x, seen), x));
    torch::NoGradGuard no_grad;
    NamedWeights weights;
    gated.name("gated", weights);
    for (auto& [name, weight] : weights) weight.normal_();
    for (auto& [name, weight] : weights) {
        if (name.find("bias") != std::string::npos) weight.zero_();
    }
    // Linear in what is seen, at one x.
    const torch::Tensor once = gated(x, seen) - x;
    const torch::Tensor twice = gated(x, 2.0 * seen) - x;
    CHECK(once.abs().max().item<double>() > 0.1);
    CHECK((twice - 2.0 * once).abs().max().item<double>() < 1e-4);
}

TEST_CASE("Members' estimates are combined as the mixture they are", "[network]") {
    // Means 0.4 and 0.6, standard deviations 0.1 and 0.2: variance (0.01 + 0.04) / 2 + 0.1^2 =
    // 0.035.
    const Anchor answer = combined({{},
                                    torch::tensor({0.4f, 0.6f}).reshape({2, 1, 1}),
                                    torch::tensor({0.1f, 0.2f}).log().reshape({2, 1, 1}),
                                    {}});
    CHECK(std::abs(answer.mean.item<double>() - 0.5) < 1e-6);
    CHECK(std::abs(answer.sd.item<double>() - std::sqrt(0.035)) < 1e-6);
}
