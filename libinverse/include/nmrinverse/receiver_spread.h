/// What a network is trained not to mind.
#pragma once

namespace nmrinverse {

/// What the receiver may do to a curve that the model must not mind; drawn anew each time a curve
/// is used.
struct ReceiverSpread {
    double phase_deg = 0.0;  ///< its phase is off by up to so much, either way [degrees], [0, 180]
    double gain = 0.0;       ///< the logarithm of its gain by up to so much, either way, in [0, 5]
};

}  // namespace nmrinverse
