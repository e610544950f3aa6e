/// A column of a table that is stored row by row.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace nmrinverse {

/// Column `which` of (rows, columns).
inline std::vector<double> column(std::span<const double> table, std::size_t columns,
                                  std::size_t which) {
    std::vector<double> values;
    for (std::size_t i = which; i < table.size(); i += columns) values.push_back(table[i]);
    return values;
}

}  // namespace nmrinverse
