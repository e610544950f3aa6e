#include "fit/curve_likelihood.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "fit/interpolation.h"
#include "fit/linear_algebra.h"
#include "fit/receiver_freedom.h"
#include "nmrinverse/noise_correlation.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/series.h"
#include "nmrsim/simulate.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Complex = std::complex<double>;

/// What a curve with derivatives costs, in curves (measured: 4 to 7 with three derivatives).
constexpr std::size_t kCostOfDerivatives = 5;

/// A gain is at least this, so that a curve of the wrong sign does not end at no curve at all.
constexpr double kLeastGain = 1e-3;

/// Samples that are simulated at a time: bounds the memory of a large screening.
constexpr std::size_t kBlockSamples = std::size_t{1} << 21;

/// Chi-square with a freedom means the same minimum as without below this phase [rad] and so many
/// turns over the window.
constexpr double kSmallPhase = 0.5;
constexpr double kFewTurns = 0.1;

}  // namespace

void check_curve(const nmrsim::Experiment& experiment, std::span<const float> signal,
                 const RefineOptions& options) {
    experiment.validate();
    if (!nmrsim::is_uniform(experiment)) {
        throw std::invalid_argument(
            "refine: an echo of a finite-range kernel depends on its unknown draw of offsets too");
    }
    if (experiment.prior.empty()) {
        throw std::invalid_argument("prior must name at least one unknown");
    }
    for (const nmrsim::PriorRange& range : experiment.prior) {
        const bool twice = (range.name == "gain" && options.fit_gain) ||
                           (range.name == "receiver_phase_deg" && options.fit_phase);
        if (twice) {
            throw std::invalid_argument(fmt::format(
                "refine: {} is an unknown of the prior, it must not be fitted beside it too",
                range.name));
        }
    }
    const std::size_t points = nmrsim::sample_count(experiment);
    if (signal.size() != 2 * points) {
        throw std::invalid_argument(fmt::format(
            "refine: {} samples do not fit Mx and My of {} points", signal.size(), points));
    }
    if (!options.relative_noise.empty() && options.relative_noise.size() != points) {
        throw std::invalid_argument(fmt::format("relative_noise must be of {} points, got {}",
                                                points, options.relative_noise.size()));
    }
    if (options.fit_time_zero && (points < 2 || !experiment.acquisition.windows.empty())) {
        throw std::invalid_argument(
            fmt::format("fit_time_zero needs at least 2 points, in one window, got {}", points));
    }
    if (!std::all_of(signal.begin(), signal.end(), [](float m) { return std::isfinite(m); })) {
        throw std::invalid_argument("refine: samples must be finite");
    }
}

CurveLikelihood::CurveLikelihood(const nmrsim::Experiment& experiment,
                                 std::span<const float> signal, const RefineOptions& options)
    : experiment_(experiment),
      options_(options),
      unknowns_(experiment.prior.size()),
      dimensions_(unknowns_ + (options.fit_time_zero ? 1 : 0)) {
    std::vector<nmrsim::Experiment> records = nmrsim::series_records(experiment);
    std::size_t before = 0;
    for (std::size_t r = 0; r < records.size(); ++r) {
        const std::size_t points = nmrsim::sample_count(records[r]);
        add_record(records[r], signal, before);
        if (options.fit_time_zero && experiment.series.empty()) {
            experiment_.acquisition = records[r].acquisition;
        } else if (options.fit_time_zero) {
            nmrsim::set_window(experiment_.series[r], records[r].acquisition);
        }
        before += points;
    }
    const Eigen::Index n = static_cast<Eigen::Index>(samples_.size());
    x_.conservativeResize(n);
    y_.conservativeResize(n);
    if (!options.relative_noise.empty()) weight_.conservativeResize(n);
    weigh(x_, y_);
    for (Eigen::Index i = 0; i < n; ++i) peak_ = std::max(peak_, std::hypot(x_(i), y_(i)));
    VectorXd both(2 * n);
    both << x_, y_;
    excess_ = excess_along({both.data(), static_cast<std::size_t>(2 * n)}, options_.noise,
                           options_.noise_correlation);
    options_.noise *= std::sqrt(excess_);
}

double CurveLikelihood::degrees() const {
    const double offsets = options_.fit_offset ? 2.0 * static_cast<double>(records_.size()) : 0.0;
    return 2.0 * static_cast<double>(samples_.size()) / excess_ - static_cast<double>(dimensions_) -
           (options_.fit_gain ? 1.0 : 0.0) - (options_.fit_phase ? 1.0 : 0.0) - offsets;
}

