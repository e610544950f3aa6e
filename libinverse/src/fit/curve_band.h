/// How fast a curve can turn.
#pragma once

#include "nmrsim/experiment.h"

namespace nmrinverse {

/// The largest frequency that spins can turn at: the line's cut, where its middle lies, and the
/// largest field of the coupling anywhere in the prior [kHz]. A pulse makes a curve jump, which has
/// no band, but tells nothing that the smooth parts do not.
double largest_frequency_khz(const nmrsim::Experiment& experiment);

}  // namespace nmrinverse
