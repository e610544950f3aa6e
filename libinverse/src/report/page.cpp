#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "nmrinverse/report.h"

namespace nmrinverse {
namespace {

/// Figures from this width on stand two in a row, not three [px].
constexpr int kWideFigure = 640;
std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            default:
                result += c;
        }
    }
    return result;
}

bool is_numeric(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789.,+-eE%± ") == std::string::npos &&
           text.find_first_of("0123456789") != std::string::npos;
}

constexpr const char* kStyle = R"css(
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6875; --line: #dfe5ea; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f7f9; color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .5rem 0 1rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-bottom: .35rem;
     border-bottom: 2px solid var(--line); }
p { max-width: 75ch; margin: .5rem 0 .9rem; }
.table { width: fit-content; max-width: 100%; margin: .8rem 0 1.2rem; background: #fff;
         border: 1px solid var(--line); border-radius: 8px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
.caption { max-width: 75ch; margin: 0; padding: .7rem .8rem .2rem; color: var(--soft);
           font-size: .88rem; }
th, td { padding: .45rem .8rem; text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; border-bottom: 1px solid var(--line); }
tbody tr + tr td { border-top: 1px solid var(--line); }
tbody tr:hover td { background: #f2f7fb; }
th.n, td.n { text-align: right; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr));
           gap: 1rem; margin: 1rem 0; align-items: start; }
.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); }
figure { margin: 0; padding: .4rem; background: #fff; border: 1px solid var(--line);
         border-radius: 8px; }
figure svg { display: block; width: 100%; max-width: 860px; height: auto; margin: 0 auto; }
@media print {
  body { background: #fff; }
  .scroll { overflow: visible; }
  table { font-size: 75%; }
  th, td { padding: .2rem .4rem; white-space: normal; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
)css";

/// A title as the stem of a file's name: "Errors of alpha_x" -> "errors-of-alpha-x".
std::string file_stem(const std::string& title) {
    constexpr std::size_t kLongest = 60;
    std::string stem;
    for (const char c : title.substr(0, kLongest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0) {
            stem += static_cast<char>(std::tolower(byte));
        } else if (!stem.empty() && stem.back() != '-') {
            stem += '-';
        }
    }
    while (!stem.empty() && stem.back() == '-') stem.pop_back();
    return stem.empty() ? "figure" : stem;
}

}  // namespace

Page::Page(std::string title) : title_(std::move(title)) {}

void Page::heading(const std::string& text) {
    body_ += "<h2>" + escaped(text) + "</h2>\n";
    heading_ = text;
}

void Page::paragraph(const std::string& text) {
    body_ += "<p>" + escaped(text) + "</p>\n";
}

void Page::table(const Table& table) {
    // A column of numbers stands to the right.
    std::vector<bool> numeric(table.header.size(), !table.rows.empty());
    for (const auto& row : table.rows) {
        for (std::size_t c = 0; c < row.size() && c < numeric.size(); ++c) {
            if (!row[c].empty() && !is_numeric(row[c])) numeric[c] = false;
        }
    }
    const auto cell = [&](const char* tag, std::size_t c, const std::string& text) {
        const bool right = c < numeric.size() && numeric[c];
        body_ += fmt::format("<{}{}>{}</{}>", tag, right ? " class=\"n\"" : "", escaped(text), tag);
    };
    body_ += "<div class=\"table\">";
    if (!table.caption.empty()) body_ += "<p class=\"caption\">" + escaped(table.caption) + "</p>";
    body_ += "<div class=\"scroll\"><table><thead><tr>";
    for (std::size_t c = 0; c < table.header.size(); ++c) cell("th", c, table.header[c]);
    body_ += "</tr></thead>\n<tbody>";
    for (const auto& row : table.rows) {
        body_ += "<tr>";
        for (std::size_t c = 0; c < row.size(); ++c) cell("td", c, row[c]);
        body_ += "</tr>\n";
    }
    body_ += "</tbody></table></div></div>\n";
}

void Page::begin_figures(bool wide) {
    body_ += fmt::format("<div class=\"figures{}\">\n", wide ? " wide" : "");
}

void Page::add_svg(const std::string& title, std::string svg) {
    // Inside a page the XML declaration has no place.
    body_ += "<figure>" + svg.substr(svg.find("<svg")) + "</figure>\n";
    pictures_.emplace_back(
        fmt::format("{:02}-{}", pictures_.size() + 1, file_stem(heading_ + " " + title)),
        std::move(svg));
}

void Page::figures(const std::vector<Figure>& figures) {
    begin_figures(!figures.empty() && figures.front().width >= kWideFigure);
    for (const Figure& figure : figures) {
        const std::string& name = figure.title.empty() ? figure.y_label : figure.title;
        add_svg(name, figure_svg(figure));
    }
    body_ += "</div>\n";
}

void Page::figures(const std::vector<FigureGrid>& grids) {
    begin_figures(!grids.empty() && grids.front().width >= kWideFigure);
    for (const FigureGrid& grid : grids) add_svg(grid.title, figure_svg(grid));
    body_ += "</div>\n";
}

std::string Page::html() const {
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
           escaped(title_) + "</title>\n<style>" + kStyle +
           "</style>\n</head>\n<body>\n<main>\n<h1>" + escaped(title_) + "</h1>\n" + body_ +
           "</main>\n</body>\n</html>\n";
}

}  // namespace nmrinverse
