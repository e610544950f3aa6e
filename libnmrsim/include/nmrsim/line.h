/// The inhomogeneous line: how the spins' offsets are distributed.
#pragma once

#include <complex>
#include <span>
#include <vector>

namespace nmrsim {

enum class LineShape { lorentzian, gaussian, voigt, table };

/// A point of a measured spectrum.
struct LinePoint {
    double offset_khz = 0.0;  ///< [kHz]
    double weight = 0.0;      ///< height in any unit, >= 0

    bool operator==(const LinePoint&) const = default;
};

/// Distribution of the offsets delta, cut at +-cutoff and then shifted by `centre_khz`.
struct Line {
    LineShape shape = LineShape::lorentzian;
    /// Half width at half height [kHz], > 0; of the Lorentzian part of a Voigt line. A table has
    /// none.
    double half_width_khz = 25.0;
    double gaussian_half_width_khz = 25.0;  ///< of a Voigt line's Gaussian part [kHz], > 0
    double cutoff_khz = 250.0;              ///< offsets lie in [-cutoff, +cutoff] [kHz], > 0
    double centre_khz = 0.0;                ///< shift of the whole line [kHz]
    /// Divide by the weight inside the cut, so that the weights sum to 1. The generator of the 2021
    /// challenge did not: its weights sum to 0.9366 and so does the field they make. A table has
    /// the weight 1 before the cut.
    bool renormalize = true;
    double larmor_mhz = 10.0;  ///< Larmor frequency of the reference frame [MHz], > 0
    /// Uniform kernel: so many spins with offsets drawn from the line (by lattice.seed) in place of
    /// the integral over it, for the scatter of a finite sample; 0: the integral.
    int spins = 0;
    /// A measured spectrum, offsets ascending, straight lines between the points, (>= 2); used by
    /// LineShape::table only.
    std::vector<LinePoint> table;

    /// Throws std::invalid_argument that names the inequality and the value.
    void validate() const;

    bool operator==(const Line&) const = default;
};

/// Nodes and weights that integrate over the line, (nodes).
struct LineQuadrature {
    std::vector<double> offset_hz;  ///< ascending [Hz], from the line's centre
    std::vector<double> weight;     ///< sums to line_weight(line)
    /// What each node stands for of the axis [Hz], for line_weights(); none for a table.
    std::vector<double> length_hz;
};

/// Density of offsets at `offset_hz` from the line's centre, normalised over the whole axis [1/Hz];
/// the cut is not applied.
///
/// A Voigt line by libcerf (w of a complex argument, 1e-13).
double line_density(const Line& line, double offset_hz);

/// Half width at half height of the uncut line [kHz]: of a Voigt line to 1e-3 (J. J. Olivero, R. L.
/// Longbothum, J. Quant. Spectrosc. Radiat. Transfer 17, 233 (1977)); of a table half the distance
/// of its quartiles, which for a Lorentzian is the same.
///
/// Throws: std::invalid_argument for a table that is not valid.
double line_half_width_khz(const Line& line);

/// Weight of the cut line: 1 if renormalised, otherwise the density's integral over the cut.
double line_weight(const Line& line);

/// Offsets from the centre at which the cumulative distribution of the cut line equals each `u` in
/// (0, 1) [Hz].
std::vector<double> line_quantiles(const Line& line, std::span<const double> u);

/// The same for one.
double line_quantile(const Line& line, double u);

/// Gauss-Legendre nodes on the cut interval, stretched toward even spacing by the map of Kosloff
/// and Tal-Ezer, times the line's density.
///
/// Converges spectrally with the nodes; plain Gauss-Legendre spends pi/2 too many in the middle. A
/// table's density has kinks, on which that would fail: its weights integrate the density times the
/// polynomial through the nodes, so that they converge as fast (they may be negative).
///
/// Args: nodes: how many, >= 1. stretch: 0 gives plain Gauss-Legendre, toward 1 even spacing.
/// Source: D. Kosloff, H. Tal-Ezer, J. Comput. Phys. 104, 457 (1993); N. Hale, L. N. Trefethen,
/// SIAM J. Numer. Anal. 46, 930 (2008).
LineQuadrature line_quadrature(const Line& line, int nodes, double stretch = 0.0);

/// The same by panels, even in asinh(offset / width), each cut into so many pieces of
/// kPanelNodes Gauss-Legendre nodes; those of a table lie between its points. As many nodes
/// whatever the width is beside the cut, and linear in the longest phase.
///
/// Args: pieces: (panels), of each panel, >= 1; of a table, as many as panel_pieces() gives.
LineQuadrature line_quadrature(const Line& line, std::span<const int> pieces);

inline constexpr int kPanelNodes = 32;

/// Pieces so short that none turns by more than `phase` [rad] up to the time longest_s.
std::vector<int> panel_pieces(const Line& line, int panels, double longest_s, double phase);

/// The stretch that suits so many nodes at a tolerance: the map's branch points lie where the error
/// does not see them (Hale and Trefethen 2008, section 3).
double line_stretch(int nodes, double tolerance);

/// Weights of another line with the same cut on a rule's nodes: its density times their lengths.
///
/// Args: line: no table. offset_hz, length_hz: (nodes). Returns: (nodes).
std::vector<double> line_weights(const Line& line, std::span<const double> offset_hz,
                                 std::span<const double> length_hz);

/// Real part of the mean of exp(-2 pi i delta t) over the line about its centre [1] (all of it for
/// an even line); by a quadrature of its own that is converged to rounding. Multiplies kSpinLength
/// to give the free induction decay of uncoupled spins.
double line_characteristic(const Line& line, double time_s);

/// The same at many times, (times), for the price of one quadrature.
std::vector<double> line_characteristic(const Line& line, std::span<const double> time_s);

/// All of it, (times): of a table the imaginary part, too, which is 0 for the other lines.
std::vector<std::complex<double>> line_phasor(const Line& line, std::span<const double> time_s);

}  // namespace nmrsim
