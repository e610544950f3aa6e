/// Polynomial interpolation: Lagrange's weights, and nodes chosen so that they amplify little.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace nmrsim {

/// Weights of values at nodes in the value of Lagrange's polynomial at a point, and in its slope.
template <std::size_t kNodes>
struct LagrangeWeights {
    std::array<double, kNodes> value = {};
    std::array<double, kNodes> slope = {};
};

/// Args: node: of j, 0 <= j < count. count: <= kNodes; the others' weights are 0.
template <std::size_t kNodes, typename Node>
LagrangeWeights<kNodes> lagrange_weights(double at, const Node& node, std::size_t count = kNodes) {
    LagrangeWeights<kNodes> weights;
    for (std::size_t j = 0; j < count; ++j) {
        double product = 1.0, derivative = 0.0;
        for (std::size_t m = 0; m < count; ++m) {
            if (m == j) continue;
            const double from = at - node(m), reach = node(j) - node(m);
            derivative = (derivative * from + product) / reach;
            product *= from / reach;
        }
        weights.value[j] = product;
        weights.slope[j] = derivative;
    }
    return weights;
}

/// On either side a node counts only if it lies farther from the last that does than this share of
/// its distance to the point. Through all of the nearest 12 of nodes that crowd toward a pulse, as
/// h/256, h/128, ... h/2, the polynomial amplifies what values are off by 1e4 (steps without end)
/// to 1e14 (one step); thinned so, by 33 at most, and evenly spaced nodes hardly change (computed).
inline constexpr double kLeastGap = 1.0 / 8.0;

/// Nodes and their weights: the value is sum over i < count of weight[i] f(time[index[i]]).
template <std::size_t kMost>
struct Stencil {
    std::size_t count = 0;
    std::array<std::size_t, kMost> index = {};  ///< ascending
    std::array<double, kMost> weight = {};
};

/// The stencil of at most kMost nodes, half of them on either side where there are as many, for a
/// point within or near `times` (ascending, at least one).
template <std::size_t kMost>
Stencil<kMost> bounded_stencil(std::span<const double> times, double at) {
    const std::size_t after =
        static_cast<std::size_t>(std::lower_bound(times.begin(), times.end(), at) - times.begin());
    std::array<std::size_t, kMost> left = {}, right = {};
    std::size_t lefts = 0, rights = 0;
    const auto counts = [&](std::size_t next, std::size_t last) {
        const double gap =
            times[next] > times[last] ? times[next] - times[last] : times[last] - times[next];
        const double distance = times[next] > at ? times[next] - at : at - times[next];
        return gap > kLeastGap * distance;
    };
    for (std::size_t i = after; i-- > 0 && lefts < kMost;) {
        if (lefts == 0 || counts(i, left[lefts - 1])) left[lefts++] = i;
    }
    for (std::size_t i = after; i < times.size() && rights < kMost; ++i) {
        if (rights == 0 || counts(i, right[rights - 1])) right[rights++] = i;
    }
    const std::size_t from_left =
        std::min(lefts, std::max(kMost / 2, kMost - std::min(rights, kMost)));
    const std::size_t from_right = std::min(rights, kMost - from_left);
    Stencil<kMost> stencil;
    for (std::size_t i = from_left; i-- > 0;) stencil.index[stencil.count++] = left[i];
    for (std::size_t i = 0; i < from_right; ++i) stencil.index[stencil.count++] = right[i];
    const auto node = [&](std::size_t j) { return times[stencil.index[j]]; };
    stencil.weight = lagrange_weights<kMost>(at, node, stencil.count).value;
    return stencil;
}

}  // namespace nmrsim
