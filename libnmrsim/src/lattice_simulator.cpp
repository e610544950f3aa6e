#include "lattice_simulator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "lattice_field.h"
#include "lattice_steps.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Automatic precision computes in float from this tolerance on: rounding alone stays below it.
constexpr double kFloatTolerance = 2e-5;

/// The modes method may leave out this part of the field, as a share of the tolerance; see
/// LatticeField::set_kernel. A kernel that does not vanish at half the lattice has a kink there,
/// whose modes fall off slowly; errors of a curve from it are at most 1e-4 at the strongest
/// coupling, no more than those of rounding in float (measured, xi 5 to 60).
constexpr double kCutoffOfTolerance = 0.2;
constexpr double kCutoffInDouble = 1e-14;

static_assert(kOrder == kUsualHistory);

using Vector3 = std::array<double, 3>;

/// A pulse as a turn of Bloch vectors, row-major.
std::array<double, 9> pulse_matrix(const Pulse& pulse) {
    const double theta = pulse.flip_deg * kRadiansPerDegree;
    const double phi = pulse.phase_deg * kRadiansPerDegree;
    const double nx = std::cos(phi);
    const double ny = std::sin(phi);
    const double s = std::sin(theta);
    const double c = std::cos(theta);
    // m' = cos m + sin (m x n) + (1 - cos) n (n . m), n in the plane.
    return {c + (1 - c) * nx * nx,
            (1 - c) * nx * ny,
            -s * ny,
            (1 - c) * nx * ny,
            c + (1 - c) * ny * ny,
            s * nx,
            s * ny,
            -s * nx,
            c};
}

Vector3 turned(const std::array<double, 9>& a, const Vector3& m) {
    return {a[0] * m[0] + a[1] * m[1] + a[2] * m[2], a[3] * m[0] + a[4] * m[1] + a[5] * m[2],
            a[6] * m[0] + a[7] * m[1] + a[8] * m[2]};
}

/// State of the spins and the fields of the last steps, one precision.
template <class Real>
struct Spins {
    AlignedArray<Real> mx, my, mz;  ///< (padded sites)
    AlignedArray<Real> offset;      ///< [rad/us]
    std::array<AlignedArray<Real>, kOrder> wx, wy, wz;
    LatticeField<Real> field;
    const LatticeKernel<Real>* kernel = &lattice_kernel<Real>();
    SiteStep<Real> step;
    std::array<double, kOrder> field_time{};  ///< [us], in the order of `slot`
    std::array<int, kOrder> slot{};           ///< where past fields are kept, oldest first
    int history = 0;

    void resize(std::size_t sites, bool couples_z) {
        const std::size_t n = padded(sites);
        for (AlignedArray<Real>* a : {&mx, &my, &mz, &offset}) {
            a->resize(n);
            a->clear();
        }
        for (int p = 0; p < kOrder; ++p) {
            const std::size_t i = static_cast<std::size_t>(p);
            wx[i].resize(n);
            wy[i].resize(n);
            wz[i].resize(couples_z ? n : 0);
        }
    }
};

/// Couplings and rates of one experiment in the units of the step.
struct Dynamics {
    double plane = 0.0;         ///< 2 pi alpha in the plane [rad/us per unit of w]
    double z = 0.0;             ///< 2 pi alpha_z [rad/us]
    double transverse = 0.0;    ///< 1/T2 [1/us]
    double longitudinal = 0.0;  ///< 1/T1 [1/us]
    double equilibrium = 0.0;   ///< mz
    double fastest = 0.0;       ///< largest |B| that can be [rad/us]
};

constexpr double kRadiansPerUsPerKhz = kTwoPi * kHzPerKhz * kSecondsPerUs;

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

template <class Real>
void apply_pulse(Spins<Real>& spins, const Pulse& pulse, Vector3& mean) {
    const std::array<double, 9> turn = pulse_matrix(pulse);
    for (std::size_t i = 0; i < spins.mx.size(); ++i) {
        const Vector3 m =
            turned(turn, {static_cast<double>(spins.mx[i]), static_cast<double>(spins.my[i]),
                          static_cast<double>(spins.mz[i])});
        spins.mx[i] = static_cast<Real>(m[0]);
        spins.my[i] = static_cast<Real>(m[1]);
        spins.mz[i] = static_cast<Real>(m[2]);
    }
    mean = turned(turn, mean);
    spins.history = 0;
}

