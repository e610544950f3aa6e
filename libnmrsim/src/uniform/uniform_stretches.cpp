#include "uniform/uniform_group.h"

#include "nmrsim/stop.h"

namespace nmrsim {

template <typename Real>
int UniformGroup<Real>::quiet_stretches(const Stepped& stepped, std::size_t lane, double stretch_s,
                                        int most) {
    const UniformCurve& curve = curves_[lane];
    double strength = kTwoPi * std::abs(curve.numbers.alpha_plane_hz);
    // A derivative feels M however weak the coupling is, as a share of what a decay makes of
    // it.
    for (const UniformNumbers& tangent : curve.tangents) {
        if (tangent.alpha_plane_hz != 0.0) strength = std::max(strength, plan_.line_rate);
    }
    if (strength == 0.0) return most;
    const std::vector<double>& offset = plan_.nodes.offset_hz;
    const double edge = plan_.nodes.reach_hz;
    const int looks = std::max(1, static_cast<int>(std::ceil(edge * stretch_s)));
    const double spacing_s = stretch_s / looks;
    const double decay = std::exp(-curve.numbers.rates.transverse_per_s * spacing_s);
    free_.resize(5 * nodes_);
    double *x = free_.data(), *y = x + nodes_, *cosine = y + nodes_, *sine = cosine + nodes_,
           *inside = sine + nodes_;
    if (free_spacing_s_ != spacing_s) {
        free_spacing_s_ = spacing_s;
        for (std::size_t i = 0; i < nodes_; ++i) {
            const double share = offset[i] / edge, rest = 1.0 - share * share;
            inside[i] = rest * rest * rest * rest;
            const double angle = kTwoPi * offset[i] * spacing_s;
            cosine[i] = std::cos(angle);
            sine[i] = std::sin(angle);
        }
    }
    double at_edge = 0.0, everywhere = 0.0;
    for (std::size_t i = 0; i < nodes_; ++i) {
        const double weight = std::abs(weight_of(0, lane, i));
        everywhere += weight;
        if (std::abs(offset[i]) > kNearEdge * edge) at_edge += weight;
        const Real* m = lane_of(stepped.state, stepped.rows, i, 0, lane);
        x[i] = static_cast<double>(m[0]);
        y[i] = static_cast<double>(m[lanes_]);
    }
    const double noise = kSpinLength * plan_.nodes.total_weight * kNoise;
    // Of a near box many spins ring together; each of several sites has edges of its own.
    const bool few =
        kTwoPi * edge >= kFarCut * plan_.line_rate && plan_.nodes.blocks.back().site == 0;
    const double ringing = few ? at_edge / everywhere : 1.0;
    double turned = 0.0, left = 1.0;
    for (int stretch = 0; stretch < most; ++stretch) {
        throw_if_stopped();
        for (int look = 0; look < looks; ++look) {
            double sum_x = 0.0, sum_y = 0.0, all_x = 0.0, all_y = 0.0;
            for (std::size_t i = 0; i < nodes_; ++i) {
                sum_x += inside[i] * x[i];
                sum_y += inside[i] * y[i];
                all_x += x[i];
                all_y += y[i];
                const double next = cosine[i] * x[i] + sine[i] * y[i];
                y[i] = cosine[i] * y[i] - sine[i] * x[i];
                x[i] = next;
            }
            const double magnitude =
                left * (std::hypot(sum_x, sum_y) + ringing * std::hypot(all_x, all_y));
            left *= decay;
            if (magnitude > noise) turned += strength * magnitude * spacing_s;
            if (turned > plan_.quiet_rad) return stretch;
        }
    }
    return most;
}

template <typename Real>
void UniformGroup<Real>::turn_freely(const Stepped& stepped, const std::vector<std::size_t>& moving,
                                     std::size_t lane, double from_s, double to_s, bool store) {
    const double time_s = to_s - from_s;
    const UniformNumbers& curve = frames_.numbers(0, lane);
    const double start_s = since_start_s(lane, from_s), stop_s = since_start_s(lane, to_s);
    const double lost = curve.rates.transverse_per_s * time_s + stretched_loss(curve, stop_s) -
                        stretched_loss(curve, start_s);
    const double kept = store ? 0.0 : std::exp(-lost);
    const auto mz_between = [&](std::size_t t) {
        return frames_.mz_integral(t, lane, to_s) - frames_.mz_integral(t, lane, from_s);
    };
    const double common = kTwoPi * curve.alpha_plane_hz * mz_between(0);
    std::vector<double> slope(moving.size(), 0.0), shrinks(moving.size(), 0.0);
    std::vector<LongitudinalDecay> along(moving.size(), longitudinal_decay(curve, time_s));
    for (std::size_t r = 1; r < moving.size(); ++r) {
        const UniformNumbers& tangent = frames_.numbers(moving[r], lane);
        slope[r] = kTwoPi * (tangent.alpha_plane_hz * mz_between(0) +
                             curve.alpha_plane_hz * mz_between(moving[r]));
        shrinks[r] = tangent.rates.transverse_per_s * time_s;
        if (stretched_) {
            shrinks[r] +=
                stretched_loss(curve, tangent, stop_s) - stretched_loss(curve, tangent, start_s);
        }
        along[r] = longitudinal_decay(curve, tangent, time_s);
    }
    for (std::size_t i = 0; i < nodes_; ++i) {
        const double angle = kTwoPi * plan_.nodes.offset_hz[i] * time_s + common;
        const double c = kept * std::cos(angle), s = kept * std::sin(angle);
        const Real* of_curve = lane_of(stepped.state, stepped.rows, i, 0, lane);
        for (std::size_t r = moving.size(); r-- > 0;) {
            Real* m = lane_of(stepped.state, stepped.rows, i, r, lane);
            double x = static_cast<double>(m[0]), y = static_cast<double>(m[lanes_]);
            double z = static_cast<double>(m[2 * lanes_]) * along[0].kept +
                       weight_of(moving[r], lane, i) * along[0].gain;
            if (r > 0) {
                const double cx = static_cast<double>(of_curve[0]);
                const double cy = static_cast<double>(of_curve[lanes_]);
                x += slope[r] * cy - shrinks[r] * cx;
                y -= slope[r] * cx + shrinks[r] * cy;
                z += static_cast<double>(of_curve[2 * lanes_]) * along[r].kept +
                     weight_of(0, lane, i) * along[r].gain;
            }
            m[0] = static_cast<Real>(c * x + s * y);
            m[lanes_] = static_cast<Real>(c * y - s * x);
            m[2 * lanes_] = static_cast<Real>(z);
        }
    }
    for (std::size_t r = 0; r < moving.size(); ++r) {
        put(stepped.total_z + r * lanes_, lane, frames_.mz_at(moving[r], lane, to_s));
    }
}

template <typename Real>
void UniformGroup<Real>::steps_with_looks(const Stepped& stepped,
                                          const std::vector<std::size_t>& moving,
                                          const UniformSegment& segment, const Direction& tables) {
    const int between = segment.steps_between_looks;
    const int stretches = segment.steps / between, first = segment.steps % between;
    const double stretch_s = between * segment.step_s;
    const double end_s = segment.duration_us * kSecondsPerUs;
    const bool stores = segment.rest_us > 0.0;
    const int beyond = static_cast<int>(segment.quiet_us * kSecondsPerUs / stretch_s);
    const std::size_t entries = vectors_ * 3 * stepped.rows;
    Real* kept = work_.kept.at_least(entries * lanes_);
    std::vector<int> left(curves_.size(), stretches);
    const auto copy_lane = [&](const Real* from, Real* to, std::size_t lane) {
        if (across_) {
            std::copy_n(from, entries * lanes_, to);
            return;
        }
        for (std::size_t k = 0; k < entries; ++k) to[k * lanes_ + lane] = from[k * lanes_ + lane];
    };
    steps(stepped, tables, 0, first, nullptr);
    for (int done = first;; done += between) {
        bool more = false;
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            int& n = left[lane];
            if (n < 0) continue;
            const int quiet = quiet_stretches(stepped, lane, stretch_s, n + beyond);
            const bool to_end = quiet == n + beyond;
            const double now_s = end_s - n * stretch_s;
            if (to_end) {
                turn_freely(stepped, moving, lane, now_s, end_s + segment.rest_us * kSecondsPerUs,
                            stores);
                n = 0;
            } else if (std::min(quiet, n) > kLeastStretches) {
                const int skipped = std::min(quiet, n) - 1;
                turn_freely(stepped, moving, lane, now_s, now_s + skipped * stretch_s, false);
                n -= skipped;
            }
            if (n == 0) {
                if (stores && !to_end) result_.loud[lane] = true;
                copy_lane(stepped.state, kept, lane);
                n = -1;
            } else {
                more = true;
            }
        }
        if (!more) break;
        steps(stepped, tables, done, between, nullptr);
        for (int& n : left) n = std::max(n - 1, -1);
    }
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        copy_lane(kept, stepped.state, lane);
    }
}

template void UniformGroup<float>::steps_with_looks(const Stepped&, const std::vector<std::size_t>&,
                                                    const UniformSegment&, const Direction&);
template void UniformGroup<double>::steps_with_looks(const Stepped&,
                                                     const std::vector<std::size_t>&,
                                                     const UniformSegment&, const Direction&);

}  // namespace nmrsim