double CurveLikelihood::chi_square_deviation() const {
    const double variance = 2.0 * degrees() * square_excess(options_.noise_correlation) / excess_;
    return std::hypot(std::sqrt(variance), options_.noise_uncertainty * degrees());
}

Tolerances CurveLikelihood::tolerances() const {
    const double peak = std::max(peak_, options_.noise);
    // Whole decades: the simulator keeps what it finds out about a tolerance.
    const auto decade = [](double value) {
        return std::pow(10.0, std::clamp(std::round(std::log10(value)), -8.0, -2.0));
    };
    const double follow = std::min(options_.tolerance, decade(0.5 * options_.noise / peak));
    const double finest = decade(0.1 * options_.noise / (peak * std::sqrt(excess_ * degrees())));
    return {std::max(options_.screening_tolerance, follow), follow,
            options_.final_tolerance > 0.0 ? options_.final_tolerance : std::min(finest, follow)};
}

VectorXd CurveLikelihood::position(std::span<const double> parameters, double time_zero_us) const {
    VectorXd position(static_cast<Eigen::Index>(dimensions_));
    for (std::size_t k = 0; k < unknowns_; ++k) {
        const nmrsim::PriorRange& range = experiment_.prior[k];
        position(static_cast<Eigen::Index>(k)) =
            std::clamp((parameters[k] - range.low) / (range.high - range.low), 0.0, 1.0);
    }
    if (options_.fit_time_zero) {
        position(static_cast<Eigen::Index>(unknowns_)) =
            std::clamp(0.5 * (1.0 + time_zero_us / options_.time_zero_range_us), 0.0, 1.0);
    }
    return position;
}

std::vector<double> CurveLikelihood::parameters(const VectorXd& position) const {
    std::vector<double> parameters;
    for (std::size_t k = 0; k < unknowns_; ++k) {
        const nmrsim::PriorRange& range = experiment_.prior[k];
        const double u = position(static_cast<Eigen::Index>(k));
        parameters.push_back(
            std::clamp(range.low + (range.high - range.low) * u, range.low, range.high));
    }
    return parameters;
}

VectorXd CurveLikelihood::widths() const {
    VectorXd widths(static_cast<Eigen::Index>(dimensions_));
    for (std::size_t k = 0; k < unknowns_; ++k) {
        widths(static_cast<Eigen::Index>(k)) = experiment_.prior[k].high - experiment_.prior[k].low;
    }
    if (options_.fit_time_zero) {
        widths(static_cast<Eigen::Index>(unknowns_)) = 2.0 * options_.time_zero_range_us;
    }
    return widths;
}

double CurveLikelihood::time_zero_us(const VectorXd& position) const {
    if (!options_.fit_time_zero) return 0.0;
    return options_.time_zero_range_us * (2.0 * position(position.size() - 1) - 1.0);
}

std::vector<double> CurveLikelihood::simulated_parameters(
    std::span<const VectorXd> positions) const {
    std::vector<double> all;
    for (const VectorXd& position : positions) {
        const std::vector<double> one = parameters(position);
        all.insert(all.end(), one.begin(), one.end());
    }
    return all;
}

void CurveLikelihood::read(const float* curve, double time_zero_us, Eigen::Ref<VectorXd> x,
                           Eigen::Ref<VectorXd> y) const {
    const float* mx = curve;
    const float* my = curve + simulated_points_;
    for (const Record& record : records_) {
        const Stencil stencil = shift_stencil(time_zero_us / record.spacing_us);
        for (Eigen::Index i = record.first; i < record.first + record.count; ++i) {
            const std::size_t k = samples_[static_cast<std::size_t>(i)];
            x(i) = options_.fit_time_zero ? stencil.value(mx, k) : static_cast<double>(mx[k]);
            y(i) = options_.fit_time_zero ? stencil.value(my, k) : static_cast<double>(my[k]);
        }
    }
    weigh(x, y);
}

void CurveLikelihood::read_slope(const float* curve, double time_zero_us, Eigen::Ref<VectorXd> x,
                                 Eigen::Ref<VectorXd> y) const {
    for (const Record& record : records_) {
        const Stencil stencil = shift_stencil(time_zero_us / record.spacing_us);
        for (Eigen::Index i = record.first; i < record.first + record.count; ++i) {
            const std::size_t k = samples_[static_cast<std::size_t>(i)];
            x(i) = stencil.derivative(curve, k) / record.spacing_us;
            y(i) = stencil.derivative(curve + simulated_points_, k) / record.spacing_us;
        }
    }
    weigh(x, y);
}

