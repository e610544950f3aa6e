/// A trained model as what proposes couplings of an echo that is looked for.
#pragma once

#include "nmrinverse/measured_echo.h"
#include "nmrinverse/model.h"

namespace nmrinverse {

/// Draws of the model's posterior; noise above largest_noise() counts as that.
EchoProposal echo_proposal(const Model& model);

}  // namespace nmrinverse
