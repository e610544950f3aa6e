/// Spin-spin coupling: the kernel f(r), its angular factor and its strengths.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "nmrsim/lattice.h"

namespace nmrsim {

/// Every spin couples to the mean of all: f = 1/N. Needs no lattice.
struct UniformKernel {};

/// f(r) = exp(-(r/xi)^2)
struct GaussianKernel {
    double xi = 5.0;  ///< range [lattice units], > 0
};

/// f(r) = (r/xi)^-exponent
struct PowerLawKernel {
    double xi = 1.0;        ///< length unit of r [lattice units], > 0; a normalised kernel loses it
    double exponent = 3.0;  ///< p, >= 0
};

/// f(r) = x^-4 (x cos x - sin x), x = 2 r / xi: the Ruderman-Kittel-Kasuya-Yosida kernel, negative
/// at short range.
struct RkkyKernel {
    double xi = 5.0;  ///< range [lattice units], > 0
};

using Kernel = std::variant<UniformKernel, GaussianKernel, PowerLawKernel, RkkyKernel>;

/// How alike spins at r couple: f(r) times (s + d cos(2 phi)), phi the angle of r to x, so that
/// cos(phi) = dx / r in three dimensions too.
struct AngularFactor {
    double s_weight = 1.0;
    double d_weight = 0.0;
};

/// Coupling of spin i to the field w_i = sum_j f(r_ij) m_j, with f(0) = 0.
struct Interaction {
    Kernel kernel = UniformKernel{};
    AngularFactor angular;
    /// Divide f by its sum over the lattice, so that alpha is the summed coupling.
    bool normalize = false;
    double alpha_x_khz = 0.0;                ///< in-plane strength along x [kHz]
    std::optional<double> alpha_y_khz = {};  ///< along y [kHz]; alpha_x_khz where unset
    double alpha_z_khz = 0.0;                ///< strength along z [kHz]

    /// (alpha_x + alpha_y) / 2 [kHz]: what is left of the in-plane coupling once the
    /// half-difference, which turns at twice the Larmor frequency, is averaged (first order of the
    /// Magnus expansion).
    double alpha_plane_khz() const;

    /// Throws std::invalid_argument that names the inequality and the value.
    void validate() const;
};

/// As files of settings name it: "uniform", "gaussian", "power-law" or "rkky".
std::string_view kernel_name(const Kernel& kernel);

/// The names of all kernels, in the order of Kernel's alternatives: uniform first.
const std::vector<std::string>& kernel_names();

/// The kernel called `name` in place of `kernel`: itself where it is that one, else with the same
/// xi where both have one, and defaults. Throws: std::invalid_argument for an unknown name.
Kernel other_kernel(const Kernel& kernel, std::string_view name);

/// f at the displacement (dx, dy, dz) [lattice units], angular factor included, before any
/// normalisation; 0 at the origin. For the uniform kernel: 1.
double kernel_value(const Interaction& interaction, double dx, double dy, double dz = 0.0);

/// f over the lattice as it acts (normalised where asked), shape (nx * ny * nz), indexed by
/// displacement with wrap-around: entry (x, y, z) is the coupling to the spin x sites on, y sites
/// across, z sites up, minimum image. It is even in each direction.
std::vector<double> kernel_table(const Interaction& interaction, const Lattice& lattice);

/// Sum of f over the lattice before normalisation.
double kernel_sum(const Interaction& interaction, const Lattice& lattice);

/// The xi at which |sum of f over the lattice| before normalisation is `sum`, to rounding.
///
/// Throws: std::invalid_argument for the uniform kernel, or where no xi from 0.1 to 1e6 does (that
/// of a gaussian stays below the number of sites).
double xi_of_kernel_sum(const Interaction& interaction, const Lattice& lattice, double sum);

}  // namespace nmrsim
