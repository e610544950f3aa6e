#include "bloch_oracle.h"

#include <algorithm>
#include <boost/numeric/odeint.hpp>
#include <cmath>
#include <complex>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "spins.h"

namespace oracle {
namespace {

using nmrsim::Experiment;
using Complex = std::complex<double>;

/// x, y and z of spin i are entries i, n + i and 2 n + i; x and y without what stretched dephasing
/// has taken since the start.
using State = std::vector<double>;

constexpr double kTurn = 2.0 * std::numbers::pi;  // radians
constexpr double kRadian = kTurn / 360.0;         // of a degree

/// Times of samples and events are the same within this share of 1 us + the last time.
constexpr double kSameTime = 1e-9;

struct BlochEquations {
    Spins spins;
    double alpha_x = 0.0;  ///< 2 pi alpha [rad/us]
    double alpha_y = 0.0;
    double alpha_z = 0.0;
    double larmor = 0.0;  ///< 2 pi nu_0 where the axes stand still, 0 where they turn along
    double drive = 0.0;   ///< of a pulse that takes time [rad/us]
    double drive_phase = 0.0;
    double dephasing = 0.0;  ///< Gamma_3 / 2, where its decay is no exponential [1/us]
    double exponent = 1.0;
    State field;  ///< w of each spin, laid out as the state

    /// What stretched dephasing leaves.
    double left(double time) const { return std::exp(-std::pow(dephasing * time, exponent)); }

    void operator()(const State& m, State& slope, double time) {
        const std::size_t n = spins.offset.size();
        const double* mx = m.data();
        const double* my = mx + n;
        const double* mz = my + n;
        field.resize(3 * n);
        double* wx = field.data();
        double* wy = wx + n;
        double* wz = wy + n;
        if (spins.pair.empty()) {
            double x = 0.0, y = 0.0, z = 0.0;
            for (std::size_t j = 0; j < n; ++j) {
                x += spins.weight[j] * mx[j];
                y += spins.weight[j] * my[j];
                z += spins.weight[j] * mz[j];
            }
            std::fill_n(wx, n, x);
            std::fill_n(wy, n, y);
            std::fill_n(wz, n, z);
        } else {
            std::fill(field.begin(), field.end(), 0.0);
            for (std::size_t j = 0; j < n; ++j) {
                const double* f = &spins.pair[j * n];
                for (std::size_t i = 0; i < n; ++i) {
                    wx[i] += f[i] * mx[j];
                    wy[i] += f[i] * my[j];
                    wz[i] += f[i] * mz[j];
                }
            }
        }
        const double drive_x = drive * std::cos(drive_phase - larmor * time);
        const double drive_y = drive * std::sin(drive_phase - larmor * time);
        const double square = dephasing > 0.0 ? left(time) * left(time) : 1.0;
        double* dx = slope.data();
        double* dy = dx + n;
        double* dz = dy + n;
        for (std::size_t i = 0; i < n; ++i) {
            const double strength = spins.strength.empty() ? 1.0 : spins.strength[i];
            const double bx = alpha_x * wx[i] + strength * drive_x;
            const double by = alpha_y * wy[i] + strength * drive_y;
            const double bz = alpha_z * wz[i] + spins.offset[i] + larmor;
            dx[i] = my[i] * bz - mz[i] * by - spins.rate2[i] * mx[i];
            dy[i] = mz[i] * bx - mx[i] * bz - spins.rate2[i] * my[i];
            dz[i] = square * (mx[i] * by - my[i] * bx) - spins.rate1[i] * mz[i] + spins.pump[i];
        }
    }

