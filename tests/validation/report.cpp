#include "report.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

namespace validation {

std::string scientific(double value) {
    if (value == 0.0) return "0";
    if (std::abs(value) >= 0.01 && std::abs(value) < 1000.0) return fmt::format("{:.2g}", value);
    std::string text = fmt::format("{:.1e}", value);
    // Exponents without leading zeros and plus signs.
    const std::size_t e = text.find('e');
    if (e == std::string::npos) return text;
    std::size_t digits = e + 2;
    while (digits + 1 < text.size() && text[digits] == '0') text.erase(digits, 1);
    if (text[e + 1] == '+') text.erase(e + 1, 1);
    return text;
}

void Report::section(const std::string& title, const std::string& text) {
    fmt::print("\n### {}\n\n{}\n", title, text);
}

void Report::text(const std::string& text) {
    fmt::print("\n{}\n", text);
}

void Report::table(const std::vector<std::string>& columns) {
    fmt::print("\n");
    row(columns);
    row(std::vector<std::string>(columns.size(), "---"));
}

void Report::row(const std::vector<std::string>& cells) {
    if (!cells.front().empty()) subject_ = cells.front();
    for (const std::string& cell : cells) fmt::print("| {} ", cell);
    fmt::print("|\n");
    std::fflush(stdout);
}

void Report::judged(std::vector<std::string> cells, const std::string& figure,
                    const std::string& tolerance, bool kept) {
    if (!cells.front().empty()) subject_ = cells.front();
    cells.push_back(kept ? figure : fmt::format("**{}: OUT**", figure));
    cells.push_back(tolerance);
    if (!kept) {
        ++failures_;
        std::string what = subject_;
        for (std::size_t i = 1; i < cells.size(); ++i) what += " | " + cells[i];
        fmt::print(stderr, "validation: out of tolerance: {}\n", what);
    }
    row(cells);
}

void Report::at_most(const std::vector<std::string>& cells, double figure, double tolerance) {
    judged(cells, scientific(figure), scientific(tolerance), figure <= tolerance);
}

void Report::between(const std::vector<std::string>& cells, double figure, double least,
                     double most) {
    judged(cells, fmt::format("{:.2f}", figure), fmt::format("{:g} to {:g}", least, most),
           figure >= least && figure <= most);
}

}  // namespace validation
