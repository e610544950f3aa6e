/// Fields of smooth kernels by way of a coarse grid, single precision.
///
/// A smooth kernel's field has no short waves, so that it can be had from few points: the spins are
/// gathered onto a coarse grid with a window of four or six points a side, the grid's field is that
/// of a small lattice, and it is interpolated back with the same window. What this leaves out or
/// adds is known exactly from the windows' and the kernel's spectra, and the grid's spectrum is the
/// one that makes it least. The cost of a site does not depend on the lattice's size.
///
/// Sources: R. W. Hockney, J. W. Eastwood, Computer Simulation Using Particles (1988), chapter 8,
/// for the grid and its best spectrum; J. F. Kaiser's window.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/aligned_array.h"
#include "lattice/lattice_field.h"
#include "lattice/lattice_grid_kernel.h"
#include "lattice/lattice_steps.h"

namespace nmrsim {

/// A coarse grid and its windows.
struct GridPlan {
    Lattice grid;       ///< points along x and y
    int taps = 0;       ///< of the windows, kFewTaps or kMostTaps
    int spacing_x = 0;  ///< lattice sites a grid point
    int spacing_y = 0;
    std::vector<double> window_x;  ///< (spacing_x, taps)
    std::vector<double> window_y;  ///< (spacing_y, taps)
    std::vector<double> spectrum;  ///< the grid's own kernel, real and even, (grid.nx, grid.ny)
    double error = 0.0;            ///< of the field, as the cutoff below
};

/// The coarsest grid whose field of the kernel with `spectrum` less its constant `rest` errs by no
/// more than `cutoff`, root mean square over sites of independent spins and as a part of the field
/// of aligned ones; none where there is none. `limits`: the modes that count, see mode_limits(); a
/// grid has room for all of them.
std::optional<GridPlan> plan_grid(const std::vector<double>& spectrum, const Lattice& lattice,
                                  double rest, double cutoff, const ModeLimits& limits);

/// Of each part of a step, the weights of past fields in the mean and in the moment.
using PartWeights = std::array<std::array<std::array<double, kOrder>, 2>, 2>;

/// The field on the grid, its past, and what GridStep reads and writes.
class LatticeGrid {
public:
    /// `columns` of a row of sites, padded; `parts` of a step, 1 or 2.
    void prepare(const GridPlan& plan, long columns, int components, int parts, double cutoff);

    /// Where the site y of the lattice is in a row.
    std::size_t column(std::size_t y) const {
        const std::size_t spacing = static_cast<std::size_t>(spacing_y_);
        return y % spacing * static_cast<std::size_t>(grid_.ny) + y / spacing;
    }

    /// The field of the spins gathered last takes the place of the past one in `slot`.
    void evaluate(int slot);

    /// Sets the fields of a step: the sums over past fields p of weight[part][mean, moment][p], the
    /// third component's weights apart.
    void interpolate(const PartWeights& plane, const PartWeights& z);

    const float* field() const { return field_.data(); }
    float* gathered() { return gathered_.data(); }
    const float* window() const { return window_x_.data(); }
    const Lattice& lattice() const { return grid_; }

private:
    const LatticeKernel<float>* kernel_ = nullptr;
    const LatticeGridKernel* grid_kernel_ = nullptr;
    Lattice grid_;
    int taps_ = 0;
    int spacing_y_ = 0;
    int components_ = 2;
    int parts_ = 1;
    long columns_ = 0;
    std::size_t width_ = 0;  ///< of rows of grid fields, continued periodically
    LatticeField<float> inner_;
    AlignedArray<float> window_x_, window_y_;
    AlignedArray<float> gathered_;              ///< GridStep::gathered
    AlignedArray<float> scratch_;               ///< a row's, see LatticeGridKernel::gather
    std::array<AlignedArray<float>, 3> m_, w_;  ///< (grid sites, padded), spins and field
    std::array<AlignedArray<float>, 3> past_;   ///< fields, (kOrder, grid.nx, width_)
    std::array<AlignedArray<float>, 3> sums_;   ///< of these, (2 parts, grid.nx, width_)
    AlignedArray<float> field_;                 ///< GridStep::field
};

}  // namespace nmrsim