/// One step from `time` [us]: the field now, the polynomial through it and the past ones, the turn.
template <class Real>
Vector3 advance(Spins<Real>& spins, const Dynamics& dynamics, double time, double length,
                int sites) {
    // The oldest field makes room.
    if (spins.history == kOrder) {
        std::rotate(spins.slot.begin(), spins.slot.begin() + 1, spins.slot.end());
        std::rotate(spins.field_time.begin(), spins.field_time.begin() + 1, spins.field_time.end());
        --spins.history;
    } else if (spins.history == 0) {
        for (int p = 0; p < kOrder; ++p) spins.slot[static_cast<std::size_t>(p)] = p;
    }
    const std::size_t latest = static_cast<std::size_t>(spins.history);
    const std::size_t slot = static_cast<std::size_t>(spins.slot[latest]);
    spins.field.evaluate(spins.mx.data(), spins.my.data(), spins.mz.data(), spins.wx[slot].data(),
                         spins.wy[slot].data(), spins.wz[slot].data());
    spins.field_time[latest] = time;
    ++spins.history;

    SiteStep<Real>& step = spins.step;
    step.sites = static_cast<long>(spins.mx.size());
    step.mx = spins.mx.data();
    step.my = spins.my.data();
    step.mz = spins.mz.data();
    step.offset = spins.offset.data();
    step.history = spins.history;
    for (int p = 0; p < spins.history; ++p) {
        const std::size_t i = static_cast<std::size_t>(spins.slot[static_cast<std::size_t>(p)]);
        step.wx[p] = spins.wx[i].data();
        step.wy[p] = spins.wy[i].data();
        step.wz[p] = spins.wz[i].data();
    }
    step.couples_z = dynamics.z != 0.0;
    step.relaxes = dynamics.transverse != 0.0 || dynamics.longitudinal != 0.0;
    const int parts = step.relaxes ? 2 : 1;
    const double part_length = length / parts;
    step.offset_time = static_cast<Real>(part_length);
    for (int part = 0; part < parts; ++part) {
        double mean[kOrder];
        double moment[kOrder];
        const std::span<const double> times(spins.field_time.data(),
                                            static_cast<std::size_t>(spins.history));
        extrapolation_weights(times, time + part * part_length, part_length, mean, moment);
        for (int p = 0; p < spins.history; ++p) {
            step.plane_mean[part][p] = static_cast<Real>(dynamics.plane * mean[p]);
            step.plane_moment[part][p] = static_cast<Real>(dynamics.plane * moment[p]);
            step.z_mean[part][p] = static_cast<Real>(dynamics.z * mean[p]);
            step.z_moment[part][p] = static_cast<Real>(dynamics.z * moment[p]);
        }
    }
    // Half the turn, of which the kernel knows cosine and sine, is at most one radian.
    step.doublings = 0;
    for (double angle = 0.5 * part_length * dynamics.fastest; angle > 1.0; angle *= 0.5) {
        ++step.doublings;
    }
    // Relaxation at the step's ends and middle with Simpson's weights: what the turns make of it is
    // then right to fourth order in the turn.
    const double share[2] = {length / 6.0, length * 4.0 / 6.0};
    for (int k = 0; k < 2; ++k) {
        step.transverse_loss[k] = static_cast<Real>(-std::expm1(-dynamics.transverse * share[k]));
        step.longitudinal_loss[k] =
            static_cast<Real>(-std::expm1(-dynamics.longitudinal * share[k]));
    }
    step.equilibrium = static_cast<Real>(dynamics.equilibrium);
    spins.kernel->advance(step);
    // The padding relaxes to equilibrium like any spin; it shall stay zero and not count.
    for (std::size_t i = static_cast<std::size_t>(sites); i < spins.mx.size(); ++i) {
        for (const auto& [sum, m] : {std::pair{&step.sum[0], &spins.mx},
                                     {&step.sum[1], &spins.my},
                                     {&step.sum[2], &spins.mz}}) {
            *sum -= static_cast<double>((*m)[i]);
            (*m)[i] = 0;
        }
    }
    return {step.sum[0] / sites, step.sum[1] / sites, step.sum[2] / sites};
}