Complex CurveLikelihood::factor(Complex product, double square, bool any_phase) const {
    if ((!options_.fit_gain && !any_phase) || square == 0.0) return 1.0;
    if (!any_phase) return std::max(product.real() / square, kLeastGain);
    if (product == 0.0) return 1.0;
    return options_.fit_gain ? product / square : product / std::abs(product);
}

std::vector<double> CurveLikelihood::chi_square(std::span<const VectorXd> positions,
                                                double tolerance, Freedom freedom) {
    std::vector<double> result;
    const std::size_t most = std::max<std::size_t>(1, kBlockSamples / (2 * simulated_points_));
    for (std::size_t first = 0; first < positions.size(); first += most) {
        const auto block = positions.subspan(first, std::min(most, positions.size() - first));
        for (const VectorXd& residual : residuals(block, tolerance, freedom)) {
            result.push_back(residual.squaredNorm());
        }
    }
    return result;
}

std::vector<float> CurveLikelihood::simulated(std::span<const VectorXd> positions,
                                              double tolerance) {
    experiment_.accuracy.tolerance = tolerance;
    std::vector<float> signal(positions.size() * 2 * simulated_points_);
    nmrsim::simulate_batch(experiment_, simulated_parameters(positions), {}, signal,
                           options_.threads);
    simulations_ += positions.size();
    if (references_.empty() || tolerance != corrected_) return signal;
    const std::size_t curve = 2 * simulated_points_;
    for (std::size_t p = 0; p < positions.size(); ++p) {
        const auto nearest = std::min_element(
            references_.begin(), references_.end(), [&](const VectorXd& a, const VectorXd& b) {
                return (a - positions[p]).squaredNorm() < (b - positions[p]).squaredNorm();
            });
        const float* by =
            &corrections_[static_cast<std::size_t>(nearest - references_.begin()) * curve];
        for (std::size_t i = 0; i < curve; ++i) signal[p * curve + i] += by[i];
    }
    return signal;
}

void CurveLikelihood::correct(std::span<const VectorXd> references, double coarse, double fine) {
    references_.clear();
    const std::vector<float> roughly = simulated(references, coarse);
    corrections_ = simulated(references, fine);
    for (std::size_t i = 0; i < corrections_.size(); ++i) corrections_[i] -= roughly[i];
    references_.assign(references.begin(), references.end());
    corrected_ = coarse;
}

std::vector<double> CurveLikelihood::profile(std::span<const VectorXd> positions,
                                             double tolerance) {
    if (!options_.fit_time_zero) return chi_square(positions, tolerance);
    std::vector<double> result;
    const std::size_t curve = 2 * simulated_points_;
    const Eigen::Index n = x_.size();
    VectorXd model(2 * n);
    MatrixXd slope(2 * n, 1);
    const std::size_t most = std::max<std::size_t>(1, kBlockSamples / curve);
    for (std::size_t first = 0; first < positions.size(); first += most) {
        const auto block = positions.subspan(first, std::min(most, positions.size() - first));
        const std::vector<float> signal = simulated(block, tolerance);
        for (std::size_t p = 0; p < block.size(); ++p) {
            const double zero = time_zero_us(block[p]);
            const float* m = &signal[p * curve];
            read(m, zero, model.head(n), model.tail(n));
            auto column = slope.col(0);
            read_slope(m, zero, column.head(n), column.tail(n));
            const Linearised at = linearised(Freedom::as_asked, model, slope, nullptr);
            // What it takes from chi-square does not depend on the slope's unit.
            const double information = at.information(0, 0), gradient = at.gradient(0);
            result.push_back(at.chi_square -
                             (information > 0.0 ? gradient * gradient / information : 0.0));
        }
    }
    return result;
}

std::vector<VectorXd> CurveLikelihood::residuals(std::span<const VectorXd> positions,
                                                 double tolerance, Freedom freedom) {
    const bool any_phase = options_.fit_phase || freedom != Freedom::as_asked;
    const std::vector<float> signal = simulated(positions, tolerance);
    const std::size_t curve = 2 * simulated_points_;
    std::vector<VectorXd> result(positions.size());
    const Eigen::Index n = x_.size();
    VectorXd model(2 * n);
    for (std::size_t p = 0; p < positions.size(); ++p) {
        read(&signal[p * curve], time_zero_us(positions[p]), model.head(n), model.tail(n));
        if (freedom == Freedom::frequency) turn_evenly(best_turns(model, x_, y_), model);
        turn(factor(correlation(model, x_, y_), model.squaredNorm(), any_phase), model);
        result[p].resize(2 * n);
        result[p].head(n) = (model.head(n) - x_) / options_.noise;
        result[p].tail(n) = (model.tail(n) - y_) / options_.noise;
    }
    return result;
}

