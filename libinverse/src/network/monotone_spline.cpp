#include "network/monotone_spline.h"

#include <cmath>

namespace nmrinverse {
namespace {

// No piece is narrower or lower than this share of the unit interval over the number of pieces, no
// slope at a knot smaller than this.
constexpr double kSmallest = 1e-2;
constexpr double kSmallestSlope = 1e-3;

/// Lengths that sum to 1, then the knots between them.
torch::Tensor knots(const torch::Tensor& free, int bins) {
    const torch::Tensor lengths = kSmallest / bins + (1.0 - kSmallest) * torch::softmax(free, -1);
    const torch::Tensor inner = lengths.slice(-1, 0, bins - 1).cumsum(-1);
    const torch::Tensor end = torch::zeros_like(lengths.slice(-1, 0, 1));
    return torch::cat({end, inner, end + 1.0}, -1);
}

/// The piece that each value lies in. Args: values: (..., m). Returns: (..., m).
torch::Tensor piece_of(const torch::Tensor& knots, const torch::Tensor& values) {
    const std::int64_t bins = knots.size(-1) - 1;
    const torch::Tensor inner = knots.detach().slice(-1, 1, bins);
    return (values.detach().unsqueeze(-1) >= inner.unsqueeze(-2)).sum(-1);
}

/// One piece of each spline: its ends and slopes.
struct Piece {
    torch::Tensor x0, width, y0, height, slope0, slope1;
};

Piece pieces(const MonotoneSpline& spline, const torch::Tensor& index) {
    const auto at = [&](const torch::Tensor& of, std::int64_t shift) {
        return of.gather(-1, index + shift);
    };
    Piece piece;
    piece.x0 = at(spline.x, 0);
    piece.width = at(spline.x, 1) - piece.x0;
    piece.y0 = at(spline.y, 0);
    piece.height = at(spline.y, 1) - piece.y0;
    piece.slope0 = at(spline.slope, 0);
    piece.slope1 = at(spline.slope, 1);
    return piece;
}

}  // namespace

MonotoneSpline make_monotone_spline(const torch::Tensor& free, int bins) {
    MonotoneSpline spline;
    spline.x = knots(free.slice(-1, 0, bins), bins);
    spline.y = knots(free.slice(-1, bins, 2 * bins), bins);
    // softplus(0 + shift) = 1 - the smallest
    const double shift = std::log(std::expm1(1.0 - kSmallestSlope));
    spline.slope = kSmallestSlope + torch::softplus(free.slice(-1, 2 * bins) + shift);
    return spline;
}

SplineValue evaluate(const MonotoneSpline& spline, const torch::Tensor& x) {
    const torch::Tensor at = x.unsqueeze(-1);
    const Piece p = pieces(spline, piece_of(spline.x, at));
    const torch::Tensor mean_slope = p.height / p.width;
    const torch::Tensor t = ((at - p.x0) / p.width).clamp(0.0, 1.0);
    const torch::Tensor rest = 1.0 - t;
    const torch::Tensor cross = t * rest;
    const torch::Tensor below = mean_slope + (p.slope0 + p.slope1 - 2.0 * mean_slope) * cross;
    SplineValue value;
    value.y = (p.y0 + p.height * (mean_slope * t * t + p.slope0 * cross) / below).squeeze(-1);
    const torch::Tensor above =
        p.slope1 * t * t + 2.0 * mean_slope * cross + p.slope0 * rest * rest;
    value.log_slope = (2.0 * mean_slope.log() + above.log() - 2.0 * below.log()).squeeze(-1);
    return value;
}

torch::Tensor invert(const MonotoneSpline& spline, const torch::Tensor& y) {
    const Piece p = pieces(spline, piece_of(spline.y, y));
    const torch::Tensor mean_slope = p.height / p.width;
    const torch::Tensor rise = y - p.y0;
    const torch::Tensor bend = p.slope0 + p.slope1 - 2.0 * mean_slope;
    const torch::Tensor a = p.height * (mean_slope - p.slope0) + rise * bend;
    const torch::Tensor b = p.height * p.slope0 - rise * bend;
    const torch::Tensor c = -mean_slope * rise;
    const torch::Tensor root = (b * b - 4.0 * a * c).clamp_min(0.0).sqrt();
    const torch::Tensor t = (-2.0 * c / (b + root)).clamp(0.0, 1.0);
    return p.x0 + p.width * t;
}

}  // namespace nmrinverse
