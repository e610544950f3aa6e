#include "model/site_keys.h"

namespace nmrsim {
namespace {

template <auto field>
constexpr SiteKey key(const char* name) {
    return {name, [](Site& site, double value) { site.*field = value; },
            [](const Site& site) { return std::optional<double>(site.*field); }};
}

constexpr SiteKey kKeys[] = {
    key<&Site::weight>("weight"),
    key<&Site::shift_khz>("shift_khz"),
    key<&Site::half_width_khz>("half_width_khz"),
    key<&Site::gaussian_half_width_khz>("gaussian_half_width_khz"),
    key<&Site::pulse_scale>("pulse_scale"),
    key<&Site::gamma1_per_s>("gamma1_per_s"),
    key<&Site::gamma2_per_s>("gamma2_per_s"),
    key<&Site::gamma3_per_s>("gamma3_per_s"),
};

}  // namespace

std::span<const SiteKey> site_keys() {
    return kKeys;
}

}  // namespace nmrsim
