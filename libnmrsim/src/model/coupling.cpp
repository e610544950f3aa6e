#include "nmrsim/coupling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "model/kernels.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

double value(const Interaction& interaction, double dx, double dy, double dz, Scale scale) {
    const double r = std::hypot(dx, dy, dz);
    if (r == 0.0) return 0.0;
    const AngularFactor& a = interaction.angular;
    const double cos_phi = dx / r;
    const double angular = a.s_weight + a.d_weight * (2.0 * cos_phi * cos_phi - 1.0);
    return angular * radial(interaction.kernel, r, scale);
}

/// Minimum image of the displacement `i` around a ring of `n` sites.
int minimum_image(int i, int n) {
    return i <= n / 2 ? i : i - n;
}

/// f over the lattice, not normalised; for the uniform kernel 1/N.
std::vector<double> raw_table(const Interaction& interaction, const Lattice& lattice, Scale scale) {
    const int nx = lattice.nx;
    std::vector<double> table(static_cast<std::size_t>(lattice.sites()));
    if (std::holds_alternative<UniformKernel>(interaction.kernel)) {
        table.assign(table.size(), 1.0 / static_cast<double>(table.size()));
        return table;
    }
    std::size_t i = 0;
    for (int x = 0; x < nx; ++x) {
        const int dx = minimum_image(x, nx);
        for (int y = 0; y < lattice.ny; ++y) {
            const int dy = minimum_image(y, lattice.ny);
            for (int z = 0; z < lattice.nz; ++z, ++i) {
                const int dz = minimum_image(z, lattice.nz);
                table[i] = value(interaction, dx, dy, dz, scale);
            }
        }
    }
    return table;
}

double sum(const std::vector<double>& table) {
    double total = 0.0;
    for (const double f : table) total += f;
    return total;
}

void require_finite(double value, const char* name) {
    if (!std::isfinite(value)) {
        throw std::invalid_argument(
            fmt::format("interaction.{} must be finite, got {}", name, value));
    }
}

}  // namespace

double Interaction::alpha_plane_khz() const {
    return 0.5 * (alpha_x_khz + alpha_y_khz.value_or(alpha_x_khz));
}

void Interaction::validate() const {
    validate_kernel(kernel);
    require_finite(angular.s_weight, "s_weight");
    require_finite(angular.d_weight, "d_weight");
    require_finite(alpha_x_khz, "alpha_x_khz");
    if (alpha_y_khz) require_finite(*alpha_y_khz, "alpha_y_khz");
    require_finite(alpha_z_khz, "alpha_z_khz");
}

std::string_view kernel_name(const Kernel& kernel) {
    return row_of(kernel).name;
}

const std::vector<std::string>& kernel_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const KernelRow& row : kernel_rows()) all.emplace_back(row.name);
        return all;
    }();
    return names;
}

Kernel other_kernel(const Kernel& kernel, std::string_view name) {
    if (kernel_name(kernel) == name) return kernel;
    const auto rows = kernel_rows();
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const KernelRow& row) { return row.name == name; });
    if (found == rows.end()) {
        throw std::invalid_argument(
            fmt::format("unknown kernel \"{}\"{}", name, did_you_mean(name, kernel_names())));
    }
    Kernel result = found->standard;
    // The range means the same for every kernel that has one.
    if (double* xi = xi_of(result)) {
        Kernel old = kernel;
        if (const double* old_xi = xi_of(old)) *xi = *old_xi;
    }
    return result;
}

double kernel_value(const Interaction& interaction, double dx, double dy, double dz) {
    if (std::holds_alternative<UniformKernel>(interaction.kernel)) return 1.0;
    return value(interaction, dx, dy, dz, Scale::plain);
}

