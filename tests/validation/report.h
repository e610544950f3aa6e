/// Markdown tables of figures, each with what it may be at most.
#pragma once

#include <string>
#include <vector>

namespace validation {

/// Whether any figure of this run was out of its tolerance, and which.
class Report {
public:
    /// Starts a section: a heading, then `text`.
    void section(const std::string& title, const std::string& text);

    /// Starts a table. The last two columns of a row are its figure and its tolerance.
    void table(const std::vector<std::string>& columns);

    /// A row of a figure that must be <= `tolerance`; not a number fails.
    void at_most(const std::vector<std::string>& cells, double figure, double tolerance);

    /// A row of a figure, "16.2", that must lie in [least, most].
    void between(const std::vector<std::string>& cells, double figure, double least, double most);

    /// A paragraph.
    void text(const std::string& text);

    /// A row without a figure of its own.
    void row(const std::vector<std::string>& cells);

    int failures() const { return failures_; }

private:
    void judged(std::vector<std::string> cells, const std::string& figure,
                const std::string& tolerance, bool kept);

    int failures_ = 0;
    std::string subject_;  ///< first cell of the last row that has one: rows below may leave it out
};

/// "1.2e-5"; "0.12" where that is as short.
std::string scientific(double value);

}  // namespace validation
