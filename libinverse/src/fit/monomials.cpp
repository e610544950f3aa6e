#include "fit/monomials.h"

namespace nmrinverse {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

void append_exponents(std::vector<int>& one, std::size_t k, int left,
                      std::vector<std::vector<int>>& all) {
    if (k == one.size()) {
        all.push_back(one);
        return;
    }
    for (int e = 0; e <= left; ++e) {
        one[k] = e;
        append_exponents(one, k + 1, left - e, all);
    }
    one[k] = 0;
}

}  // namespace

Monomials::Monomials(std::size_t unknowns, int degree) : degree_(degree) {
    std::vector<int> one(unknowns, 0);
    append_exponents(one, 0, degree, exponents_);
}

MatrixXd Monomials::operator()(const MatrixXd& z) const {
    // Powers of each unknown once; columns are products of them.
    std::vector<MatrixXd> powers;  // (n, k) of each exponent
    powers.push_back(MatrixXd::Ones(z.cols(), z.rows()));
    for (int e = 1; e <= degree_; ++e) {
        powers.push_back(powers.back().cwiseProduct(z.transpose()));
    }
    MatrixXd result = MatrixXd::Ones(z.cols(), count());
    for (std::size_t c = 0; c < exponents_.size(); ++c) {
        auto column = result.col(static_cast<Index>(c));
        for (std::size_t a = 0; a < exponents_[c].size(); ++a) {
            const int e = exponents_[c][a];
            if (e == 0) continue;
            column =
                column.cwiseProduct(powers[static_cast<std::size_t>(e)].col(static_cast<Index>(a)));
        }
    }
    return result;
}

}  // namespace nmrinverse
