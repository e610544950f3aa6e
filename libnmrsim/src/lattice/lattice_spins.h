/// The lattice's spins and how they step, in one precision.
#pragma once

#include <array>
#include <optional>

#include "base/aligned_array.h"
#include "lattice/lattice_field.h"
#include "lattice/lattice_grid.h"
#include "lattice/lattice_steps.h"
#include "nmrsim/experiment.h"

namespace nmrsim {

/// Spins, offsets and past fields; kept from curve to curve, so that nothing is allocated while
/// curves are alike.
///
/// A kernel that is smooth enough for single precision goes by way of a coarse grid, all others by
/// the fields of all sites.
template <class Real>
class LatticeSpins {
public:
    /// All spins up, offsets drawn.
    void prepare(const Experiment& experiment);

    /// A pulse, after which the past counts no more.
    void pulse(const Pulse& pulse);

    /// One step from `time` [us]: the field now, the polynomial through it and the past ones, the
    /// turn.
    void advance(double time, double length);

    /// Magnetization a spin; those that the line's cut leaves out count as none, unless
    /// line.renormalize.
    std::array<double, 3> mean() const {
        return {share_ * mean_[0], share_ * mean_[1], share_ * mean_[2]};
    }
    double kernel_norm() const { return norm_; }  ///< sum of |f|: |w| <= kernel_norm() / 2
    bool on_grid() const { return on_grid_; }

private:
    /// Couplings and rates of one experiment in the units of the step.
    struct Dynamics {
        double plane = 0.0;         ///< 2 pi alpha in the plane [rad/us per unit of w]
        double z = 0.0;             ///< 2 pi alpha_z [rad/us]
        double self = 0.0;          ///< field along z of the spin's own mz, on the grid [rad/us]
        double transverse = 0.0;    ///< 1/T2 [1/us]
        double longitudinal = 0.0;  ///< 1/T1 [1/us]
        double equilibrium = 0.0;   ///< mz
        double fastest = 0.0;       ///< largest |B| that can be [rad/us]
    };
    /// Whether the kernel goes by way of a grid, which is then ready.
    bool prepare_grid(const KernelResponse& kernel, double cutoff);
    void resize();
    void set_turns(StepTurns<Real>& turns, double length) const;
    void advance_sites(const PartWeights& weights, int slot, double length);
    void advance_on_grid(const PartWeights& weights, int slot, double length);
    void set_self(double length);
    void gather();
    void step_grid();
    void clear_padding(StepTurns<Real>& turns);

    Lattice lattice_;
    Dynamics dynamics_;
    int parts_ = 1;
    double share_ = 1.0;  ///< of the line within its cut; 1 where renormalised
    double norm_ = 0.0;
    bool on_grid_ = false;
    std::size_t columns_ = 0;          ///< of a row of sites; padded on the grid
    AlignedArray<Real> mx_, my_, mz_;  ///< (nx, columns), padded
    AlignedArray<Real> offset_;        ///< the same [rad/us]
    std::array<double, 3> mean_ = {};
    std::array<double, kOrder> field_time_ = {};  ///< [us]
    int steps_ = 0;                               ///< since the last pulse

    LatticeField<Real> field_;
    std::array<AlignedArray<Real>, kOrder> wx_, wy_, wz_;  ///< past fields, (nx, ny) padded
    LatticeGrid grid_;
    std::array<AlignedArray<float>, kPastZ> past_z_;  ///< as mz, of the last steps
    GridStep grid_step_;
    bool gathered_ = false;  ///< whether the grid holds what the spins are now
};

}  // namespace nmrsim