Complex CurveLikelihood::factor_at(const VectorXd& position, double tolerance) {
    const std::vector<float> signal = simulated({&position, 1}, tolerance);
    const Eigen::Index n = x_.size();
    VectorXd model(2 * n);
    read(signal.data(), time_zero_us(position), model.head(n), model.tail(n));
    return factor(correlation(model, x_, y_), model.squaredNorm(), options_.fit_phase);
}

Linearised CurveLikelihood::linearised(Freedom freedom, VectorXd model, MatrixXd columns,
                                       double* turns) const {
    const bool any_phase = options_.fit_phase || freedom != Freedom::as_asked;
    const Eigen::Index n = x_.size();
    if (freedom == Freedom::frequency) {
        *turns = best_turns(model, x_, y_);
        turn_evenly(*turns, model);
        for (Eigen::Index a = 0; a < columns.cols(); ++a) turn_evenly(*turns, columns.col(a));
    }
    Linearised at;
    if (freedom == Freedom::frequency) at.turns = *turns;
    at.factor = factor(correlation(model, x_, y_), model.squaredNorm(), any_phase);
    turn(at.factor, model);
    for (Eigen::Index a = 0; a < columns.cols(); ++a) turn(at.factor, columns.col(a));
    VectorXd residual(2 * n);
    residual.head(n) = (model.head(n) - x_) / options_.noise;
    residual.tail(n) = (model.tail(n) - y_) / options_.noise;
    if (options_.fit_gain) project_out(model, columns);
    if (any_phase) {
        VectorXd turned(2 * n);
        turned << -model.tail(n), model.head(n);
        project_out(turned, columns);
        if (freedom == Freedom::frequency) {
            const VectorXd time = VectorXd::LinSpaced(n, -1.0, 1.0);
            MatrixXd ramped(2 * n, 1);
            ramped << time.cwiseProduct(turned.head(n)), time.cwiseProduct(turned.tail(n));
            project_out(turned, ramped);
            project_out(ramped.col(0), columns);
        }
    }
    at.chi_square = residual.squaredNorm();
    at.information = transposed_product(columns, columns);
    at.gradient = columns.transpose() * residual;
    at.slopes = std::make_shared<const MatrixXd>(std::move(columns));
    return at;
}

std::vector<Linearisations> CurveLikelihood::linearise(std::span<const VectorXd> positions,
                                                       double tolerance,
                                                       std::span<const Freedom> freedoms) {
    experiment_.accuracy.tolerance = tolerance;
    const std::size_t curve = 2 * simulated_points_;
    std::vector<float> signal(positions.size() * curve);
    std::vector<float> jacobian(positions.size() * unknowns_ * curve);
    nmrsim::simulate_batch_with_jacobian(experiment_, simulated_parameters(positions), signal,
                                         jacobian, options_.threads);
    simulations_ += kCostOfDerivatives * positions.size();
    std::vector<Linearisations> result(positions.size());
    const VectorXd scale = widths() / options_.noise;
    const Eigen::Index n = x_.size();
    const Eigen::Index k = static_cast<Eigen::Index>(dimensions_);
    MatrixXd columns(2 * n, k);
    VectorXd model(2 * n);
    for (std::size_t p = 0; p < positions.size(); ++p) {
        const double zero = time_zero_us(positions[p]);
        read(&signal[p * curve], zero, model.head(n), model.tail(n));
        for (std::size_t a = 0; a < unknowns_; ++a) {
            auto column = columns.col(static_cast<Eigen::Index>(a));
            read(&jacobian[(p * unknowns_ + a) * curve], zero, column.head(n), column.tail(n));
        }
        if (options_.fit_time_zero) {
            auto column = columns.col(k - 1);
            read_slope(&signal[p * curve], zero, column.head(n), column.tail(n));
        }
        columns *= scale.asDiagonal();
        Linearisations& at = result[p];
        const Freedom freedom = freedoms.empty() ? Freedom::as_asked : freedoms[p];
        if (freedom != Freedom::as_asked) {
            double turns = 0.0;
            at.free = linearised(freedom, model, columns, &turns);
            at.same_minimum =
                (options_.fit_phase || std::abs(std::arg(at.free.factor)) < kSmallPhase) &&
                std::abs(turns) < kFewTurns;
        }
        at.as_asked = linearised(Freedom::as_asked, model, columns, nullptr);
        if (freedom == Freedom::as_asked) at.free = at.as_asked;
    }
    return result;
}

}  // namespace nmrinverse
