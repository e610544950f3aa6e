#include "model/line_shape.h"

#include <algorithm>

namespace nmrsim {

extern const LineShapeRow kLorentzianLine, kGaussianLine, kVoigtLine, kTableLine;

namespace {

/// In the order of LineShape.
constexpr const LineShapeRow* kLineShapes[] = {&kLorentzianLine, &kGaussianLine, &kVoigtLine,
                                               &kTableLine};

}  // namespace

const LineShapeRow& shape_of(const Line& line) {
    return *kLineShapes[static_cast<std::size_t>(line.shape)];
}

std::span<const LineShapeRow* const> line_shape_rows() {
    return kLineShapes;
}

const std::vector<std::string>& line_shape_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const LineShapeRow* row : kLineShapes) all.emplace_back(row->name);
        return all;
    }();
    return names;
}

bool has_width(const Line& line, double Line::*width) {
    const auto& widths = shape_of(line).widths;
    return std::find(widths.begin(), widths.end(), width) != widths.end();
}

}  // namespace nmrsim
