/// Random pulses, delays and windows.
#pragma once

#include "chance.h"
#include "nmrsim/experiment.h"

namespace differential {

/// A Hahn echo or 1 to 8 pulses with delays of 0 to 100 us.
///
/// Args: finite: some pulses take time. small: flips of a few degrees, the first at least.
/// with_long_delay: one of the delays takes 5 to 10 ms.
nmrsim::Sequence random_sequence(Chance& chance, bool finite, bool small, bool with_long_delay);

/// A window from a pulse on, about an echo, up to the last event, over all or anywhere, of one
/// sample or up to 200.
nmrsim::Acquisition random_window(Chance& chance, const nmrsim::Sequence& sequence);

/// Now and then the same samples counted from a pulse or an echo, or some of them in windows of
/// their own.
void vary_windows(Chance& chance, const nmrsim::Sequence& sequence,
                  nmrsim::Acquisition& acquisition);

}  // namespace differential
