/// Gauss's quadrature for a line itself.
#pragma once

#include <cstddef>
#include <vector>

#include "nmrsim/line.h"

namespace nmrsim {

/// Rules exact for f times the line's density, f a polynomial of as high a degree as so many nodes
/// can, in the offset stretched by line_quadrature()'s map: no node is spent on the density, be it
/// narrow, cut off or full of kinks. A rule takes some million operations.
///
/// Source: the polynomials by Stieltjes' procedure (W. Gautschi, Orthogonal Polynomials, 2004,
/// section 2.2), nodes by G. H. Golub, J. H. Welsch, Math. Comput. 23, 221 (1969).
class LineGauss {
public:
    /// Args: most: nodes that a rule may have, >= 1. stretch: as line_quadrature()'s, > 0.
    LineGauss(const Line& line, int most, double stretch);

    /// Args: nodes: 1 to the most. Weights are >= 0; length_hz stays empty.
    LineQuadrature rule(int nodes) const;

private:
    double middle_hz_, half_hz_, stretch_, total_;
    bool even_;
    // Of the Jacobi matrix, (most) and (most + 1); across_[0] is not used.
    std::vector<double> diagonal_, across_;
};

}  // namespace nmrsim
