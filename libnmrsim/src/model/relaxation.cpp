#include "nmrsim/relaxation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nmrsim/units.h"

namespace nmrsim {

namespace {

void require_rate(const char* name, double value) {
    if (!(value >= 0.0) || !std::isfinite(value)) {
        throw std::invalid_argument(
            fmt::format("relaxation.{} must be finite and >= 0, got {}", name, value));
    }
}

void require_time(const char* name, double value) {
    if (!(value > 0.0)) {
        throw std::invalid_argument(fmt::format("relaxation.{} must be > 0, got {}", name, value));
    }
}

}  // namespace

double Relaxation::equilibrium_mz() const {
    const double rate = longitudinal_rate();
    return rate > 0.0 ? kSpinLength * (gamma1_per_s - gamma2_per_s) / rate : 0.0;
}

double Relaxation::transverse_loss(double from_s, double to_s) const {
    if (stretching == 1.0) return transverse_rate() * (to_s - from_s);
    const auto dephased = [&](double time_s) {
        return std::pow(0.5 * gamma3_per_s * time_s, stretching);
    };
    return 0.5 * longitudinal_rate() * (to_s - from_s) + dephased(to_s) - dephased(from_s);
}

void Relaxation::validate() const {
    require_rate("gamma1_per_s", gamma1_per_s);
    require_rate("gamma2_per_s", gamma2_per_s);
    require_rate("gamma3_per_s", gamma3_per_s);
    if (!std::isfinite(stretching)) {
        throw std::invalid_argument(
            fmt::format("relaxation.stretching must be finite, got {}", stretching));
    }
    if (!(d_base > 1.0) || !std::isfinite(d_base)) {
        throw std::invalid_argument(
            fmt::format("relaxation.d_base must be finite and > 1, got {}", d_base));
    }
}

Relaxation relaxation_from_times(double t1_us, double t2_us) {
    require_time("t1_us", t1_us);
    require_time("t2_us", t2_us);
    if (!(t2_us <= 2.0 * t1_us)) {
        throw std::invalid_argument(
            fmt::format("relaxation.t2_us must be <= 2 t1_us = {} us, got {}", 2.0 * t1_us, t2_us));
    }
    // Toward +1/2 only: Gamma_2 = 0, so 1/T1 = Gamma_1 and 1/T2 = (Gamma_1 + Gamma_3) / 2.
    Relaxation relaxation;
    relaxation.gamma1_per_s = 1.0 / (t1_us * kSecondsPerUs);
    relaxation.gamma3_per_s =
        std::max(0.0, 2.0 / (t2_us * kSecondsPerUs) - relaxation.gamma1_per_s);
    return relaxation;
}

}  // namespace nmrsim
