#include "lattice/lattice_spins.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>
#include <vector>

#include "lattice/lattice_simulator.h"
#include "model/line_distribution.h"
#include "model/pulse_turn.h"
#include "nmrsim/line.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// The field may err by this part, as a share of the tolerance; see LatticeField::set_kernel. A
/// kernel that does not vanish at half the lattice has a kink there, whose modes fall off slowly;
/// errors of a curve from it are at most 1e-4 at the strongest coupling, no more than those of
/// rounding in float (measured, xi 5 to 60).
constexpr double kCutoffOfTolerance = 0.2;
constexpr double kCutoffInDouble = 1e-14;

/// The grid is the cheaper way where the field of all sites takes more products than the grid's
/// own, each of which counts for more since its loops are short, and so many a site for the rest
/// (measured both ways: 64 x 64 and 100 x 100 with xi = 5 and 11, 100 x 100 with 25).
constexpr double kGridProducts = 2.4;
constexpr double kGridExtra = 22.0;

static_assert(kOrder == kUsualHistory);

constexpr double kRadiansPerUsPerKhz = kTwoPi * kHzPerKhz * kSecondsPerUs;

std::array<double, 3> turned(const Matrix3& a, const std::array<double, 3>& m) {
    return {a[0] * m[0] + a[1] * m[1] + a[2] * m[2], a[3] * m[0] + a[4] * m[1] + a[5] * m[2],
            a[6] * m[0] + a[7] * m[1] + a[8] * m[2]};
}

/// Nodes and weights of Gauss and Legendre on [-1, 1]: exact for the polynomials of a step.
constexpr double kGaussNode[4] = {-0.8611363115940526, -0.3399810435848563, 0.3399810435848563,
                                  0.8611363115940526};
constexpr double kGaussWeight[4] = {0.3478548451374538, 0.6521451548625461, 0.6521451548625461,
                                    0.3478548451374538};

/// Integral of each past field's Lagrange polynomial over [begin, begin + length], and that of its
/// product with the time from the middle, over the length. Both [us].
void extrapolation_weights(std::span<const double> times, double begin, double length, double* mean,
                           double* moment) {
    const std::size_t n = times.size();
    for (std::size_t p = 0; p < n; ++p) mean[p] = moment[p] = 0.0;
    for (int g = 0; g < 4; ++g) {
        const double t = begin + 0.5 * length * (1.0 + kGaussNode[g]);
        for (std::size_t p = 0; p < n; ++p) {
            double value = 1.0;
            for (std::size_t q = 0; q < n; ++q) {
                if (q != p) value *= (t - times[q]) / (times[p] - times[q]);
            }
            mean[p] += 0.5 * kGaussWeight[g] * length * value;
            moment[p] += 0.25 * kGaussWeight[g] * kGaussNode[g] * length * value;
        }
    }
}

}  // namespace

