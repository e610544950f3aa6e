/// Self-contained HTML reports with pictures.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "nmrsim/signal.h"

namespace nmrinverse {

/// One series of a figure.
struct Series {
    std::string label;
    std::vector<double> x;
    std::vector<double> y;
    std::vector<double> error;  ///< half lengths of error bars; empty for none
    enum class Style { line, points } style = Style::line;
    bool thin = false;
};

/// A figure with its axes; drawn as SVG by gnuplot.
struct Figure {
    std::string title;
    std::string x_label;
    std::string y_label;
    std::vector<Series> series;
    bool equal_axes = false;  ///< same range on both, with the diagonal drawn
    int width = 560;          ///< [px]
    int height = 360;         ///< [px]
};

/// The figure as SVG text. Throws: std::runtime_error where gnuplot cannot be run.
std::string figure_svg(const Figure& figure);

/// A table: header and rows of text.
struct Table {
    std::vector<std::string> header;
    std::vector<std::vector<std::string>> rows;
    std::string caption;
};

/// A page built from top to bottom.
class Page {
public:
    explicit Page(std::string title);
    void heading(const std::string& text);
    void paragraph(const std::string& text);
    void table(const Table& table);
    void figures(const std::vector<Figure>& figures);  ///< side by side where there is room
    std::string html() const;                          ///< self-contained: style and SVG inside

private:
    std::string title_;
    std::string body_;
};

}  // namespace nmrinverse