    /// About the fastest turn of a spin, without a drive [rad/us].
    double fastest(double coupling) const {
        double offset = 0.0;
        double rate = 0.0;
        for (const double one : spins.offset) offset = std::max(offset, std::abs(one));
        for (std::size_t i = 0; i < spins.rate1.size(); ++i) {
            rate = std::max(rate, spins.rate1[i] + spins.rate2[i]);
        }
        return offset + larmor + rate +
               0.5 * coupling * std::max({std::abs(alpha_x), std::abs(alpha_y), std::abs(alpha_z)});
    }
};

BlochEquations equations_of(const Experiment& experiment, double refinement, double last_us) {
    BlochEquations equations;
    const nmrsim::Interaction& interaction = experiment.interaction;
    const double per_us = kTurn * 1e-3;  // of a kHz
    equations.alpha_x = per_us * interaction.alpha_x_khz;
    equations.alpha_y = per_us * interaction.alpha_y_khz.value_or(interaction.alpha_x_khz);
    equations.alpha_z = per_us * interaction.alpha_z_khz;
    if (experiment.accuracy.frame == nmrsim::Frame::laboratory) {
        equations.larmor = kTurn * experiment.line.larmor_mhz;
    } else {
        // In the turning axes only their mean stands still.
        equations.alpha_x = equations.alpha_y = 0.5 * (equations.alpha_x + equations.alpha_y);
    }
    equations.spins = spins_of(experiment, last_us, refinement);
    if (experiment.relaxation.stretching != 1.0) {
        // The same for all spins.
        equations.dephasing = equations.spins.rate2.front() - 0.5 * equations.spins.rate1.front();
        equations.exponent = experiment.relaxation.stretching;
        for (double& rate : equations.spins.rate2) rate -= equations.dephasing;
    }
    return equations;
}

/// What happens from `begin` on, until the next one's.
struct Stretch {
    double begin = 0.0;  ///< [us]
    double end = 0.0;    ///< [us]
    double angle = 0.0;  ///< of a pulse [rad]
    double phase = 0.0;  ///< of a pulse [rad]
    bool pulse = false;
};

/// Events one after the other; the spins' free motion after the last of them is not one of them.
std::vector<Stretch> stretches_of(const nmrsim::Sequence& sequence,
                                  const std::vector<double>& phase_deg) {
    std::vector<Stretch> list;
    double now = 0.0;
    std::size_t pulses = 0;
    const auto delay = [&](double duration) {
        list.push_back({now, now + duration});
        now += duration;
    };
    const auto pulse = [&](double flip_deg, double at_deg, double duration) {
        const double more = phase_deg.empty() ? 0.0 : phase_deg.at(pulses);
        ++pulses;
        list.push_back({now, now + duration, flip_deg * sequence.pulse_scale * kRadian,
                        (at_deg + more) * kRadian, true});
        now += duration;
    };
    if (const auto* echo = std::get_if<nmrsim::HahnEcho>(&sequence.program)) {
        pulse(echo->flip_deg, echo->flip_phase_deg, echo->flip_duration_us);
        // tau is between the centres.
        delay(echo->tau_us - 0.5 * echo->flip_duration_us - 0.5 * echo->refocus_duration_us);
        pulse(echo->flip_deg * echo->refocus_ratio, echo->refocus_phase_deg,
              echo->refocus_duration_us);
        return list;
    }
    for (const auto& event : std::get<std::vector<nmrsim::Event>>(sequence.program)) {
        if (const auto* one = std::get_if<nmrsim::Pulse>(&event)) {
            pulse(one->flip_deg, one->phase_deg, one->duration_us);
        } else {
            delay(std::get<nmrsim::Delay>(event).duration_us);
        }
    }
    return list;
}

/// What the times of a window count from [us].
double origin_of(const std::vector<Stretch>& stretches, nmrsim::TimeOrigin origin,
                 std::size_t pulses) {
    if (origin == nmrsim::TimeOrigin::start) return 0.0;
    double end = 0.0, echo = 0.0, before = 0.0, turned = 0.0;
    std::size_t count = 0;
    for (const Stretch& stretch : stretches) {
        if (!stretch.pulse || count == pulses) continue;
        ++count;
        const double centre = 0.5 * (stretch.begin + stretch.end), angle = std::abs(stretch.angle);
        // What runs apart does so from the pulse before, in a train from its echo.
        const bool train = count > 2 && before < echo && echo < centre && turned >= angle;
        echo = count == 1 ? centre : 2.0 * centre - (train ? echo : before);
        before = centre;
        turned = angle;
        end = stretch.end;
    }
    return origin == nmrsim::TimeOrigin::pulse ? end : echo;
}

std::vector<double> sample_times(const Experiment& experiment) {
    const nmrsim::Acquisition& acquisition = experiment.acquisition;
    std::vector<nmrsim::AcquisitionWindow> windows = acquisition.windows;
    if (windows.empty()) {
        windows.push_back({acquisition.start_us, acquisition.stop_us, acquisition.points,
                           acquisition.origin, nmrsim::kAllPulses});
    }
    const std::vector<Stretch> stretches = stretches_of(experiment.sequence, {});
    std::vector<double> times;
    for (const nmrsim::AcquisitionWindow& window : windows) {
        const double origin = origin_of(stretches, window.origin, window.pulses);
        for (int k = 0; k < window.points; ++k) {
            const double share =
                window.points > 1 ? static_cast<double>(k) / (window.points - 1) : 0.0;
            times.push_back(origin + (1.0 - share) * window.start_us + share * window.stop_us);
        }
    }
    return times;
}

/// Turns every spin by -angle about (cos phase, sin phase, 0): the motion dm/dt = m x B in a field
/// along that axis.
///
/// Args: strength: (spins) that the angle is times, or empty.
void turn(State& m, double nominal, double phase, const std::vector<double>& strength) {
    const std::size_t n = m.size() / 3;
    const double ax = std::cos(phase), ay = std::sin(phase);
    for (std::size_t i = 0; i < n; ++i) {
        const double angle = strength.empty() ? nominal : strength[i] * nominal;
        double& x = m[i];
        double& y = m[n + i];
        double& z = m[2 * n + i];
        // The part along the axis stays; that across it, in the plane, trades with z.
        const double along = ax * x + ay * y, across = ax * y - ay * x;
        const double turned = across * std::cos(angle) + z * std::sin(angle);
        z = z * std::cos(angle) - across * std::sin(angle);
        x = along * ax - turned * ay;
        y = along * ay + turned * ax;
    }
}

/// The motion in time, step by step.
class Motion {
public:
    Motion(const Experiment& experiment, const Precision& precision)
        : equations_(
              equations_of(experiment, precision.refinement, sample_times(experiment).back())),
          stepper_(boost::numeric::odeint::make_controlled(
              precision.step, precision.step,
              boost::numeric::odeint::runge_kutta_fehlberg78<State>())),
          free_step_(0.5 / (equations_.fastest(coupling_sum(experiment)) + 1e-3)) {}

