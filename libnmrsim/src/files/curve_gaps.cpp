// Curves whose times leave gaps, such as the echoes of a train.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "files/axis_words.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/resampling.h"

namespace nmrsim {
namespace {

/// Times with gaps lie on a grid within this share of its spacing, and fill it to an eighth.
constexpr double kOnGrid = 0.02;
constexpr double kLeastFilled = 8.0;

}  // namespace

MeasuredCurves with_gaps_filled(MeasuredCurves curves) {
    const std::vector<double>& t = curves.time_us;
    const std::size_t points = t.size();
    if (points < 4 || even_spacing_us(t) > 0.0) return curves;
    std::vector<double> steps;
    for (std::size_t i = 1; i < points; ++i) steps.push_back(t[i] - t[i - 1]);
    const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
    std::nth_element(steps.begin(), middle, steps.end());
    const double usual = *middle, span = t.back() - t.front();
    if (!(usual > 0.0) || span / usual > kLeastFilled * static_cast<double>(points)) return curves;
    std::vector<std::size_t> place = {0};
    for (std::size_t i = 1; i < points; ++i) {
        const double step = (t[i] - t[i - 1]) / usual;
        place.push_back(place.back() + static_cast<std::size_t>(std::lround(step)));
        if (place[i] == place[i - 1]) return curves;
    }
    // The mean spacing of the grid is better known than single steps, which files round.
    const double spacing = span / static_cast<double>(place.back());
    for (std::size_t i = 0; i < points; ++i) {
        const double off = (t[i] - t.front()) / spacing - static_cast<double>(place[i]);
        if (std::abs(off) > kOnGrid) return curves;
    }
    const std::size_t all = place.back() + 1, count = curves.count();
    MeasuredCurves filled;
    filled.axis = curves.axis;
    add_words(fmt::format("{} samples missing in between", all - points), filled.axis);
    for (std::size_t i = 0; i < all; ++i) {
        filled.time_us.push_back(t.front() + static_cast<double>(i) * spacing);
    }
    filled.signal.assign(2 * count * all, 0.0f);
    filled.dead.assign(count * all, true);
    if (!curves.sigma.empty()) filled.sigma.assign(count * all, 1.0f);
    for (std::size_t row = 0; row < 2 * count; ++row) {
        for (std::size_t i = 0; i < points; ++i) {
            filled.signal[row * all + place[i]] = curves.signal[row * points + i];
        }
    }
    for (std::size_t i = 0; i < count * points; ++i) {
        const std::size_t to = i / points * all + place[i % points];
        filled.dead[to] = !curves.dead.empty() && curves.dead[i];
        if (!curves.sigma.empty()) filled.sigma[to] = curves.sigma[i];
    }
    return filled;
}

}  // namespace nmrsim
