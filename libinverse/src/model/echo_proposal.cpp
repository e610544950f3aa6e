#include "nmrinverse/echo_proposal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nmrinverse {

EchoProposal echo_proposal(const Model& model) {
    return [model](std::span<const float> curves, std::span<const double> noise, std::size_t draws,
                   std::uint64_t seed, int threads) {
        std::vector<double> level(noise.begin(), noise.end());
        for (double& sigma : level) sigma = std::min(sigma, model.largest_noise());
        return model.posterior(curves, noise.size(), level, threads).sample(draws, seed);
    };
}

}  // namespace nmrinverse
