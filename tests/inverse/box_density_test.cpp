// Densities on the unit interval: all of them inside, cumulatives and quantiles that agree.
#include "network/box_density.h"

#include "network/torch.h"

#include <cmath>
#include <stdexcept>

#include "catch_compat.h"

using namespace nmrinverse;

namespace {

double largest(const torch::Tensor& values) {
    return values.abs().max().item<double>();
}

/// Anchors in the middle, at an edge, narrow and as wide as the interval.
Anchor anchors() {
    return {torch::tensor({0.5, 0.0, 1.0, 0.2, 0.7}, torch::kFloat64),
            torch::tensor({0.1, 0.05, 0.3, 0.01, 0.6}, torch::kFloat64)};
}

}  // namespace

TEST_CASE("A density lies inside the interval, and its cumulative is its integral", "[density]") {
    // The middle of 200,000 cells: the narrowest density here has features of 1e-3, and the
    // midpoint rule's error goes as (cell / feature)^2 / 24 = 1e-6.
    const std::int64_t cells = 200000;
    for (const Head head : {Head::gaussian, Head::flow}) {
        const DensityShape shape{head, 5};
        INFO(name_of(head));
        torch::manual_seed(1);
        const torch::Tensor free = 0.7 * torch::randn({5, shape.parameters()}, torch::kFloat64);
        const Anchor anchor = anchors();
        for (std::int64_t i = 0; i < 5; ++i) {
            const torch::Tensor u =
                (torch::arange(cells, torch::kFloat64) + 0.5) / static_cast<double>(cells);
            const Anchor one{anchor.mean[i].expand({cells}), anchor.sd[i].expand({cells})};
            const DensityValue value =
                density_at(shape, free[i].expand({cells, shape.parameters()}), one, u);
            const torch::Tensor integral =
                (value.log_density.exp() / static_cast<double>(cells)).cumsum(0);
            CHECK(std::abs(integral[cells - 1].item<double>() - 1.0) < 1e-5);
            // The cumulative at a cell's middle holds half of that cell.
            const torch::Tensor up_to =
                integral - 0.5 * value.log_density.exp() / static_cast<double>(cells);
            CHECK(largest(value.cumulative - up_to) < 1e-5);
        }
    }
}

TEST_CASE("Quantiles invert the cumulative", "[density]") {
    for (const Head head : {Head::gaussian, Head::flow}) {
        const DensityShape shape{head, 4};
        INFO(name_of(head));
        torch::manual_seed(2);
        const torch::Tensor free = torch::randn({5, shape.parameters()}, torch::kFloat64);
        const torch::Tensor level = torch::linspace(0.01, 0.99, 15, torch::kFloat64);
        const torch::Tensor quantile =
            density_quantile(shape, free, anchors(), level.expand({5, 15}));
        CHECK((quantile >= 0.0).all().item<bool>());
        CHECK((quantile <= 1.0).all().item<bool>());
        for (std::int64_t j = 0; j < 15; ++j) {
            // In closed form.
            CHECK(largest(density_at(shape, free, anchors(), quantile.select(1, j)).cumulative -
                          level[j]) < 1e-8);
        }
    }
}

TEST_CASE("A density far wider than the interval is flat on it", "[density]") {
    const torch::Tensor u = torch::tensor({0.01, 0.5, 0.99}, torch::kFloat64);
    const Anchor wide{torch::full({3}, 0.5, torch::kFloat64),
                      torch::full({3}, 15.0, torch::kFloat64)};
    for (const Head head : {Head::gaussian, Head::flow}) {
        const DensityShape shape{head, 3};
        const DensityValue value =
            density_at(shape, torch::zeros({3, shape.parameters()}, torch::kFloat64), wide, u);
        // (0.5 / scale)^2 / 4 with a scale of 8 or more.
        CHECK(largest(value.log_density) < 2e-3);
        CHECK(largest(value.cumulative - u) < 1e-3);
    }
}

TEST_CASE("A choice has a constant density on its cell", "[density]") {
    const torch::Tensor logits =
        torch::tensor({{0.5, 0.3, 0.2}}, torch::kFloat64).log().expand({4, 3});
    const torch::Tensor u = torch::tensor({0.0, 0.25, 0.5, 1.0}, torch::kFloat64);
    const DensityValue value = cells_at(logits, u);
    const torch::Tensor density = torch::tensor({1.5, 1.5, 0.9, 0.6}, torch::kFloat64);
    CHECK(largest(value.log_density.exp() - density) < 1e-12);
    const torch::Tensor cumulative = torch::tensor({0.0, 0.375, 0.65, 1.0}, torch::kFloat64);
    CHECK(largest(value.cumulative - cumulative) < 1e-12);
    CHECK(largest(cells_quantile(logits, cumulative.unsqueeze(1)).squeeze(1) - u) < 1e-12);
}

TEST_CASE("Kinds of networks have names, and no other names are taken", "[density]") {
    CHECK(head_from_name("flow") == Head::flow);
    CHECK(name_of(Head::gaussian) == "gaussian");
    CHECK_THROWS_WITH(head_from_name("flows"), "head must be flow or gaussian, got flows");
    CHECK(embedding_from_name(name_of(Embedding::convolution)) == Embedding::convolution);
    CHECK(features_from_name("phase-free") == CurveFeatures::phase_free);
    CHECK(device_from_name("cuda") == Device::cuda);
    CHECK(name_or_auto(std::optional<Embedding>()) == "auto");
}
