/// Pulse sequences as text: "pulse 90 x; delay 100us; pulse 180 y 5us; acquire 0 300us 601".
///
/// Items are apart by ';' or new lines; times carry their unit (ns, us, ms, s), angles are degrees.
///
///     pulse FLIP PHASE [DURATION]     PHASE: x, y, -x, -y or degrees; ideal without a duration
///     delay TIME
///     repeat COUNT ( items )
///     acquire START STOP POINTS       both times included. They count from the start of the
///                                     sequence, or, as in pulse+2us or echo-40us, from the end or
///                                     the echo (echo_us()) of the last pulse before the item.
///                                     Several windows make one signal
///     let NAME = VALUE                a name for a time, an angle or a number: a row of the
///                                     parameter table, or, where its value has names, a formula
///     fid [FLIP]                      pulse x
///     hahn TAU [FLIP [RATIO [PHASE PHASE [DURATION DURATION]]]]
///                                     FLIP x, TAU, RATIO FLIP y; a HahnEcho where it stands alone
///     solid-echo TAU [FLIP]           FLIP x, TAU, FLIP y
///     cpmg TAU COUNT [FLIP]           FLIP x, then COUNT times 2 FLIP y at TAU, 3 TAU, 5 TAU, ...
///     stimulated-echo TAU T [FLIP]    FLIP x, TAU, FLIP x, T, FLIP x
///
/// FLIP is 90 and RATIO 2 where left out. In place of a time, angle or number may stand a formula
/// of names and numbers with + - * / and ( ), without blanks: 2*tau-1us.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

struct ParsedSequence {
    Sequence sequence;
    /// Of its `acquire`, if it has one alone, of numbers, that acquisition's own keys can say.
    std::optional<AcquisitionWindow> window;
    std::vector<AcquisitionWindow> windows;  ///< of its `acquire` items otherwise
};

/// Throws: InputError, "sequence item 2 \"delay 100\": expected a time with its unit (ns, us, ms or
/// s) as TIME, found 100".
ParsedSequence parse_sequence(std::string_view text);

/// Sets the sequence and, where the text has an `acquire`, the window. Throws: as above.
void set_sequence(Experiment& experiment, std::string_view text);

/// The same, and takes the unknowns and challenge columns out that mean nothing to the new
/// sequence.
void replace_sequence(Experiment& experiment, std::string_view text);

/// The sequence as text, flip angles as they act (pulse_scale multiplied in); parse_sequence()
/// gives the same back, bit by bit.
std::string sequence_to_text(const Sequence& sequence);

/// The same with its window.
std::string sequence_to_text(const Sequence& sequence, const Acquisition& acquisition);

}  // namespace nmrsim
