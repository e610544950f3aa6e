#include "network/calibrated_anchors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

namespace nmrinverse {
namespace {

/// A table's value between equal knots, from the first at 0 to the last at 1.
struct Place {
    std::size_t left = 0;
    double share = 0.0;  ///< of the way to the next knot

    Place() = default;
    Place(double at, std::size_t knots) {
        const double steps = at * static_cast<double>(knots - 1);
        left = static_cast<std::size_t>(
            std::clamp(std::floor(steps), 0.0, static_cast<double>(knots - 2)));
        share = steps - static_cast<double>(left);
    }

    double between(const double* knots) const {
        return share == 0.0 ? knots[left] : knots[left] + share * (knots[left + 1] - knots[left]);
    }
};

/// Logarithms of the factors of one unknown's widths.
class LogFactors {
public:
    explicit LogFactors(const UnknownCalibration& unknown) : by_noise_(logs(unknown.by_noise)) {
        for (std::size_t j = 0; j < unknown.by_estimate.size(); ++j) {
            if (unknown.by_estimate[j].empty()) continue;
            by_estimate_.emplace_back(j, logs(unknown.by_estimate[j]));
        }
    }

    std::size_t levels() const { return by_noise_.size(); }

    bool none() const {
        return by_estimate_.empty() && by_noise_.size() == 1 && by_noise_.front() == 0.0;
    }

    /// Args: noise: among levels(); estimates: of all unknowns, on the unit box.
    double at(const Place& noise, const double* estimates) const {
        double sum = noise.between(by_noise_.data());
        for (const auto& [j, table] : by_estimate_) {
            constexpr int kKnots = UnknownCalibration::kEstimateKnots;
            // Knots are the middles of equal parts.
            const double middle =
                (std::clamp(estimates[j], 0.0, 1.0) * kKnots - 0.5) / (kKnots - 1);
            const Place place(std::clamp(middle, 0.0, 1.0), kKnots);
            const double* row = &table[noise.left * kKnots];
            double value = place.between(row);
            if (noise.share > 0.0) value += noise.share * (place.between(row + kKnots) - value);
            sum += value;
        }
        return sum;
    }

private:
    static std::vector<double> logs(std::vector<double> factors) {
        for (double& factor : factors) factor = std::log(factor);
        return factors;
    }

