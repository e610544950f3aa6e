/// The Bloch equations of a uniformly coupled line by plain Runge-Kutta steps, for tests.
///
/// Nodes, pulses and steps are its own; of the library it takes the description of an experiment.
#pragma once

#include <algorithm>
#include <cmath>
#include <variant>
#include <vector>

#include "nmrsim/experiment.h"

namespace plain_bloch {

constexpr double kTurn = 6.283185307179586;  // radians

/// Spins of a Lorentzian or Gaussian line within its cut: x, y and z of spin i are entries i,
/// n + i and 2 n + i of a state. Rates are in 1/us, angular frequencies in rad/us.
struct Spins {
    std::vector<double> offset, weight;
    double alpha_plane = 0.0, alpha_z = 0.0;
    double rate1 = 0.0, rate2 = 0.0, rest = 0.0;

    /// dm/dt = m x B, B = (alpha_plane Mx, alpha_plane My, alpha_z Mz + offset), and relaxation.
    void slope(const std::vector<double>& m, std::vector<double>& out) const {
        const std::size_t n = offset.size();
        const double *x = m.data(), *y = x + n, *z = y + n;
        double *dx = out.data(), *dy = dx + n, *dz = dy + n;
        double sum[3];
        mean(m, sum);
        const double bx = alpha_plane * sum[0], by = alpha_plane * sum[1];
        for (std::size_t i = 0; i < n; ++i) {
            const double bz = alpha_z * sum[2] + offset[i];
            dx[i] = y[i] * bz - z[i] * by - rate2 * x[i];
            dy[i] = z[i] * bx - x[i] * bz - rate2 * y[i];
            dz[i] = x[i] * by - y[i] * bx - rate1 * (z[i] - rest);
        }
    }

    void mean(const std::vector<double>& m, double* sum) const {
        const std::size_t n = offset.size();
        for (std::size_t c = 0; c < 3; ++c) {
            sum[c] = 0.0;
            for (std::size_t i = 0; i < n; ++i) sum[c] += weight[i] * m[c * n + i];
        }
    }

