/// An experiment from what the owner of an echo says of it.
#pragma once

#include <string>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// A Hahn echo in words.
struct EchoInWords {
    std::string tau;     ///< between the pulses: "80us", "0.08 ms"; a number alone is in us
    std::string line;    ///< "lorentzian:60kHz" or "gaussian:60kHz": its half width; alone in kHz
    std::string pulses;  ///< "45,90": both angles [degrees], along x and y; "45": the second twice
};

/// Uniform kernel, a line whose half width is w, cut at 10 w (a Gaussian at 4 w), a window from
/// 1.05 tau to 4 tau. Unknown are alpha_x in 0 to 5 w, alpha_z in 0 to 10 w, and the first pulse's
/// angle within a fifth, the second's ratio to it kept.
///
/// Throws: InputError, "tau: expected a time such as 80us, found \"80 parsec\"".
Experiment echo_from_words(const EchoInWords& words);

}  // namespace nmrsim
