// fit() by a trained model.
#include <memory>

#include "nmrinverse/echo_proposal.h"
#include "nmrinverse/fit.h"
#include "nmrinverse/model.h"
#include "verdict/learnt_posteriors.h"

namespace nmrinverse {

FitResult fit(const Model& model, std::span<const InputCurves> inputs, const FitOptions& options) {
    LearntPosteriors learnt;
    learnt.largest_noise = model.largest_noise();
    learnt.proposal = echo_proposal(model);
    learnt.posterior = [&model](std::span<const float> curves, std::span<const double> noise,
                                int threads) {
        const Posterior posterior = model.posterior(curves, noise.size(), noise, threads);
        return CurvePosteriors{[posterior] { return posterior.summary(); },
                               [posterior](std::size_t draws, std::uint64_t seed) {
                                   return posterior.sample(draws, seed);
                               },
                               [posterior] { return posterior.distance(); }};
    };
    return fit_curves(model.experiment(), &learnt, inputs, options);
}

}  // namespace nmrinverse