    /// Highest angular frequency or rate at which anything moves.
    double fastest() const {
        double edge = 0.0;
        for (const double w : offset) edge = std::max(edge, std::abs(w));
        return edge + 0.5 * (std::abs(alpha_plane) + std::abs(alpha_z)) + rate1 + rate2;
    }
};

/// Nodes: eight of Gauss and Legendre on each of many pieces, even in asinh(offset / width) and so
/// short that none turns by more than three radians over `longest_us`.
inline Spins spins_of(const nmrsim::Experiment& e, double longest_us) {
    constexpr double kNode[] = {0.1834346424956498, 0.5255324099163290, 0.7966664774136267,
                                0.9602898564975363};
    constexpr double kWeight[] = {0.3626837833783620, 0.3137066458778873, 0.2223810344533745,
                                  0.1012285362903763};
    const double per_us = kTurn * 1e-3;  // of a kHz
    const double cut = per_us * e.line.cutoff_khz, width = per_us * e.line.half_width_khz;
    Spins spins;
    const auto density = [&](double w) {
        const double r = w / width;
        return e.line.shape == nmrsim::LineShape::gaussian ? std::exp2(-r * r)
                                                           : 1.0 / (1.0 + r * r);
    };
    const double end = std::asinh(cut / width);
    const int panels = 2 * static_cast<int>(std::ceil(3.0 * end));
    double total = 0.0;
    for (int p = 0; p < panels; ++p) {
        const double low = width * std::sinh(end * (2.0 * p / panels - 1.0));
        const double high = width * std::sinh(end * (2.0 * (p + 1) / panels - 1.0));
        const int pieces = 1 + static_cast<int>((high - low) * longest_us / 3.0);
        const double half = 0.5 * (high - low) / pieces;
        for (int j = 0; j < pieces; ++j) {
            const double middle = low + (2 * j + 1) * half;
            for (int q = 0; q < 8; ++q) {
                const double at = q < 4 ? kNode[q] : -kNode[q - 4];
                spins.offset.push_back(middle + half * at);
                spins.weight.push_back(half * kWeight[q % 4] * density(spins.offset.back()));
                total += spins.weight.back();
            }
        }
    }
    for (double& w : spins.weight) w /= total;  // the line is renormalized
    for (double& w : spins.offset) w += per_us * e.line.centre_khz;
    spins.alpha_plane =
        per_us * 0.5 *
        (e.interaction.alpha_x_khz + e.interaction.alpha_y_khz.value_or(e.interaction.alpha_x_khz));
    spins.alpha_z = per_us * e.interaction.alpha_z_khz;
    const nmrsim::Relaxation& r = e.relaxation;
    spins.rate1 = 1e-6 * (r.gamma1_per_s + r.gamma2_per_s);
    spins.rate2 = 0.5e-6 * (r.gamma1_per_s + r.gamma2_per_s + r.gamma3_per_s);
    if (spins.rate1 > 0.0) {
        spins.rest = 0.5e-6 * (r.gamma1_per_s - r.gamma2_per_s) / spins.rate1;
    }
    return spins;
}

/// (3, points): Mx, My and Mz at the samples' times. Ideal pulses only.
///
/// Args: turn: largest turn of any spin in a step [rad].
inline std::vector<double> fixed_steps(const nmrsim::Experiment& e, double turn) {
    const nmrsim::Acquisition& window = e.acquisition;
    Spins spins = spins_of(e, window.stop_us);
    const std::size_t n = spins.offset.size();
    const std::size_t points = static_cast<std::size_t>(window.points);
    std::vector<double> m(3 * n), k1(3 * n), k2(3 * n), k3(3 * n), k4(3 * n), at(3 * n);
    for (std::size_t i = 0; i < n; ++i) {
        m[i] = e.start.mx;
        m[n + i] = e.start.my;
        m[2 * n + i] = e.start.mz;
    }
    double now = 0.0;
    const double longest = turn / spins.fastest();
    const auto evolve_to = [&](double time) {
        const int steps = static_cast<int>(std::ceil((time - now) / longest));
        const double h = steps > 0 ? (time - now) / steps : 0.0;
        for (int s = 0; s < steps; ++s) {
            const auto moved = [&](const std::vector<double>& k, double share) {
                for (std::size_t i = 0; i < 3 * n; ++i) at[i] = m[i] + share * h * k[i];
            };
            spins.slope(m, k1);
            moved(k1, 0.5);
            spins.slope(at, k2);
            moved(k2, 0.5);
            spins.slope(at, k3);
            moved(k3, 1.0);
            spins.slope(at, k4);
            for (std::size_t i = 0; i < 3 * n; ++i) {
                m[i] += h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
            }
        }
        now = time;
    };
    std::vector<double> signal(3 * points);
    std::size_t next = 0;
    const auto sample_before = [&](double end) {
        for (; next < points; ++next) {
            const double share = points > 1 ? static_cast<double>(next) / (window.points - 1) : 0.0;
            const double time = window.start_us + share * (window.stop_us - window.start_us);
            if (!(time < end)) return;
            evolve_to(time);
            double sum[3];
            spins.mean(m, sum);
            for (std::size_t c = 0; c < 3; ++c) signal[c * points + next] = sum[c];
        }
    };
    double end = 0.0;
    for (const nmrsim::Event& event : nmrsim::sequence_events(e.sequence)) {
        if (const auto* delay = std::get_if<nmrsim::Delay>(&event)) {
            end += delay->duration_us;
            sample_before(end - 1e-8);  // those at a pulse come after it
            if (next == points) return signal;
            evolve_to(end);
            continue;
        }
        // exp(+i theta n . I) turns m by -theta about n.
        const nmrsim::Pulse& pulse = std::get<nmrsim::Pulse>(event);
        const double theta = pulse.flip_deg * kTurn / 360.0, phi = pulse.phase_deg * kTurn / 360.0;
        const double ax = std::cos(phi), ay = std::sin(phi), c = std::cos(theta),
                     s = std::sin(theta);
        for (std::size_t i = 0; i < n; ++i) {
            const double along = ax * m[i] + ay * m[n + i], across = ax * m[n + i] - ay * m[i];
            const double turned = c * across + s * m[2 * n + i];
            m[2 * n + i] = c * m[2 * n + i] - s * across;
            m[i] = ax * along - ay * turned;
            m[n + i] = ay * along + ax * turned;
        }
    }
    sample_before(window.stop_us + 1.0);
    return signal;
}

/// (3, points), and how far it may be off.
struct Curve {
    std::vector<double> m;
    double error = 0.0;
};

/// Twice, with steps of one and of half, and what both say of none.
inline Curve solve(const nmrsim::Experiment& e, double turn) {
    const std::vector<double> coarse = fixed_steps(e, turn), fine = fixed_steps(e, 0.5 * turn);
    Curve curve{fine, 0.0};
    for (std::size_t k = 0; k < fine.size(); ++k) {
        const double change = (fine[k] - coarse[k]) / 15.0;
        curve.m[k] += change;
        curve.error = std::max(curve.error, std::abs(change));
    }
    return curve;
}

}  // namespace plain_bloch
