#include "model/site_keys.h"

namespace nmrsim {
namespace {

struct Bound {
    const char* text;
    bool (*within)(double);
};
constexpr Bound kAny{"finite", [](double) { return true; }};
constexpr Bound kPositive{"finite and > 0", [](double value) { return value > 0.0; }};
constexpr Bound kRate{"finite and >= 0", [](double value) { return value >= 0.0; }};

template <auto field>
constexpr SiteKey key(const char* name, const Bound& bound) {
    return {name, bound.text, bound.within, [](Site& site, double value) { site.*field = value; },
            [](const Site& site) { return std::optional<double>(site.*field); }};
}

constexpr SiteKey kKeys[] = {
    key<&Site::weight>("weight", kPositive),
    key<&Site::shift_khz>("shift_khz", kAny),
    key<&Site::half_width_khz>("half_width_khz", kPositive),
    key<&Site::gaussian_half_width_khz>("gaussian_half_width_khz", kPositive),
    key<&Site::pulse_scale>("pulse_scale", kAny),
    key<&Site::gamma1_per_s>("gamma1_per_s", kRate),
    key<&Site::gamma2_per_s>("gamma2_per_s", kRate),
    key<&Site::gamma3_per_s>("gamma3_per_s", kRate),
};

}  // namespace

std::span<const SiteKey> site_keys() {
    return kKeys;
}

}  // namespace nmrsim