    std::vector<double> by_noise_;
    std::vector<std::pair<std::size_t, std::vector<double>>> by_estimate_;  // (noise, estimate)
};

/// What the calibration's tables widen each marginal by, of the shape of the estimates; undefined
/// where nothing is. A loop: as operations on tensors they would cost several times what a curve
/// costs the network.
torch::Tensor factors_of(const NetworkAnswer& answer, const Calibration& calibration) {
    std::vector<LogFactors> tables;
    for (const UnknownCalibration& unknown : calibration) tables.emplace_back(unknown);
    if (std::all_of(tables.begin(), tables.end(), [](const LogFactors& t) { return t.none(); })) {
        return {};
    }
    const torch::Tensor mean = answer.mean.detach().to(torch::kCPU, torch::kFloat64).contiguous();
    torch::Tensor factors = torch::empty_like(mean);
    const torch::Tensor noise =
        answer.noise_position.defined()
            ? answer.noise_position.to(torch::kCPU, torch::kFloat64).contiguous()
            : torch::Tensor();
    const std::size_t unknowns = calibration.size();
    const std::size_t rows = static_cast<std::size_t>(mean.numel()) / unknowns;
    for (std::size_t row = 0; row < rows; ++row) {
        const double* estimates = mean.data_ptr<double>() + row * unknowns;
        double* to = factors.data_ptr<double>() + row * unknowns;
        for (std::size_t k = 0; k < unknowns; ++k) {
            Place place;
            if (noise.defined() && tables[k].levels() > 1) {
                const auto curve = row % static_cast<std::size_t>(noise.numel());
                place = Place(noise.data_ptr<double>()[curve], tables[k].levels());
            }
            to[k] = std::exp(tables[k].at(place, estimates));
        }
    }
    return factors.to(answer.mean.options());
}

constexpr int kKnots = UnknownCalibration::kLevelKnots;

/// Logits of the upper ends of central intervals that hold these shares.
std::array<double, kKnots> logits_of_shares() {
    std::array<double, kKnots> logits{};
    for (std::size_t j = 0; j < logits.size(); ++j) {
        const double upper = 0.5 * (1.0 + UnknownCalibration::kShares[j]);
        logits[j] = std::log(upper / (1.0 - upper));
    }
    return logits;
}

/// Where curves' cumulatives are bent, (n or 1, unknowns, kLevelKnots); undefined where none is.
torch::Tensor levels_of(const NetworkAnswer& answer, const Calibration& calibration) {
    const auto has = [](const UnknownCalibration& unknown) { return !unknown.by_level.empty(); };
    if (std::none_of(calibration.begin(), calibration.end(), has)) return {};
    const torch::Tensor noise =
        answer.noise_position.defined()
            ? answer.noise_position.to(torch::kCPU, torch::kFloat64).contiguous()
            : torch::Tensor();
    const std::int64_t rows = noise.defined() ? noise.numel() : 1;
    const auto unknowns = static_cast<std::int64_t>(calibration.size());
    torch::Tensor levels = torch::empty({rows, unknowns, kKnots}, torch::kFloat64);
    double* to = levels.data_ptr<double>();
    const std::array<double, kKnots> as_is = logits_of_shares();
    for (std::int64_t row = 0; row < rows; ++row) {
        for (const UnknownCalibration& unknown : calibration) {
            const std::size_t knots = unknown.by_level.size() / kKnots;
            Place place;
            if (noise.defined() && knots > 1) place = Place(noise.data_ptr<double>()[row], knots);
            for (std::size_t j = 0; j < kKnots; ++j) {
                *to = as_is[j];
                if (knots > 0) {
                    const double* left = &unknown.by_level[place.left * kKnots + j];
                    *to = *left;
                    if (place.share > 0.0) {
                        *to = std::exp((1.0 - place.share) * std::log(*left) +
                                       place.share * std::log(left[kKnots]));
                    }
                }
                ++to;
            }
        }
    }
    return levels;
}

/// A piecewise linear function through 0 and knots, beyond the last as before it.
struct Bent {
    torch::Tensor value;
    torch::Tensor slope;
};

/// Args: at: (...), >= 0. from, to: (..., kLevelKnots), rising.
Bent bent(const torch::Tensor& at, const torch::Tensor& from, const torch::Tensor& to) {
    Bent result;
    for (int j = 0; j < kKnots; ++j) {
        const torch::Tensor right = from.select(-1, j);
        const torch::Tensor left = j > 0 ? from.select(-1, j - 1) : torch::zeros_like(right);
        const torch::Tensor rise = to.select(-1, j) - (j > 0 ? to.select(-1, j - 1) : 0.0 * right);
        const torch::Tensor slope = rise / (right - left);
        torch::Tensor inside = (at - left).clamp_min(0.0);
        if (j + 1 < kKnots) inside = torch::minimum(inside, right - left);
        result.value = j > 0 ? result.value + slope * inside : slope * inside;
        result.slope = j > 0 ? torch::where(at > left, slope, result.slope)
                             : slope.expand(result.value.sizes());
    }
    return result;
}

torch::Tensor plain_levels(const torch::Tensor& levels) {
    const std::array<double, kKnots> as_is = logits_of_shares();
    return torch::tensor(std::vector<double>(as_is.begin(), as_is.end()), levels.options())
        .expand(levels.sizes());
}

// Logits of cumulatives in double precision are no farther out: 1 - 2e-16.
constexpr double kLargestLogit = 36.0;

}  // namespace

DensityValue bent(const DensityValue& plain, const torch::Tensor& levels) {
    const torch::Tensor x =
        torch::logit(plain.cumulative.clamp(0.0, 1.0)).clamp(-kLargestLogit, kLargestLogit);
    const Bent size = bent(x.abs(), levels, plain_levels(levels));
    const torch::Tensor y = size.value * x.sign();
    const auto log_slope = [](const torch::Tensor& logit) {
        return torch::log_sigmoid(logit) + torch::log_sigmoid(-logit);
    };
    return {torch::sigmoid(y), plain.log_density + size.slope.log() + log_slope(y) - log_slope(x)};
}

torch::Tensor unbent(const torch::Tensor& level, const torch::Tensor& levels) {
    const torch::Tensor y = torch::logit(level.to(torch::kFloat64));
    const torch::Tensor finite = y.clamp(-700.0, 700.0);
    const torch::Tensor wide = levels.unsqueeze(-2);
    const torch::Tensor x = bent(finite.abs(), plain_levels(wide), wide).value * finite.sign();
    return torch::sigmoid(x.clamp(-kLargestLogit, kLargestLogit));
}

Anchor anchors_of(const NetworkAnswer& answer, const Calibration& calibration) {
    Anchor anchors;
    anchors.mean = answer.mean.detach().clamp(0.0, 1.0);
    anchors.sd = answer.log_sd.detach().exp();
    const auto each = [&](auto member) {
        std::vector<double> values;
        for (const UnknownCalibration& unknown : calibration) values.push_back(unknown.*member);
        return values;
    };
    const auto all = [](const std::vector<double>& values, double value) {
        return std::all_of(values.begin(), values.end(), [&](double v) { return v == value; });
    };
    const auto row = [&](const std::vector<double>& values) {
        return torch::tensor(values, torch::kFloat64).to(anchors.sd.options());
    };
    const std::vector<double> scale = each(&UnknownCalibration::sd_scale);
    const std::vector<double> floor = each(&UnknownCalibration::sd_floor);
    if (!all(scale, 1.0)) anchors.sd = anchors.sd * row(scale);
    if (!all(floor, 0.0)) anchors.sd = (anchors.sd.square() + row(floor).square()).sqrt();
    const torch::Tensor factors = factors_of(answer, calibration);
    if (factors.defined()) anchors.sd = anchors.sd * factors;
    const torch::Tensor levels = levels_of(answer, calibration);
    if (levels.defined()) {
        std::vector<std::int64_t> shape = anchors.mean.sizes().vec();
        shape.push_back(kKnots);
        anchors.levels = levels.to(anchors.mean.device()).expand(shape);
    }
    return anchors;
}

}  // namespace nmrinverse
