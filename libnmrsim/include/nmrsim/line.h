/// The inhomogeneous line: how the spins' offsets are distributed.
#pragma once

#include <span>
#include <vector>

namespace nmrsim {

enum class LineShape { lorentzian, gaussian };

/// Distribution of the offsets delta, centred at the reference frequency and cut at +-cutoff.
struct Line {
    LineShape shape = LineShape::lorentzian;
    double half_width_khz = 25.0;  ///< half width at half height [kHz], > 0
    double cutoff_khz = 250.0;     ///< offsets lie in [-cutoff, +cutoff] [kHz], > 0
    /// Divide by the weight inside the cut, so that the weights sum to 1. The generator of the 2021
    /// challenge did not: its weights sum to 0.9366 and so does the field they make.
    bool renormalize = true;
    double larmor_mhz = 10.0;  ///< Larmor frequency of the reference frame [MHz], > 0

    /// Throws std::invalid_argument that names the inequality and the value.
    void validate() const;
};

/// Nodes and weights that integrate over the line. Both (nodes).
struct LineQuadrature {
    std::vector<double> offset_hz;  ///< ascending [Hz]
    std::vector<double> weight;     ///< sums to line_weight(line)
};

/// Density of offsets at `offset_hz`, normalised over the whole axis [1/Hz]; the cut is not
/// applied.
double line_density(const Line& line, double offset_hz);

/// Weight of the cut line: 1 if renormalised, otherwise the density's integral over the cut.
double line_weight(const Line& line);

/// Offset at which the cumulative distribution of the cut line equals `u` in (0, 1) [Hz].
double line_quantile(const Line& line, double u);

/// Gauss-Legendre nodes on the cut interval, stretched toward even spacing by the map of Kosloff
/// and Tal-Ezer, times the line's density.
///
/// Converges spectrally with the nodes; plain Gauss-Legendre spends pi/2 too many in the middle.
///
/// Args: nodes: how many, >= 1. stretch: 0 gives plain Gauss-Legendre, toward 1 even spacing.
/// Source: D. Kosloff, H. Tal-Ezer, J. Comput. Phys. 104, 457 (1993); N. Hale, L. N. Trefethen,
/// SIAM J. Numer. Anal. 46, 930 (2008).
LineQuadrature line_quadrature(const Line& line, int nodes, double stretch = 0.0);

/// Mean of exp(-2 pi i delta t) over the line, which is real since the line is even [1]; by a
/// quadrature of its own that is converged to rounding. Multiplies kSpinLength to give the free
/// induction decay of uncoupled spins.
double line_characteristic(const Line& line, double time_s);

/// The same at many times, (times), for the price of one quadrature.
std::vector<double> line_characteristic(const Line& line, std::span<const double> time_s);

}  // namespace nmrsim
