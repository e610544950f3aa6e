/// Products of powers of some unknowns.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <vector>

namespace nmrinverse {

class Monomials {
public:
    Monomials() = default;
    /// All of so many unknowns up to a degree.
    Monomials(std::size_t unknowns, int degree);

    Eigen::Index count() const { return static_cast<Eigen::Index>(exponents_.size()); }
    /// At positions (k, n): (n, count).
    Eigen::MatrixXd operator()(const Eigen::MatrixXd& z) const;

private:
    std::vector<std::vector<int>> exponents_;  ///< (count, k)
    int degree_ = 0;
};

}  // namespace nmrinverse
