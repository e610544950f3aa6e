#include "nmrsim/signal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nmrsim/random.h"

namespace nmrsim {
namespace {

void require_alike(const Signal& a, const Signal& b) {
    if (a.mx.size() != b.mx.size() || a.my.size() != b.my.size()) {
        throw std::invalid_argument(fmt::format(
            "signals differ in their number of points: {} and {}", a.mx.size(), b.mx.size()));
    }
}

}  // namespace

double largest_difference(const Signal& a, const Signal& b) {
    require_alike(a, b);
    double largest = 0.0;
    for (std::size_t k = 0; k < a.mx.size(); ++k) {
        const double difference = std::hypot(a.mx[k] - b.mx[k], a.my[k] - b.my[k]);
        if (std::isnan(difference)) return difference;  // must not pass for agreement
        largest = std::max(largest, difference);
    }
    return largest;
}

double peak_magnitude(const Signal& signal) {
    double largest = 0.0;
    for (std::size_t k = 0; k < signal.mx.size(); ++k) {
        largest = std::max(largest, std::hypot(signal.mx[k], signal.my[k]));
    }
    return largest;
}

double rms_difference(const Signal& a, const Signal& b) {
    require_alike(a, b);
    double sum = 0.0;
    for (std::size_t k = 0; k < a.mx.size(); ++k) {
        const double dx = a.mx[k] - b.mx[k], dy = a.my[k] - b.my[k];
        sum += dx * dx + dy * dy;
    }
    return a.mx.empty() ? 0.0 : std::sqrt(sum / static_cast<double>(a.mx.size()));
}

void add_noise(Signal& signal, double sigma, std::uint64_t seed, std::uint64_t index) {
    if (!(sigma >= 0.0) || !std::isfinite(sigma)) {
        throw std::invalid_argument(
            fmt::format("acquisition.noise must be finite and >= 0, got {}", sigma));
    }
    CounterRandom random(seed, index, RandomStream::noise);
    for (auto* m : {&signal.mx, &signal.my}) {
        for (double& value : *m) value += sigma * random.normal();
    }
}

}  // namespace nmrsim