template <class Real>
void LatticeSpins<Real>::prepare(const Experiment& experiment) {
    const Interaction& interaction = experiment.interaction;
    const Relaxation& relaxation = experiment.relaxation;
    lattice_ = experiment.lattice;
    dynamics_ = {};
    share_ = line_weight(experiment.line);
    dynamics_.plane = share_ * kRadiansPerUsPerKhz * interaction.alpha_plane_khz();
    dynamics_.z = share_ * kRadiansPerUsPerKhz * interaction.alpha_z_khz;
    dynamics_.transverse = relaxation.transverse_rate() * kSecondsPerUs;
    dynamics_.longitudinal = relaxation.longitudinal_rate() * kSecondsPerUs;
    dynamics_.equilibrium = relaxation.equilibrium_mz();
    const bool relaxes = dynamics_.transverse != 0.0 || dynamics_.longitudinal != 0.0;
    parts_ = relaxes ? 2 : 1;

    const bool couples_z = dynamics_.z != 0.0;
    const KernelResponse kernel = kernel_response(interaction, lattice_);
    norm_ = kernel.norm;
    // Twice the bound of the field, since extrapolation may exceed it.
    dynamics_.fastest = kRadiansPerUsPerKhz * line_reach_hz(experiment.line) / kHzPerKhz +
                        2.0 * kSpinLength * norm_ * std::hypot(dynamics_.plane, dynamics_.z);
    on_grid_ = false;
    columns_ = static_cast<std::size_t>(lattice_.ny);
    if constexpr (std::is_same_v<Real, float>) {
        const double cutoff = kCutoffOfTolerance * experiment.accuracy.tolerance;
        if (!prepare_grid(kernel, cutoff)) {
            field_.set_kernel(kernel, lattice_, couples_z, cutoff);
        }
    } else {
        field_.set_kernel(kernel, lattice_, couples_z, kCutoffInDouble);
    }
    resize();

    const std::vector<double> offsets = draw_offsets_hz(experiment);
    const std::size_t ny = static_cast<std::size_t>(lattice_.ny);
    for (std::size_t i = 0; i < offsets.size(); ++i) {
        const std::size_t at = i / ny * columns_ + (on_grid_ ? grid_.column(i % ny) : i % ny);
        offset_[at] = static_cast<Real>(kTwoPi * offsets[i] * kSecondsPerUs);
        mz_[at] = static_cast<Real>(kSpinLength);
    }
    mean_ = {0.0, 0.0, kSpinLength};
    steps_ = 0;
    gathered_ = false;
}

template <class Real>
bool LatticeSpins<Real>::prepare_grid(const KernelResponse& kernel, double cutoff) {
    const int components = dynamics_.z != 0.0 ? 3 : 2;
    const ModeLimits limits = mode_limits(kernel.spectrum, lattice_, kernel.rest, cutoff);
    const double products = field_products(limits, lattice_, components);
    const double extra = kGridExtra * lattice_.sites();
    if (products < extra) return false;
    const std::optional<GridPlan> plan =
        plan_grid(kernel.spectrum, lattice_, kernel.rest, cutoff, limits);
    if (!plan) return false;
    const double on_grid = field_products(mode_limits(plan->spectrum, plan->grid, 0.0, cutoff),
                                          plan->grid, components);
    if (products < kGridProducts * on_grid + extra) return false;
    const std::size_t columns = padded(static_cast<std::size_t>(lattice_.ny));
    grid_.prepare(*plan, static_cast<long>(columns), components, parts_, cutoff);
    on_grid_ = true;
    columns_ = columns;
    // m x m = 0, so that a spin's own part of the field, rest (alpha m), counts only by how alpha
    // differs along z.
    dynamics_.self = kernel.rest * (dynamics_.z - dynamics_.plane);
    grid_step_.spacing = plan->spacing_x;
    grid_step_.taps = plan->taps;
    return true;
}

template <class Real>
void LatticeSpins<Real>::resize() {
    const std::size_t n = padded(static_cast<std::size_t>(lattice_.nx) * columns_);
    for (AlignedArray<Real>* a : {&mx_, &my_, &mz_, &offset_}) {
        a->resize(n);
        a->clear();
    }
    for (std::size_t p = 0; p < kOrder; ++p) {
        wx_[p].resize(on_grid_ ? 0 : n);
        wy_[p].resize(on_grid_ ? 0 : n);
        wz_[p].resize(!on_grid_ && dynamics_.z != 0.0 ? n : 0);
        for (AlignedArray<Real>* w : {&wx_[p], &wy_[p], &wz_[p]}) w->clear();
    }
    for (AlignedArray<float>& past : past_z_) {
        past.resize(on_grid_ ? n : 0);
        past.clear();
    }
}

template <class Real>
void LatticeSpins<Real>::pulse(const Pulse& pulse) {
    const Matrix3 turn = pulse_matrix(pulse);
    for (std::size_t i = 0; i < mx_.size(); ++i) {
        const std::array<double, 3> m =
            turned(turn, {static_cast<double>(mx_[i]), static_cast<double>(my_[i]),
                          static_cast<double>(mz_[i])});
        mx_[i] = static_cast<Real>(m[0]);
        my_[i] = static_cast<Real>(m[1]);
        mz_[i] = static_cast<Real>(m[2]);
    }
    mean_ = turned(turn, mean_);
    steps_ = 0;
    gathered_ = false;
}

