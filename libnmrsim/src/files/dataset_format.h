/// What writing and reading data sets must agree on.
#pragma once

namespace nmrsim {

constexpr int kFormatVersion = 2;
/// What a set without categorical unknowns is written as, so that older programs read it.
constexpr int kFormatWithoutChoices = 1;
/// Between the choices of one unknown, in one text.
constexpr char kChoiceSeparator = ',';

}  // namespace nmrsim
