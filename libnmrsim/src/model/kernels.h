/// The table of kernels: what settings, unknowns and warnings know of each.
#pragma once

#include <span>
#include <variant>

#include "nmrsim/coupling.h"

namespace nmrsim {

struct KernelRow {
    const char* name;  ///< in files of settings
    Kernel standard;   ///< with its defaults
    bool has_range;    ///< whether its xi is how far it reaches, not the unit of its lengths
};

/// All kernels, in the order of Kernel's alternatives.
std::span<const KernelRow> kernel_rows();

/// The row of a kernel.
const KernelRow& row_of(const Kernel& kernel);

/// Choices of an unknown kernel as they are written, for messages.
extern const char* const kExampleOfChoices;

/// The kernel's own parameter; nullptr where it has none.
double* xi_of(Kernel& kernel);
double* exponent_of(Kernel& kernel);

/// How f is scaled: as its formula says, or so that dividing by its sum is safe where xi is so
/// small that the formula underflows at every r > 0.
enum class Scale { plain, for_normalising };

/// f(r) without its angular factor; r > 0 [lattice units].
double radial(const Kernel& kernel, double r, Scale scale);

/// Throws std::invalid_argument that names the inequality and the value.
void validate_kernel(const Kernel& kernel);

}  // namespace nmrsim
