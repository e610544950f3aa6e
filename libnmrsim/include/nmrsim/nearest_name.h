/// What a name that is not known was meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace nmrsim {

/// The candidate with the least edit distance to `word`; empty where none is near.
std::string nearest_name(std::string_view word, std::span<const std::string> candidates);

/// "; did you mean xi?", or nothing where no other candidate is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace nmrsim
