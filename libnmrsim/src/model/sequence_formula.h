/// Numbers of a sequence's text: "50us", "2*tau-1us".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nmrsim {

/// A number with its unit.
struct Quantity {
    double value = 0.0;  ///< times in us
    int time = 0;        ///< its power of time: 1 of a time, 0 of an angle or a number
    bool degrees = false;
    bool named = false;  ///< whether a name is in it
};

struct NamedQuantity {
    std::string name;
    Quantity quantity;
};

/// What a word of a sequence's text is worth.
struct FormulaValue {
    std::optional<Quantity> quantity;  ///< none where it is no formula
    std::string_view unknown;          ///< the name that made it none, if one did
};

/// Numbers with a unit or without, names, + - * / and ( ), no blanks.
FormulaValue formula_value(std::string_view text, const std::vector<NamedQuantity>& names);

/// Whether this is a name: a letter, then letters, digits and _.
bool is_name(std::string_view text);

}  // namespace nmrsim
