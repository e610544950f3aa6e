/// Self-contained HTML reports with pictures.
#pragma once

#include <optional>
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
    enum class Style {
        line,
        points,
        bars,   ///< of equal width, side by side
        band,   ///< filled from y to `upper`
        cloud,  ///< points that show how many lie on one another
        cross   ///< points to be found among others
    } style = Style::line;
    bool thin = false;
    std::vector<double> upper = {};  ///< of a band
    int color = -1;                  ///< place in the list of colors; -1: that of the series
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
    std::optional<std::pair<double, double>> x_range = {};  ///< what the points need, where empty
    std::optional<std::pair<double, double>> y_range = {};
    bool x_numbers = true;  ///< numbers along the axis
    bool y_numbers = true;
};

/// Figures in rows and columns, their axes lined up.
struct FigureGrid {
    std::size_t columns = 1;
    std::vector<std::optional<Figure>> panels;  ///< row by row; their sizes are not used
    std::vector<double> row_shares = {};        ///< of the height; alike where empty
    std::string title = {};
    int width = 720;   ///< [px]
    int height = 480;  ///< [px]
};

/// The figure as SVG text. Throws: std::runtime_error where gnuplot cannot be run.
std::string figure_svg(const Figure& figure);
std::string figure_svg(const FigureGrid& grid);

/// Throws: std::invalid_argument unless a picture's name ends in .svg or .png.
void check_picture_name(const std::string& path);

/// The figure as the file called `path` should hold it: SVG text, or PNG of twice the pixels.
///
/// Throws: std::invalid_argument for another ending; std::runtime_error where gnuplot cannot be
/// run.
std::string figure_picture(const Figure& figure, const std::string& path);
std::string figure_picture(const FigureGrid& grid, const std::string& path);

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
    void figures(const std::vector<FigureGrid>& grids);
    std::string html() const;  ///< self-contained: style and SVG inside
    /// All figures so far, each with a name for its file: "03-errors-alpha-x-khz".
    const std::vector<std::pair<std::string, std::string>>& pictures() const { return pictures_; }

private:
    void add_svg(const std::string& title, std::string svg);
    void begin_figures(bool wide);

    std::vector<std::pair<std::string, std::string>> pictures_;
    std::string title_;
    std::string body_;
    std::string heading_;  ///< the last one
};

}  // namespace nmrinverse
