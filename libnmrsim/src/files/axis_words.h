/// What is said of a measured curve's axis, piece by piece.
#pragma once

#include <string>

namespace nmrsim {

inline void add_words(const std::string& more, std::string& axis) {
    axis += (axis.empty() ? "" : "; ") + more;
}

}  // namespace nmrsim
