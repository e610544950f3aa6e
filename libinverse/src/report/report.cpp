#include "nmrinverse/report.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string_view>

extern char** environ;

namespace nmrinverse {
namespace {

// Dark enough on white to be read alone, and apart from one another for colour-blind readers
// (M. Okabe, K. Ito, "Color Universal Design", 2008).
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73",
                                   "#cc79a7", "#e69f00", "#56b4e9"};

/// Room around the panels of a grid for numbers and labels, and between them [px].
constexpr double kGridLeft = 84.0, kGridRight = 18.0, kGridBottom = 56.0;
constexpr double kGridTop = 14.0, kGridTitle = 40.0, kGridGap = 14.0;

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// An unnamed file that vanishes when closed, where TMPDIR says.
File temporary_file() {
    std::error_code no_folder;
    const std::filesystem::path folder = std::filesystem::temp_directory_path(no_folder);
    std::string name = ((no_folder ? "/tmp" : folder) / "nmrsim-XXXXXX").string();
    const int descriptor = ::mkstemp(name.data());
    if (descriptor < 0) {
        throw std::runtime_error(fmt::format("temporary file {}: {} (TMPDIR names another folder)",
                                             name, std::strerror(errno)));
    }
    ::unlink(name.c_str());
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    File file(::fdopen(descriptor, "w+b"));
    if (!file) {
        ::close(descriptor);
        throw std::runtime_error("temporary file: " + std::string(std::strerror(errno)));
    }
    return file;
}

std::string whole_text(std::FILE* file) {
    std::rewind(file);
    std::string text;
    char buffer[65536];
    while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
    return text;
}

/// What a whole picture has near its end.
constexpr std::string_view kSvgEnd = "</svg>";
constexpr std::string_view kPngEnd = "IEND";

/// Runs gnuplot on a script and returns what it draws on standard output.
std::string run_gnuplot(const std::string& script, std::string_view end = kSvgEnd) {
    const File input = temporary_file();
    const File output = temporary_file();
    const File errors = temporary_file();
    if (std::fwrite(script.data(), 1, script.size(), input.get()) != script.size() ||
        std::fflush(input.get()) != 0) {
        throw std::runtime_error("temporary file: cannot write");
    }
    std::rewind(input.get());

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(input.get()), 0);
    posix_spawn_file_actions_adddup2(&actions, fileno(output.get()), 1);
    posix_spawn_file_actions_adddup2(&actions, fileno(errors.get()), 2);
    // "-" reads the script from standard input; a user's own start-up file stays out of it.
    char program[] = "gnuplot";
    char no_settings[] = "--default-settings";
    char from_input[] = "-";
    char* const arguments[] = {program, no_settings, from_input, nullptr};
    pid_t child = 0;
    const int failed = posix_spawnp(&child, program, &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) {
        throw std::runtime_error(fmt::format(
            "gnuplot: {}; pictures need it (Debian package gnuplot-nox)", std::strerror(failed)));
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    std::string picture = whole_text(output.get());
    if (status != 0 || picture.find(end) == std::string::npos) {
        const std::string message = whole_text(errors.get());
        const std::size_t begin = std::min(message.find_first_not_of("\n "), message.size());
        throw std::runtime_error("gnuplot: " +
                                 (message.empty()
                                      ? "no picture came back"
                                      : message.substr(begin, message.find('\n', begin) - begin)));
    }
    return picture;
}

/// A gnuplot string in single quotes, in which only the quote itself is special.
std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\n') {
            result += ' ';
        } else {
            result += c;
            if (c == '\'') result += c;
        }
    }
    return result + "'";
}

std::string number(double value) {
    return std::isfinite(value) ? fmt::format("{:.6g}", value) : "NaN";
}

std::string data_block(std::size_t index, const Series& series) {
    const bool band = series.style == Series::Style::band;
    if (series.x.size() != series.y.size() ||
        (!series.error.empty() && series.error.size() != series.x.size()) ||
        (band && series.upper.size() != series.x.size())) {
        throw std::invalid_argument("series " + series.label + ": x, y, error differ in size");
    }
    std::string text = fmt::format("$data{} << END\n", index);
    for (std::size_t i = 0; i < series.x.size(); ++i) {
        text += number(series.x[i]) + ' ' + number(series.y[i]);
        if (band) {
            text += ' ' + number(series.upper[i]);
        } else if (!series.error.empty()) {
            text += ' ' + number(series.error[i]);
        }
        text += '\n';
    }
    text += "END\n";
    return text;
}

