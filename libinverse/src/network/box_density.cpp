#include "network/box_density.h"

#include <cmath>

#include "network/monotone_spline.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

// Standard deviation of the logistic distribution of scale 1: pi / sqrt(3).
const double kLogisticSd = nmrsim::kPi / std::sqrt(3.0);
// A density is at most so many times as wide, or as narrow, as its anchor says (logarithm), ...
constexpr double kMostStretch = 5.0;
// ... and its scale lies between these shares of the interval: wider ones are flat on it.
constexpr double kNarrowest = 1e-6;
constexpr double kWidest = 10.0;

/// Centre and scale of a plain distribution. A centre outside would leave nothing but a tail.
struct Location {
    torch::Tensor centre;
    torch::Tensor scale;
};

Location located(const Anchor& anchor, const torch::Tensor& shift, const torch::Tensor& stretch,
                 double unit) {
    return {(anchor.mean + anchor.sd * shift).clamp(0.0, 1.0),
            (anchor.sd / unit * stretch.clamp(-kMostStretch, kMostStretch).exp())
                .clamp(kNarrowest, kWidest)};
}

/// The logistic distribution of scale 1 about 0.
struct Logistic {
    static torch::Tensor cumulative(const torch::Tensor& x) { return torch::sigmoid(x); }
    static torch::Tensor log_density(const torch::Tensor& x) {
        return torch::log_sigmoid(x) + torch::log_sigmoid(-x);
    }
    static torch::Tensor quantile(const torch::Tensor& y) { return (y / (1.0 - y)).log(); }
};

/// The normal distribution of standard deviation 1 about 0.
struct Normal {
    static torch::Tensor cumulative(const torch::Tensor& x) { return torch::special_ndtr(x); }
    static torch::Tensor log_density(const torch::Tensor& x) {
        return -0.5 * x.square() - 0.5 * std::log(2.0 * nmrsim::kPi);
    }
    static torch::Tensor quantile(const torch::Tensor& y) { return torch::special_ndtri(y); }
};

/// A distribution moved, widened and cut at the interval's ends.
template <class Plain>
struct Cut {
    explicit Cut(Location at)
        : location(std::move(at)),
          below(Plain::cumulative(-location.centre / location.scale)),
          inside(Plain::cumulative((1.0 - location.centre) / location.scale) - below) {}

    DensityValue at(const torch::Tensor& u) const {
        const torch::Tensor x = (u - location.centre) / location.scale;
        return {((Plain::cumulative(x) - below) / inside).clamp(0.0, 1.0),
                Plain::log_density(x) - location.scale.log() - inside.log()};
    }

    torch::Tensor quantile(const torch::Tensor& level) const {
        return (location.centre + location.scale * Plain::quantile(below + level * inside))
            .clamp(0.0, 1.0);
    }

    Location location;
    torch::Tensor below;
    torch::Tensor inside;
};

using CutLogistic = Cut<Logistic>;
using CutNormal = Cut<Normal>;

CutNormal normal_of(const torch::Tensor& free, const Anchor& anchor) {
    return CutNormal(located(anchor, free.select(-1, 0), free.select(-1, 1), 1.0));
}

CutLogistic logistic_of(const torch::Tensor& free, const Anchor& anchor) {
    return CutLogistic(located(anchor, free.select(-1, 0), free.select(-1, 1), kLogisticSd));
}

}  // namespace

int DensityShape::parameters() const {
    return form == Head::gaussian ? 2 : 2 + spline_parameters(pieces);
}

DensityValue density_at(const DensityShape& shape, const torch::Tensor& free, const Anchor& anchor,
                        const torch::Tensor& u) {
    if (shape.form == Head::gaussian) return normal_of(free, anchor).at(u);
    const DensityValue plain = logistic_of(free, anchor).at(u);
    const SplineValue bent =
        evaluate(make_monotone_spline(free.slice(-1, 2), shape.pieces), plain.cumulative);
    return {bent.y, plain.log_density + bent.log_slope};
}

torch::Tensor density_quantile(const DensityShape& shape, const torch::Tensor& free_given,
                               const Anchor& given, const torch::Tensor& level_given) {
    torch::NoGradGuard no_grad;
    const torch::Tensor free = free_given.to(torch::kFloat64);
    const torch::Tensor level = level_given.to(torch::kFloat64);
    const Anchor anchor{given.mean.to(torch::kFloat64), given.sd.to(torch::kFloat64)};
    // Every level of a density has the density's own numbers.
    const torch::Tensor wide = free.unsqueeze(-2);
    const Anchor wide_anchor{anchor.mean.unsqueeze(-1), anchor.sd.unsqueeze(-1)};
    if (shape.form == Head::gaussian) {
        return normal_of(wide, wide_anchor).quantile(level);
    }
    return logistic_of(wide, wide_anchor)
        .quantile(invert(make_monotone_spline(free.slice(-1, 2), shape.pieces), level));
}

DensityValue cells_at(const torch::Tensor& logits, const torch::Tensor& u) {
    const std::int64_t cells = logits.size(-1);
    const torch::Tensor log_share = torch::log_softmax(logits, -1);
    const torch::Tensor scaled = u.detach() * static_cast<double>(cells);
    const torch::Tensor cell =
        scaled.floor().clamp(0, static_cast<double>(cells - 1)).to(torch::kLong).unsqueeze(-1);
    const torch::Tensor share = log_share.exp();
    const torch::Tensor here = share.gather(-1, cell).squeeze(-1);
    const torch::Tensor up_to = share.cumsum(-1).gather(-1, cell).squeeze(-1);
    return {up_to - here * (cell.squeeze(-1) + 1 - scaled),
            log_share.gather(-1, cell).squeeze(-1) + std::log(static_cast<double>(cells))};
}

torch::Tensor cells_quantile(const torch::Tensor& logits, const torch::Tensor& level) {
    torch::NoGradGuard no_grad;
    const std::int64_t cells = logits.size(-1);
    const torch::Tensor share = torch::softmax(logits.to(torch::kFloat64), -1).unsqueeze(-2);
    const torch::Tensor up_to = share.cumsum(-1);
    const torch::Tensor wanted = level.to(torch::kFloat64).unsqueeze(-1);
    const torch::Tensor filled = ((wanted - (up_to - share)) / share.clamp_min(1e-300)).clamp(0, 1);
    return filled.sum(-1) / static_cast<double>(cells);
}

}  // namespace nmrinverse
