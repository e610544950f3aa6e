// Splines of the unit interval: monotone, invertible, with the slope they claim.
#include "network/monotone_spline.h"

#include "network/torch.h"

#include <cmath>

#include "catch_compat.h"

using namespace nmrinverse;

namespace {

constexpr int kBins = 7;

torch::Tensor random_numbers(std::int64_t count, double spread) {
    torch::manual_seed(3);
    return spread * torch::randn({count, spline_parameters(kBins)}, torch::kFloat64);
}

double largest_value(const torch::Tensor& values) {
    return values.abs().max().item<double>();
}

}  // namespace

TEST_CASE("A spline of zeros is the identity", "[spline]") {
    const torch::Tensor x = torch::linspace(0.0, 1.0, 101, torch::kFloat64);
    const MonotoneSpline spline =
        make_monotone_spline(torch::zeros({101, spline_parameters(kBins)}, torch::kFloat64), kBins);
    const SplineValue value = evaluate(spline, x);
    CHECK(largest_value(value.y - x) < 1e-14);
    CHECK(largest_value(value.log_slope) < 1e-13);
}

TEST_CASE("A spline rises from 0 to 1, and its inverse takes it back", "[spline]") {
    const std::int64_t count = 50;
    const MonotoneSpline spline = make_monotone_spline(random_numbers(count, 2.0), kBins);
    const torch::Tensor x = torch::linspace(0.0, 1.0, 401, torch::kFloat64);
    torch::Tensor before = torch::full({count}, -1e-300, torch::kFloat64);
    for (std::int64_t i = 0; i < x.size(0); ++i) {
        const torch::Tensor here = x[i].expand({count});
        const SplineValue value = evaluate(spline, here);
        CHECK((value.y > before).all().item<bool>());
        before = value.y;
        if (i == 0) CHECK(largest_value(value.y) < 1e-14);
        if (i == 400) CHECK(largest_value(value.y - 1.0) < 1e-13);
        // Slopes reach from 1e-3 to about 1e3 times the mean one: rounding of y by 1e-16 moves x
        // by up to 1e-13, and cancellation in the quadratic costs some more digits.
        CHECK(largest_value(invert(spline, value.y.unsqueeze(1)).squeeze(1) - here) < 1e-9);
    }
}

TEST_CASE("The slope is the derivative", "[spline]") {
    const std::int64_t count = 200;
    const MonotoneSpline spline = make_monotone_spline(random_numbers(count, 1.0), kBins);
    torch::manual_seed(4);
    const torch::Tensor x =
        torch::rand({count}, torch::kFloat64).mul(0.98).add(0.01).set_requires_grad(true);
    const SplineValue value = evaluate(spline, x);
    const torch::Tensor slope = torch::autograd::grad({value.y.sum()}, {x})[0];
    // Automatic differentiation of the same formula: rounding only.
    CHECK(largest_value(value.log_slope.detach() - slope.log()) < 1e-10);
}
