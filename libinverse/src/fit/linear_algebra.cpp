#include "fit/linear_algebra.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>

namespace nmrinverse {

using Eigen::MatrixXd;
using Eigen::VectorXd;

MatrixXd product(const MatrixXd& a, const MatrixXd& b) {
    return a * b;
}

MatrixXd transposed_product(const MatrixXd& a, const MatrixXd& b) {
    return a.transpose() * b;
}

MatrixXd product_transposed(const MatrixXd& a, const MatrixXd& b) {
    return a * b.transpose();
}

MatrixXd root_of(const MatrixXd& matrix) {
    return matrix.llt().matrixL();
}

MatrixXd divided_by(const MatrixXd& root, MatrixXd columns) {
    root.triangularView<Eigen::Lower>().solveInPlace(columns);
    return columns;
}

VectorXd solved(const MatrixXd& matrix, const VectorXd& vector) {
    return matrix.ldlt().solve(vector);
}

MatrixXd inverse_of(const MatrixXd& matrix) {
    return matrix.ldlt().solve(MatrixXd::Identity(matrix.rows(), matrix.cols()));
}

double log_determinant(const MatrixXd& matrix) {
    return matrix.ldlt().vectorD().array().max(1e-300).log().sum();
}

Modes modes_of(const MatrixXd& matrix) {
    const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(matrix);
    return {solver.eigenvalues(), solver.eigenvectors()};
}

MatrixXd with_values(const Modes& modes, const VectorXd& values) {
    return modes.vectors * values.asDiagonal() * modes.vectors.transpose();
}

MatrixXd inverse_root_of(const MatrixXd& matrix) {
    const Modes modes = modes_of(matrix);
    return with_values(modes, modes.values.cwiseSqrt().cwiseInverse());
}

VectorXd least_squares(const MatrixXd& design, const VectorXd& values) {
    return design.colPivHouseholderQr().solve(values);
}

MatrixXd pseudo_inverse(const MatrixXd& matrix) {
    return matrix.completeOrthogonalDecomposition().pseudoInverse();
}

}  // namespace nmrinverse
