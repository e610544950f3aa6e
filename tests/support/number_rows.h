/// Rows of numbers of a text file.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

/// Numbers apart by white space, one row a line; empty lines and those that start with # are left
/// out. Of a file that cannot be read: none.
inline std::vector<std::vector<double>> read_number_rows(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::vector<double>> rows;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::vector<double> row;
        const char* p = line.c_str();
        for (char* end = nullptr;; p = end) {
            const double value = std::strtod(p, &end);
            if (end == p) break;
            row.push_back(value);
        }
        rows.push_back(row);
    }
    return rows;
}