/// How gnuplot draws a series: data block `index`, color `place` of the list.
std::string plot_clause(std::size_t index, std::size_t place, const Series& series) {
    if (series.color >= 0) place = static_cast<std::size_t>(series.color);
    const std::string color = kColors[place % std::size(kColors)];
    const std::string title = series.label.empty() ? "notitle" : "title " + quoted(series.label);
    switch (series.style) {
        case Series::Style::line:
            // Thin lines lie over others: dashed, so that what is below shows.
            return fmt::format("$data{} using 1:2 with lines {} lc rgb '{}' {}", index,
                               series.thin ? "lw 1.2 dt (8,5)" : "lw 1.6", color, title);
        case Series::Style::bars:
            return fmt::format("$data{} using 1:2 with boxes fs solid 0.6 noborder lc rgb '{}' {}",
                               index, color, title);
        case Series::Style::band:
            return fmt::format(
                "$data{} using 1:2:3 with filledcurves fs transparent solid 0.2 noborder lc rgb "
                "'{}' {}",
                index, color, title);
        case Series::Style::cloud:
            // The first two digits of '#90...' are transparency.
            return fmt::format("$data{} using 1:2 with points pt 7 ps 0.3 lc rgb '#90{}' {}", index,
                               color.substr(1), title);
        case Series::Style::cross:
            return fmt::format("$data{} using 1:2 with points pt 2 ps 1.5 lw 3.5 lc rgb '{}' {}",
                               index, color, title);
        case Series::Style::points:
            break;
    }
    if (!series.error.empty()) {
        // Lines and points apart: gnuplot's own error bars have white circles about the points.
        return fmt::format(
            "$data{0} using 1:($2-$3):(0):(2*$3) with vectors nohead lw 1 lc rgb '{1}' notitle, "
            "$data{0} using 1:2 with points pt 7 ps {2} lc rgb '{1}' {3}",
            index, color, series.thin ? 0.3 : 0.6, title);
    }
    return fmt::format("$data{} using 1:2 with points pt 7 ps {} lc rgb '{}' {}", index,
                       series.thin ? 0.2 : 0.5, color, title);
}

/// The range that holds every finite x and y of the figure.
std::pair<double, double> common_range(const Figure& figure) {
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (const Series& series : figure.series) {
        for (const auto* values : {&series.x, &series.y}) {
            for (const double value : *values) {
                if (!std::isfinite(value)) continue;
                low = std::min(low, value);
                high = std::max(high, value);
            }
        }
    }
    if (!(low < high)) return {low - 1.0, low + 1.0};
    const double margin = 0.03 * (high - low);
    return {low - margin, high + margin};
}

bool has_points(const Series& series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (std::isfinite(series.x[i]) && std::isfinite(series.y[i])) return true;
    }
    return false;
}

/// Pixels of a PNG for one of the SVG.
constexpr int kPngScale = 2;

enum class Format { svg, png };

std::string terminal(int width, int height, int font, Format format = Format::svg) {
    const std::string device =
        format == Format::svg
            ? fmt::format("svg size {},{} noenhanced font 'Helvetica,{}'", width, height, font)
            : fmt::format("pngcairo size {},{} noenhanced font 'Helvetica,{}' fontscale {} lw {}",
                          kPngScale * width, kPngScale * height, font * 3 / 4, kPngScale,
                          kPngScale);
    return fmt::format(
        "set terminal {} background rgb 'white'\nset encoding utf8\n"
        "set border 3 lc rgb '#5b6875'\nset tics nomirror scale 0.5 textcolor rgb '#1c2733'\n"
        "set grid lc rgb '#dfe5ea' lw 0.6\nset boxwidth 1 relative\n",
        device);
}

/// A round step that cuts `length` into three to six: small panels have no room for more.
double tic_step(double length) {
    if (!(length > 0.0) || !std::isfinite(length)) return 1.0;
    const double power = std::pow(10.0, std::floor(std::log10(length)));
    for (const double factor : {0.2, 0.5, 1.0, 2.0}) {
        if (length / (factor * power) <= 6.0) return factor * power;
    }
    return 5.0 * power;
}

