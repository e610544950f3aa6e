/// Names of a sequence's text, and the rows of the parameter table that they have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"

namespace nmrsim {

/// Gives the name a row, for as long as the program runs; one of another unit takes its place.
void add_row(const SequenceName& name);

/// The row of a name that a sequence has had; nullptr where none has.
const Parameter* find_row(std::string_view name);

/// The text of a sequence with names, their values as they are: "let tau = 50us; pulse 90 x; ...".
std::string text_with_names(const Sequence& sequence);

/// Whether the text of a sequence with names says when samples are taken.
bool says_windows(const Sequence& sequence);

/// 0 where the sequence has no such name.
double name_value(const Sequence& sequence, std::string_view name);

/// Gives a name another value, without a check of bounds; what it stands in keeps the old one until
/// follow_names(). Throws: std::invalid_argument for a name that the sequence has not.
void set_name(Sequence& sequence, std::string_view name, double value);

/// Makes events and windows what the names' values say.
void follow_names(Experiment& experiment);

/// In place of those it has; none: its own keys hold.
void set_windows(Acquisition& acquisition, std::vector<AcquisitionWindow> windows);

/// The sum within half a turn, where every row of the parameter table allows it; untouched where
/// nothing is added.
double added_phase(double phase_deg, double change_deg);

}  // namespace nmrsim