template <class Real>
Signal simulate_as(const Experiment& experiment, Spins<Real>& spins) {
    const int sites = experiment.lattice.sites();
    const Interaction& interaction = experiment.interaction;
    Dynamics dynamics;
    dynamics.plane = kRadiansPerUsPerKhz * interaction.alpha_plane_khz();
    dynamics.z = kRadiansPerUsPerKhz * interaction.alpha_z_khz;
    dynamics.transverse = experiment.relaxation.transverse_rate() * kSecondsPerUs;
    dynamics.longitudinal = experiment.relaxation.longitudinal_rate() * kSecondsPerUs;
    dynamics.equilibrium = experiment.relaxation.equilibrium_mz();
    spins.resize(static_cast<std::size_t>(sites), dynamics.z != 0.0);
    spins.field.set_kernel(interaction, experiment.lattice, dynamics.z != 0.0,
                           std::is_same_v<Real, float>
                               ? kCutoffOfTolerance * experiment.accuracy.tolerance
                               : kCutoffInDouble);
    // Twice the bound of the field, since extrapolation may exceed it.
    dynamics.fastest =
        kRadiansPerUsPerKhz * experiment.line.cutoff_khz +
        2.0 * kSpinLength * spins.field.kernel_norm() * std::hypot(dynamics.plane, dynamics.z);
    const std::vector<double> offsets = draw_offsets_hz(experiment);
    for (std::size_t i = 0; i < offsets.size(); ++i) {
        spins.offset[i] = static_cast<Real>(kTwoPi * offsets[i] * kSecondsPerUs);
        spins.mz[i] = static_cast<Real>(kSpinLength);
    }
    Vector3 mean = {0.0, 0.0, kSpinLength};
    spins.history = 0;

    Signal signal;
    signal.time_us = acquisition_times_us(experiment.acquisition);
    const std::size_t points = signal.points();
    signal.mx.reserve(points);
    signal.my.reserve(points);
    signal.mz.reserve(points);

    const double last = signal.time_us.back();
    const double same = kSameTime * std::max(last, std::numeric_limits<double>::min());
    const double longest = longest_step_us(experiment, spins.field.kernel_norm());
    const std::vector<Span> spans = sequence_spans(experiment.sequence, last);
    MagnetizationTrack track;
    std::size_t next = 0;  // sample
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const Span& span = spans[i];
        for (const Pulse& pulse : span.pulses) apply_pulse(spins, pulse, mean);
        track.start(span.start_us, mean);
        const auto advance_to = [&](double begin, double end) {
            mean = advance(spins, dynamics, begin, end - begin, sites);
            track.add(end, mean);
        };
        if (span.end_us - span.start_us > same) {
            const int steps = steps_in(span.end_us - span.start_us, longest);
            const double length = (span.end_us - span.start_us) / steps;
            double time = span.start_us;
            for (int level = kRampLevels; level >= 0; --level) {
                const double end = span.start_us + std::ldexp(length, -level);
                advance_to(time, end);
                time = end;
            }
            for (int k = 1; k < steps; ++k) {
                advance_to(span.start_us + k * length, span.start_us + (k + 1) * length);
            }
        }
        // A sample at the end waits for the next pulse.
        const double until = i + 1 == spans.size() ? span.end_us + same : span.end_us - same;
        for (; next < points && signal.time_us[next] < until; ++next) {
            const Vector3 m = track.at(signal.time_us[next]);
            signal.mx.push_back(m[0]);
            signal.my.push_back(m[1]);
            signal.mz.push_back(m[2]);
        }
    }
    return signal;
}

}  // namespace

struct LatticeWorkspace::State {
    Spins<float> single;
    Spins<double> twice;
};

LatticeWorkspace::LatticeWorkspace() : state(std::make_unique<State>()) {}
LatticeWorkspace::~LatticeWorkspace() = default;
LatticeWorkspace::LatticeWorkspace(LatticeWorkspace&&) noexcept = default;
LatticeWorkspace& LatticeWorkspace::operator=(LatticeWorkspace&&) noexcept = default;

std::vector<double> draw_offsets_hz(const Experiment& experiment) {
    CounterRandom random(experiment.lattice.seed, 0, RandomStream::offsets);
    std::vector<double> offsets(static_cast<std::size_t>(experiment.lattice.sites()));
    for (double& offset : offsets) offset = line_quantile(experiment.line, random.uniform());
    return offsets;
}

Signal simulate_lattice(const Experiment& experiment, LatticeWorkspace& workspace) {
    const Accuracy& accuracy = experiment.accuracy;
    const bool single =
        accuracy.precision == Precision::single ||
        (accuracy.precision == Precision::automatic && accuracy.tolerance >= kFloatTolerance);
    return single ? simulate_as(experiment, workspace.state->single)
                  : simulate_as(experiment, workspace.state->twice);
}

}  // namespace nmrsim
