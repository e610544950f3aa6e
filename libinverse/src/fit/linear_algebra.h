/// Products, roots and inverses of small dense matrices, compiled once: of Eigen's templates these
/// take the longest.
#pragma once

#include <Eigen/Core>

namespace nmrinverse {

Eigen::MatrixXd product(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b);
Eigen::MatrixXd transposed_product(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b);  ///< a^T b
Eigen::MatrixXd product_transposed(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b);  ///< a b^T

/// The lower triangular L with L L^T = matrix, which is symmetric and positive definite.
Eigen::MatrixXd root_of(const Eigen::MatrixXd& matrix);

/// L^-1 columns. Args: root: L. columns: (k, n).
Eigen::MatrixXd divided_by(const Eigen::MatrixXd& root, Eigen::MatrixXd columns);

/// matrix^-1 vector of a symmetric matrix.
Eigen::VectorXd solved(const Eigen::MatrixXd& matrix, const Eigen::VectorXd& vector);

/// Of a symmetric matrix.
Eigen::MatrixXd inverse_of(const Eigen::MatrixXd& matrix);

/// Logarithm of a symmetric matrix's determinant, whose pivots count as 1e-300 at least.
double log_determinant(const Eigen::MatrixXd& matrix);

/// Eigenvalues of a symmetric matrix, rising, and its eigenvectors in columns.
struct Modes {
    Eigen::VectorXd values;
    Eigen::MatrixXd vectors;
};
Modes modes_of(const Eigen::MatrixXd& matrix);

/// The symmetric matrix with these modes and `values` in place of theirs.
Eigen::MatrixXd with_values(const Modes& modes, const Eigen::VectorXd& values);

/// The symmetric R with R R = matrix^-1.
Eigen::MatrixXd inverse_root_of(const Eigen::MatrixXd& matrix);

/// The x of least |design x - values|.
Eigen::VectorXd least_squares(const Eigen::MatrixXd& design, const Eigen::VectorXd& values);

/// Of any matrix, by a complete orthogonal decomposition.
Eigen::MatrixXd pseudo_inverse(const Eigen::MatrixXd& matrix);

}  // namespace nmrinverse