    void start(const nmrsim::StartState& start) {
        const std::size_t n = equations_.spins.offset.size();
        m_.assign(3 * n, start.mx);
        std::fill_n(m_.begin() + static_cast<std::ptrdiff_t>(n), n, start.my);
        std::fill_n(m_.begin() + static_cast<std::ptrdiff_t>(2 * n), n, start.mz);
        now_ = 0.0;
    }

    void pulse(double angle, double phase) {
        const double left = equations_.left(now_);
        if (equations_.dephasing > 0.0) scale(left);
        turn(m_, angle, phase - equations_.larmor * now_, equations_.spins.strength);
        if (equations_.dephasing > 0.0) scale(1.0 / left);
    }

    /// The field of a pulse from here on; 0: none.
    void drive(double rate, double phase) {
        equations_.drive = rate;
        equations_.drive_phase = phase;
        step_ = 1.0 / (1.0 / free_step_ + std::abs(rate));
    }

    void evolve_to(double end) {
        const double origin = now_, length = end - origin;
        double done =
            0.0;  // counted from here: a pulse may be far shorter than the time's rounding
        while (done < length) {
            const double tried = std::min(step_, length - done);
            const bool last = tried >= length - done;
            double piece = tried, time = origin + done;
            if (stepper_.try_step(equations_, m_, time, piece) == boost::numeric::odeint::success) {
                done = last ? length : done + tried;
                if (!last || piece > step_) step_ = piece;
            } else {
                step_ = piece;
            }
            if (!(step_ > 1e-14)) throw std::runtime_error("the oracle's step vanishes");
        }
        now_ = end;
    }

    Complex plus() const {
        const std::size_t n = equations_.spins.offset.size();
        Complex sum = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            sum += equations_.spins.weight[i] * Complex(m_[i], m_[n + i]);
        }
        if (equations_.dephasing > 0.0) sum *= equations_.left(now_);
        return sum * std::polar(1.0, equations_.larmor * now_);
    }

    double along() const {
        const std::size_t n = equations_.spins.offset.size();
        double sum = 0.0;
        for (std::size_t i = 0; i < n; ++i) sum += equations_.spins.weight[i] * m_[2 * n + i];
        return sum;
    }

private:
    using Stepper = decltype(boost::numeric::odeint::make_controlled(
        1.0, 1.0, boost::numeric::odeint::runge_kutta_fehlberg78<State>()));

    /// Of x and y.
    void scale(double factor) {
        const std::size_t n = equations_.spins.offset.size();
        for (std::size_t i = 0; i < 2 * n; ++i) m_[i] *= factor;
    }