template <class Real>
void LatticeSpins<Real>::advance(double time, double length) {
    // The field now replaces the oldest.
    const int slot = steps_ % kOrder;
    const std::size_t history = static_cast<std::size_t>(std::min(steps_ + 1, kOrder));
    field_time_[static_cast<std::size_t>(slot)] = time;
    PartWeights weights = {};
    const double part_length = length / parts_;
    for (int part = 0; part < parts_; ++part) {
        auto& [mean, moment] = weights[static_cast<std::size_t>(part)];
        extrapolation_weights({field_time_.data(), history}, time + part * part_length, part_length,
                              mean.data(), moment.data());
    }
    if (on_grid_) {
        advance_on_grid(weights, slot, length);
    } else {
        advance_sites(weights, slot, length);
    }
    ++steps_;
}

template <class Real>
void LatticeSpins<Real>::set_turns(StepTurns<Real>& turns, double length) const {
    turns.couples_z = dynamics_.z != 0.0;
    turns.relaxes = parts_ == 2;
    const double part_length = length / parts_;
    turns.offset_time = static_cast<Real>(part_length);
    // Half the turn, of which the kernel knows cosine and sine, is at most one radian.
    turns.doublings = 0;
    double angle = 0.5 * part_length * dynamics_.fastest;
    while (angle > 1.0) {
        angle *= 0.5;
        ++turns.doublings;
    }
    // Relaxation at the step's ends and middle with Simpson's weights: what the turns make of it is
    // then right to fourth order in the turn.
    const double share[2] = {length / 6.0, length * 4.0 / 6.0};
    for (int k = 0; k < 2; ++k) {
        turns.transverse_loss[k] = static_cast<Real>(-std::expm1(-dynamics_.transverse * share[k]));
        turns.longitudinal_loss[k] =
            static_cast<Real>(-std::expm1(-dynamics_.longitudinal * share[k]));
    }
    turns.equilibrium = static_cast<Real>(dynamics_.equilibrium);
}

template <class Real>
void LatticeSpins<Real>::advance_sites(const PartWeights& weights, int slot, double length) {
    const std::size_t now = static_cast<std::size_t>(slot);
    field_.evaluate(mx_.data(), my_.data(), mz_.data(), wx_[now].data(), wy_[now].data(),
                    wz_[now].data());
    SiteStep<Real> step;
    set_turns(step, length);
    step.sites = static_cast<long>(mx_.size());
    step.mx = mx_.data();
    step.my = my_.data();
    step.mz = mz_.data();
    step.offset = offset_.data();
    step.history = std::min(steps_ + 1, kOrder);
    for (std::size_t p = 0; p < kOrder; ++p) {
        step.wx[p] = wx_[p].data();
        step.wy[p] = wy_[p].data();
        step.wz[p] = wz_[p].data();
        for (std::size_t part = 0; part < 2; ++part) {
            const auto& [mean, moment] = weights[part];
            step.plane_mean[part][p] = static_cast<Real>(dynamics_.plane * mean[p]);
            step.plane_moment[part][p] = static_cast<Real>(dynamics_.plane * moment[p]);
            step.z_mean[part][p] = static_cast<Real>(dynamics_.z * mean[p]);
            step.z_moment[part][p] = static_cast<Real>(dynamics_.z * moment[p]);
        }
    }
    lattice_kernel<Real>().advance(step);
    clear_padding(step);
    const int sites = lattice_.sites();
    mean_ = {step.sum[0] / sites, step.sum[1] / sites, step.sum[2] / sites};
}

