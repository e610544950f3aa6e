// Whatever kernels were chosen, they multiply.
#include "network/blas_kernels.h"

#include "network/torch.h"

#include <tuple>

#include "catch_compat.h"

TEST_CASE("Matrices are multiplied right before and after the kernels are chosen", "[blas]") {
    torch::manual_seed(1);
    for (int round = 0; round < 2; ++round) {
        for (const auto& [m, k, n] : {std::tuple{3, 5, 7}, std::tuple{130, 257, 65}}) {
            const torch::Tensor a = torch::randn({m, k});
            const torch::Tensor b = torch::randn({k, n});
            const torch::Tensor exact =
                (a.to(torch::kFloat64).unsqueeze(2) * b.to(torch::kFloat64).unsqueeze(0)).sum(1);
            // Each of k additions rounds a partial sum of at most about 5 sqrt(k) by 2^-24 of it:
            // 257 * 5 * 16 * 6e-8 = 1.2e-3 at worst, against sums of order 16.
            CHECK((a.matmul(b) - exact).abs().max().item<double>() < 1.3e-3);
        }
        nmrinverse::choose_blas_kernels();
        nmrinverse::choose_blas_kernels();
    }
}