    BlochEquations equations_;
    Stepper stepper_;
    double free_step_;  ///< to begin with [us]
    double step_ = 0.0;
    State m_;
    double now_ = 0.0;
};

/// One run of the sequence at the sample times: adds factor M+ and share Mz to the signal.
void add_run(Motion& motion, const std::vector<Stretch>& stretches, double same, Complex factor,
             double share, nmrsim::Signal& signal) {
    std::size_t next = 0;
    const auto sample_before = [&](double end) {
        for (; next < signal.points() && signal.time_us[next] < end - same; ++next) {
            motion.evolve_to(signal.time_us[next]);
            const Complex plus = factor * motion.plus();
            signal.mx[next] += plus.real();
            signal.my[next] += plus.imag();
            signal.mz[next] += share * motion.along();
        }
    };
    // Samples at the very time of a pulse belong after it.
    for (const Stretch& stretch : stretches) {
        if (next == signal.points()) return;
        const double duration = stretch.end - stretch.begin;
        if (stretch.pulse && !(duration > 0.0)) {
            motion.pulse(stretch.angle, stretch.phase);
            continue;
        }
        motion.drive(stretch.pulse ? stretch.angle / duration : 0.0, stretch.phase);
        sample_before(stretch.end);
        if (next < signal.points()) motion.evolve_to(stretch.end);
    }
    motion.drive(0.0, 0.0);
    sample_before(HUGE_VAL);
}

/// Gain and phase, and nothing during a pulse or until the dead time after it is over.
void read(const nmrsim::Acquisition& acquisition, const std::vector<Stretch>& stretches,
          double same, nmrsim::Signal& signal) {
    const Complex factor = std::polar(acquisition.gain, acquisition.receiver_phase_deg * kRadian);
    for (std::size_t k = 0; k < signal.points(); ++k) {
        Complex plus = factor * Complex(signal.mx[k], signal.my[k]);
        for (const Stretch& stretch : stretches) {
            const double time = signal.time_us[k];
            if (stretch.pulse && acquisition.dead_time_us > 0.0 && time >= stretch.begin - same &&
                time < stretch.end + acquisition.dead_time_us - same) {
                plus = 0.0;
            }
        }
        signal.mx[k] = plus.real();
        signal.my[k] = plus.imag();
    }
}

}  // namespace

nmrsim::Signal solve(const Experiment& experiment, const Precision& precision) {
    const nmrsim::Acquisition& acquisition = experiment.acquisition;
    nmrsim::Signal signal;
    signal.time_us = sample_times(experiment);
    for (auto* m : {&signal.mx, &signal.my, &signal.mz}) m->assign(signal.points(), 0.0);
    const double same = kSameTime * (1.0 + signal.time_us.back());
    Motion motion(experiment, precision);
    std::vector<nmrsim::PhaseCycleStep> cycle = experiment.phase_cycle.steps;
    if (cycle.empty()) cycle.emplace_back();
    const double share = 1.0 / static_cast<double>(cycle.size());
    for (const nmrsim::PhaseCycleStep& step : cycle) {
        motion.start(experiment.start);
        add_run(motion, stretches_of(experiment.sequence, step.pulse_deg), same,
                std::polar(share, -step.receiver_deg * kRadian), share, signal);
    }
    read(acquisition, stretches_of(experiment.sequence, {}), same, signal);
    return signal;
}

double cost_s(const Experiment& experiment) {
    // Measured on one core: a step of 13 slopes goes over some radian.
    constexpr double kSpinSlope = 6e-9, kPairSlope = 1e-9, kRadiansAStep = 1.2, kSlopesAStep = 13.0;
    const double stop = sample_times(experiment).back();
    const double per_us = kTurn * 1e-3;
    const nmrsim::Interaction& interaction = experiment.interaction;
    const nmrsim::Relaxation& r = experiment.relaxation;
    const double alpha =
        std::max({std::abs(interaction.alpha_x_khz), std::abs(interaction.alpha_z_khz),
                  std::abs(interaction.alpha_y_khz.value_or(0.0))});
    const double rate =
        per_us * (experiment.line.cutoff_khz + std::abs(experiment.line.centre_khz) +
                  0.5 * alpha * coupling_sum(experiment)) +
        1e-6 * (r.gamma1_per_s + r.gamma2_per_s + r.gamma3_per_s);
    double turns = rate * stop, pieces = experiment.acquisition.points;
    for (const Stretch& stretch : stretches_of(experiment.sequence, {})) {
        if (stretch.begin > stop) break;
        ++pieces;
        if (stretch.pulse && stretch.end > stretch.begin) turns += std::abs(stretch.angle);
    }
    const double n = count_of_spins(experiment, stop);
    const double slope =
        kSpinSlope * n + (std::holds_alternative<nmrsim::UniformKernel>(interaction.kernel)
                              ? 0.0
                              : kPairSlope * n * n);
    const double cycle =
        static_cast<double>(std::max<std::size_t>(1, experiment.phase_cycle.steps.size()));
    return cycle * kSlopesAStep * (turns / kRadiansAStep + pieces) * slope;
}

}  // namespace oracle
