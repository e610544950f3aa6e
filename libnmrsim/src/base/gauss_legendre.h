/// Gauss-Legendre quadrature on [-1, 1].
#pragma once

#include <vector>

namespace nmrsim {

struct GaussLegendre {
    std::vector<double> node;    ///< (n), ascending
    std::vector<double> weight;  ///< (n), sums to 2
};

/// n nodes and weights, to rounding, in a time that grows as n: each node is found from the one before
/// it (A. Glaser, X. Liu, V. Rokhlin, SIAM J. Sci. Comput. 29, 1420 (2007)).
GaussLegendre gauss_legendre(int n);

}  // namespace nmrsim