/// The padding relaxes to equilibrium like any spin; it shall stay zero and not count.
template <class Real>
void LatticeSpins<Real>::clear_padding(StepTurns<Real>& turns) {
    if (!turns.relaxes) return;
    const auto clear = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            turns.sum[0] -= static_cast<double>(mx_[i]);
            turns.sum[1] -= static_cast<double>(my_[i]);
            turns.sum[2] -= static_cast<double>(mz_[i]);
            mx_[i] = my_[i] = mz_[i] = 0;
        }
    };
    const std::size_t nx = static_cast<std::size_t>(lattice_.nx);
    const std::size_t ny = static_cast<std::size_t>(lattice_.ny);
    if (columns_ > ny) {
        for (std::size_t x = 0; x < nx; ++x) clear(x * columns_ + ny, (x + 1) * columns_);
    }
    clear(nx * columns_, mx_.size());
}

template <class Real>
void LatticeSpins<Real>::step_grid() {
    if constexpr (std::is_same_v<Real, float>) {
        GridStep& step = grid_step_;
        step.grid_rows = grid_.lattice().nx;
        step.columns = static_cast<long>(columns_);
        step.mx = mx_.data();
        step.my = my_.data();
        step.mz = mz_.data();
        step.offset = offset_.data();
        step.window = grid_.window();
        step.field = grid_.field();
        step.gathered = grid_.gathered();
        for (std::size_t p = 0; p < kPastZ; ++p) step.past_z[p] = past_z_[p].data();
        lattice_grid_kernel().advance(step);
    }
}

/// A step of no length turns nothing, and gathers.
template <class Real>
void LatticeSpins<Real>::gather() {
    if constexpr (std::is_same_v<Real, float>) {
        const PartWeights none = {};
        grid_.interpolate(none, none);
        set_turns(grid_step_, 0.0);
        grid_step_.store_z = 0;
        for (auto& part : grid_step_.self_mean) std::fill(std::begin(part), std::end(part), 0.0f);
        step_grid();
        gathered_ = true;
    }
}

/// Weights of the last values of mz: past_z[q] holds that of the last step before this one whose
/// number leaves q.
template <class Real>
void LatticeSpins<Real>::set_self(double length) {
    GridStep& step = grid_step_;
    step.store_z = steps_ % kPastZ;
    const int history = std::min(steps_, kPastZ) + 1;
    std::array<double, kPastZ + 1> time = {};  // the present one's first, then back
    for (int age = 0; age < history; ++age) {
        time[static_cast<std::size_t>(age)] =
            field_time_[static_cast<std::size_t>((steps_ - age) % kOrder)];
    }
    const double part_length = length / parts_;
    for (int part = 0; part < parts_; ++part) {
        double mean[kPastZ + 1] = {};
        double moment[kPastZ + 1] = {};
        extrapolation_weights({time.data(), static_cast<std::size_t>(history)},
                              time[0] + part * part_length, part_length, mean, moment);
        for (int age = 0; age <= kPastZ; ++age) {
            const int q = age == 0 ? kPastZ : (steps_ - age + kPastZ) % kPastZ;
            step.self_mean[part][q] = static_cast<float>(dynamics_.self * mean[age]);
        }
    }
}

template <class Real>
void LatticeSpins<Real>::advance_on_grid(const PartWeights& weights, int slot, double length) {
    if constexpr (std::is_same_v<Real, float>) {
        if (!gathered_) gather();
        grid_.evaluate(slot);
        const auto times = [&](double coupling) {
            PartWeights scaled = weights;
            for (auto& part : scaled) {
                for (auto& list : part) {
                    for (double& weight : list) weight *= coupling;
                }
            }
            return scaled;
        };
        grid_.interpolate(times(dynamics_.plane), times(dynamics_.z));
        GridStep& step = grid_step_;
        set_turns(step, length);
        set_self(length);
        step_grid();
        clear_padding(step);
        const int sites = lattice_.sites();
        mean_ = {step.sum[0] / sites, step.sum[1] / sites, step.sum[2] / sites};
    }
}

template class LatticeSpins<float>;
template class LatticeSpins<double>;

}  // namespace nmrsim
