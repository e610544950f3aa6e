/// Which alpha_z an echo cannot tell apart but by a turn: a symmetry of the Hahn echo.
///
/// Uniform kernel, alpha_x = alpha_y, ideal pulses, no relaxation along z: between pulses Mz is constant,
/// and alpha_z does nothing but turn all spins about z at 2 pi alpha_z Mz. An alpha_z that is
/// larger by 1 / (tau Mz) turns them once more before the second pulse, which meets the same state;
/// after it M+ turns faster by a rate that is known. See docs/theory.md.
#pragma once

#include <cstdint>
#include <vector>

#include "nmrsim/dataset.h"
#include "nmrsim/experiment.h"

namespace nmrsim {

/// From one alpha_z to the next.
struct AlphaZAlias {
    double period_khz = 0.0;       ///< between aliases [kHz], > 0; infinite where Mz vanishes
    double turn_rad_per_us = 0.0;  ///< by which M+ turns more for one period [rad/us], from tau on
};

/// Whether the symmetry holds for all curves of the experiment as its window shows them: all that
/// is said above, alpha_z among the unknowns, no phase cycle, and a window that opens after the
/// second pulse.
bool has_alpha_z_aliases(const Experiment& experiment);

/// At the experiment's own parameters; Mz comes from a simulation past the second pulse, at this
/// tolerance: by default one at which a turn of a hundred periods is still right to a few
/// thousandths. Throws: std::invalid_argument where the symmetry does not hold.
AlphaZAlias alpha_z_alias(const Experiment& experiment, double tolerance = 1e-6);

/// The data set with, after each curve, its aliases within the prior: about 1 / (tau Mz) apart, 8
/// a curve on average in challenge-2021. Nothing is simulated but Mz.
///
/// Args: dataset: of an experiment with the symmetry, its parameters known. Noise is copied too.
/// begins: receives where the aliases of each curve begin in the result, and after them its count.
/// Throws: std::invalid_argument where the symmetry does not hold or parameters are missing.
Dataset with_alpha_z_aliases(const Dataset& dataset, int threads = 0,
                             std::vector<std::int64_t>* begins = nullptr);

}  // namespace nmrsim