std::vector<double> kernel_table(const Interaction& interaction, const Lattice& lattice) {
    if (!interaction.normalize) return raw_table(interaction, lattice, Scale::plain);
    std::vector<double> table = raw_table(interaction, lattice, Scale::for_normalising);
    if (table.size() == 1) return table;  // a lone site couples to nothing
    const double total = sum(table);
    if (total == 0.0 || !std::isfinite(1.0 / total)) {
        throw std::invalid_argument(
            fmt::format("interaction.normalize needs a kernel sum that is not 0, got {}", total));
    }
    for (double& f : table) f /= total;
    return table;
}

double kernel_sum(const Interaction& interaction, const Lattice& lattice) {
    if (std::holds_alternative<UniformKernel>(interaction.kernel) ||
        interaction.angular.d_weight != 0.0) {
        return sum(raw_table(interaction, lattice, Scale::plain));
    }
    // Isotropic: each site stands for its mirror images too.
    const auto images = [](int i, int n) { return i == 0 || 2 * i == n ? 1.0 : 2.0; };
    double total = 0.0;
    for (int x = 0; x <= lattice.nx / 2; ++x) {
        for (int y = 0; y <= lattice.ny / 2; ++y) {
            for (int z = 0; z <= lattice.nz / 2; ++z) {
                total += images(x, lattice.nx) * images(y, lattice.ny) * images(z, lattice.nz) *
                         value(interaction, x, y, z, Scale::plain);
            }
        }
    }
    return total;
}

double xi_of_kernel_sum(const Interaction& interaction, const Lattice& lattice, double sum) {
    if (!(sum > 0.0) || !std::isfinite(sum)) {
        throw std::invalid_argument(fmt::format("a kernel's |sum| must be > 0, got {}", sum));
    }
    Interaction trial = interaction;
    double* const xi = xi_of(trial.kernel);
    if (!xi) throw std::invalid_argument("the uniform kernel has no xi");
    // Against log xi the logarithm of the sum is almost a line.
    const double target = std::log(sum);
    const auto excess = [&](double log_xi) {
        *xi = std::exp(log_xi);
        return std::log(std::abs(kernel_sum(trial, lattice))) - target;
    };
    // Where xi_of_kernel_sum() looks, and how [of log xi, of log |sum|].
    constexpr double kLeastXiOfSum = 0.1;
    constexpr double kMostXiOfSum = 1e6;
    constexpr double kSearchStep = 0.4;
    constexpr int kMostSteps = 100;
    constexpr double kSumRounding = 4e-16;
    const double least = std::log(kLeastXiOfSum), most = std::log(kMostXiOfSum);
    // A sum over a plane grows as xi^2.
    double low = std::clamp(0.5 * std::log(sum / kPi + 0.1), least, most), high = low;
    double below = excess(low), above = below;
    while (below > 0.0 && low > least) {
        high = low, above = below;
        low = std::max(low - kSearchStep, least);
        below = excess(low);
    }
    while (above < 0.0 && high < most) {
        low = high, below = above;
        high = std::min(high + kSearchStep, most);
        above = excess(high);
    }
    if (!(below <= 0.0 && above >= 0.0)) {
        throw std::invalid_argument(
            fmt::format("no xi from {:g} to {:g} gives the {} kernel a |sum| of {:g}",
                        kLeastXiOfSum, kMostXiOfSum, kernel_name(interaction.kernel), sum));
    }
    // Illinois' false position: an end that stays counts half the next time.
    int kept = 0;
    for (int i = 0; i < kMostSteps && below < 0.0 && above > 0.0; ++i) {
        const double middle = low - below * (high - low) / (above - below);
        if (!(middle > low && middle < high)) break;  // down to rounding
        const double miss = excess(middle);
        if (std::abs(miss) < kSumRounding) return std::exp(middle);
        if (miss < 0.0) {
            low = middle, below = miss;
            if (kept == 1) above *= 0.5;
            kept = 1;
        } else {
            high = middle, above = miss;
            if (kept == -1) below *= 0.5;
            kept = -1;
        }
    }
    return std::exp(-below < above ? low : high);
}

}  // namespace nmrsim
