/// Gauss-Legendre quadrature on [-1, 1].
#pragma once

#include <vector>

namespace nmrsim {

struct GaussLegendre {
    std::vector<double> node;    ///< (n), ascending
    std::vector<double> weight;  ///< (n), sums to 2
};

/// n nodes and weights by Newton's iteration on the Legendre polynomial, to rounding.
GaussLegendre gauss_legendre(int n);

}  // namespace nmrsim