/// Axes and curves of one figure; its data blocks, from number `first` on, are added to `data`.
std::string panel_script(const Figure& figure, std::size_t first, std::string& data) {
    std::string script = fmt::format(
        "set title {}\nset xlabel {}\nset ylabel {}\nset autoscale\nset autoscale xfix\n"
        "set format x '{}'\nset format y '{}'\nset ytics autofreq\n",
        quoted(figure.title), quoted(figure.x_label), quoted(figure.y_label),
        figure.x_numbers ? "% h" : "", figure.y_numbers ? "% h" : "");
    std::string clauses;
    if (figure.equal_axes) {
        const auto [low, high] = figure.x_range ? *figure.x_range : common_range(figure);
        script += fmt::format("set xrange [{0}:{1}]\nset yrange [{0}:{1}]\nset size square\n",
                              number(low), number(high));
        clauses = "x with lines lw 1 lc rgb '#9aa5b0' notitle";
    } else {
        const auto range = [&](char axis, const auto& limits) {
            if (!limits) return;
            script += fmt::format("set {}range [{}:{}]\n", axis, number(limits->first),
                                  number(limits->second));
        };
        range('x', figure.x_range);
        range('y', figure.y_range);
        if (figure.y_range) {
            const double step = tic_step(figure.y_range->second - figure.y_range->first);
            script += "set ytics " + number(step) + "\n";
        }
    }
    for (std::size_t i = 0; i < figure.series.size(); ++i) {
        if (!has_points(figure.series[i])) continue;
        data += data_block(first + i, figure.series[i]);
        clauses += (clauses.empty() ? "" : ", ") + plot_clause(first + i, i, figure.series[i]);
    }
    if (clauses.empty()) {
        throw std::invalid_argument("figure " + figure.title + ": must have a point to draw");
    }
    return script + "plot " + clauses + "\n";
}

}  // namespace

namespace {

std::string figure_in(const Figure& figure, Format format) {
    std::string data;
    const std::string panel = panel_script(figure, 0, data);
    return run_gnuplot(terminal(figure.width, figure.height, 15, format) + data +
                           "set key outside top center horizontal samplen 1.6\n" + panel,
                       format == Format::svg ? kSvgEnd : kPngEnd);
}

}  // namespace

std::string figure_svg(const Figure& figure) {
    return figure_in(figure, Format::svg);
}

void check_picture_name(const std::string& path) {
    if (!path.ends_with(".svg") && !path.ends_with(".png")) {
        throw std::invalid_argument(
            fmt::format("{}: a picture's name must end in .svg or .png", path));
    }
}

std::string figure_picture(const Figure& figure, const std::string& path) {
    check_picture_name(path);
    return figure_in(figure, path.ends_with(".png") ? Format::png : Format::svg);
}

namespace {

std::string grid_in(const FigureGrid& grid, Format format) {
    const std::size_t rows = grid.columns ? grid.panels.size() / grid.columns : 0;
    if (rows == 0 || rows * grid.columns != grid.panels.size() ||
        (!grid.row_shares.empty() && grid.row_shares.size() != rows)) {
        throw std::invalid_argument(
            fmt::format("grid {}: {} panels do not fill {} columns and {} shares", grid.title,
                        grid.panels.size(), grid.columns, grid.row_shares.size()));
    }
    std::vector<double> shares = grid.row_shares;
    if (shares.empty()) shares.assign(rows, 1.0);
    const double all = std::accumulate(shares.begin(), shares.end(), 0.0);

    // Margins around all panels and gaps between them, as shares of the picture.
    const double left = kGridLeft / grid.width, right = 1.0 - kGridRight / grid.width;
    const double bottom = kGridBottom / grid.height;
    const double top = 1.0 - (grid.title.empty() ? kGridTop : kGridTitle) / grid.height;
    const double gap_x = kGridGap / grid.width, gap_y = kGridGap / grid.height;
    const auto columns = static_cast<double>(grid.columns);
    const double width = (right - left - gap_x * (columns - 1.0)) / columns;
    const double heights = top - bottom - gap_y * (static_cast<double>(rows) - 1.0);

    std::string data, panels;
    std::size_t index = 0;
    double upper = top;
    for (std::size_t row = 0; row < rows; ++row) {
        const double lower = upper - heights * shares[row] / all;
        for (std::size_t column = 0; column < grid.columns; ++column) {
            const std::optional<Figure>& panel = grid.panels[row * grid.columns + column];
            if (!panel) continue;
            const double x = left + static_cast<double>(column) * (width + gap_x);
            panels += fmt::format(
                "set lmargin at screen {}\nset rmargin at screen {}\nset tmargin at screen {}\n"
                "set bmargin at screen {}\nset key top right horizontal samplen 1.2\n",
                number(x), number(x + width), number(upper), number(lower));
            panels += panel_script(*panel, index, data);
            index += panel->series.size();
        }
        upper = lower - gap_y;
    }
    if (index == 0) throw std::invalid_argument("grid " + grid.title + ": must have a panel");
    const std::string title =
        grid.title.empty() ? "" : "title " + quoted(grid.title) + " font ',15'";
    return run_gnuplot(terminal(grid.width, grid.height, 13, format) + data + "set multiplot " +
                           title + "\n" + panels + "unset multiplot\n",
                       format == Format::svg ? kSvgEnd : kPngEnd);
}

}  // namespace

std::string figure_svg(const FigureGrid& grid) {
    return grid_in(grid, Format::svg);
}

std::string figure_picture(const FigureGrid& grid, const std::string& path) {
    check_picture_name(path);
    return grid_in(grid, path.ends_with(".png") ? Format::png : Format::svg);
}

}  // namespace nmrinverse
