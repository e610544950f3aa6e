#include "model/kernels.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace nmrsim {

const char* const kExampleOfChoices = "[\"gaussian\", \"rkky\"]";

namespace {

constexpr KernelRow kRows[] = {{"uniform", UniformKernel{}, false},
                               {"gaussian", GaussianKernel{}, true},
                               {"power-law", PowerLawKernel{}, false},
                               {"rkky", RkkyKernel{}, true}};
static_assert(std::size(kRows) == std::variant_size_v<Kernel>);

double value(const UniformKernel&, double, Scale) {
    return 1.0;
}

double value(const GaussianKernel& kernel, double r, Scale scale) {
    // Relative to r = 1, the nearest neighbours.
    const double nearest = scale == Scale::plain ? 0.0 : 1.0;
    return std::exp(-(r - nearest) * (r + nearest) / (kernel.xi * kernel.xi));
}

double value(const PowerLawKernel& kernel, double r, Scale scale) {
    // xi^p is a factor common to all r, which normalising cancels.
    return scale == Scale::plain ? std::pow(kernel.xi / r, kernel.exponent)
                                 : std::pow(r, -kernel.exponent);
}

double value(const RkkyKernel& kernel, double r, Scale) {
    const double x = 2.0 * r / kernel.xi;
    // Below 0.1 the difference cancels; its series there is exact to 1e-16 after three terms:
    // x cos x - sin x = -x^3 (1/3 - x^2/30 + x^4/840 - x^6/45360 + ...).
    if (x < 0.1) {
        const double x2 = x * x;
        return -(1.0 / 3.0 - x2 * (1.0 / 30.0 - x2 * (1.0 / 840.0 - x2 / 45360.0))) / x;
    }
    return (x * std::cos(x) - std::sin(x)) / (x * x * x * x);
}

}  // namespace

std::span<const KernelRow> kernel_rows() {
    return kRows;
}

const KernelRow& row_of(const Kernel& kernel) {
    return kRows[kernel.index()];
}

namespace {

/// Where the kernel has what `get` points to; nullptr: it has none.
template <class Get>
double* found(Kernel& kernel, const Get& get) {
    return std::visit(
        [&](auto& k) -> double* {
            if constexpr (requires { get(k); }) return get(k);
            return nullptr;
        },
        kernel);
}

}  // namespace

double* xi_of(Kernel& kernel) {
    return found(kernel, [](auto& k) -> decltype(&k.xi) { return &k.xi; });
}

double* exponent_of(Kernel& kernel) {
    return found(kernel, [](auto& k) -> decltype(&k.exponent) { return &k.exponent; });
}

double radial(const Kernel& kernel, double r, Scale scale) {
    return std::visit([&](const auto& k) { return value(k, r, scale); }, kernel);
}

void validate_kernel(const Kernel& kernel) {
    Kernel copy = kernel;
    if (const double* xi = xi_of(copy); xi && (!(*xi > 0.0) || !std::isfinite(*xi))) {
        throw std::invalid_argument(fmt::format("interaction.xi must be > 0, got {}", *xi));
    }
    if (const double* p = exponent_of(copy); p && (!(*p >= 0.0) || !std::isfinite(*p))) {
        throw std::invalid_argument(fmt::format("interaction.exponent must be >= 0, got {}", *p));
    }
}

}  // namespace nmrsim
