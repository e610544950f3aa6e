#include "uniform/uniform_group.h"

#include <cstring>
#include <limits>

namespace nmrsim {

template <typename Real>
template <typename Out>
void UniformGroup<Real>::samples(const UniformSegment& segment, const SegmentTables<Real>& tables,
                                 std::span<Out> out) {
    const std::size_t points = static_cast<std::size_t>(segment.end_sample - segment.first_sample);
    const std::size_t all = plan_.time_us.size();
    const std::size_t start = static_cast<std::size_t>(segment.first_sample);
    Real* phasor = work_.phasor.at_least(points * 2 * lanes_);
    Real* slope = work_.slope.at_least(points * tangents_ * lanes_);
    Real* signal = work_.signal.at_least(points * 2 * rows_ * lanes_);
    std::memset(phasor, 0, points * 2 * lanes_ * sizeof(Real));
    const auto time_s = [&](std::size_t k, std::size_t lane) {
        return (plan_.time_us[start + k] - spans_[lane].start_us) * kSecondsPerUs;
    };
    // Even samples of a steady Mz turn by the same angle each: a product instead of a sine and
    // a cosine, started anew now and then so that rounding does not gather.
    const double spacing_s =
        points > 1 ? (time_s(points - 1, 0) - time_s(0, 0)) / static_cast<double>(points - 1) : 0.0;
    constexpr std::size_t kRestart = 128;
    bool even = points > 1;
    for (std::size_t k = 1; k < points && even; ++k) {
        even = std::abs(time_s(k, 0) - time_s(k - 1, 0) - spacing_s) < 1e-6 * spacing_s;
    }
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const bool steady = even && frames_.steady(lane);
        const double turn = frames_.phase(0, lane, spacing_s);
        const double turn_cos = std::cos(turn), turn_sin = std::sin(turn);
        double c = 1.0, s = 0.0;
        for (std::size_t k = 0; k < points; ++k) {
            if (!steady || k % kRestart == 0) {
                const double phase = frames_.phase(0, lane, time_s(k, lane));
                c = std::cos(phase);
                s = std::sin(phase);
            } else {
                const double next = c * turn_cos - s * turn_sin;
                s = s * turn_cos + c * turn_sin;
                c = next;
            }
            const double kept =
                stretched_ ? std::exp(-stretched_loss(frames_.numbers(0, lane),
                                                      since_start_s(lane, time_s(k, lane))))
                           : 1.0;
            phasor[2 * k * lanes_ + lane] = static_cast<Real>(kept * c);
            phasor[(2 * k + 1) * lanes_ + lane] = static_cast<Real>(kept * s);
        }
    }
    for (std::size_t k = 0; k < points; ++k) {
        for (std::size_t t = 1; t < rows_; ++t) {
            Real* row = slope + (k * tangents_ + t - 1) * lanes_;
            std::fill_n(row, lanes_, Real(0));
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                row[lane] = static_cast<Real>(frames_.phase(t, lane, time_s(k, lane)));
            }
        }
    }
    UniformSamples<Real> job;
    job.points = static_cast<int>(points);
    job.tangents = static_cast<int>(tangents_);
    job.phase_slope = slope;
    job.order = plan_.order;
    job.first = segment.first_record.data();
    job.weight = tables.weight.data();
    job.record = record_;
    if (own_steps_) {
        align(segment);
        job.first = first_.data();
        job.weight = nullptr;
        job.position = position_.data();
        job.shift = work_.shift.data();
        job.record = work_.aligned.data();
    }
    job.phasor = phasor;
    job.signal = signal;
    kernels_.sample(job);
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const bool steady = frames_.steady(lane);
        const std::size_t first =
            static_cast<std::size_t>(std::max(spans_[lane].first_sample, segment.first_sample));
        const std::size_t end =
            static_cast<std::size_t>(std::max(spans_[lane].end_sample, segment.first_sample));
        for (std::size_t t = 0; t < rows_; ++t) {
            Out* mx = &out[((lane * rows_ + t) * 3 + 0) * all + start];
            Out* my = mx + all;
            Out* mz = my + all;
            const auto out_of_curve = [&](std::size_t k) {
                return &out[lane * rows_ * 3 * all + start + k];
            };
            for (std::size_t k = first - start; k < end - start; ++k) {
                mx[k] = static_cast<Out>(signal[2 * (rows_ * k + t) * lanes_ + lane]);
                my[k] = static_cast<Out>(signal[(2 * (rows_ * k + t) + 1) * lanes_ + lane]);
                mz[k] = static_cast<Out>(steady ? frames_.mz(t, lane)
                                                : frames_.mz_at(t, lane, time_s(k, lane)));
                if (t == 0 || !stretched_) continue;
                const double lost =
                    stretched_loss(frames_.numbers(0, lane), frames_.numbers(t, lane),
                                   since_start_s(lane, time_s(k, lane)));
                mx[k] -= static_cast<Out>(lost * static_cast<double>(out_of_curve(k)[0]));
                my[k] -= static_cast<Out>(lost * static_cast<double>(out_of_curve(k)[all]));
            }
        }
    }
}

template <typename Real>
void UniformGroup<Real>::align(const UniformSegment& segment) {
    const double step_us = segment.step_s / kSecondsPerUs;
    const auto points = static_cast<std::size_t>(segment.end_sample - segment.first_sample);
    first_.resize(points);
    position_.resize(points);
    std::vector<double> position(points);
    int lowest = std::numeric_limits<int>::max(), highest = 0;
    for (std::size_t k = 0; k < points; ++k) {
        const std::size_t at = static_cast<std::size_t>(segment.first_sample) + k;
        position[k] = plan_.time_us[at] / step_us;
        first_[k] = first_record(position[k]);
        position_[k] = static_cast<Real>(position[k] - first_[k]);
        lowest = std::min(lowest, first_[k]);
        highest = std::max(highest, first_[k]);
    }
    for (int& first : first_) first -= lowest;
    const int count = highest - lowest + kInterpolationOrder;
    const int records = segment.steps_before + segment.steps + segment.steps_after + 1;
    const std::size_t size = 2 * rows_ * lanes_;
    Real* aligned = work_.aligned.at_least(static_cast<std::size_t>(count) * size);
    Real* shift = work_.shift.at_least(lanes_);
    std::fill_n(aligned, static_cast<std::size_t>(count) * size, Real(0));
    std::fill_n(shift, lanes_, Real(0));
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const double later = spans_[lane].start_us / step_us;
        const int whole = static_cast<int>(std::lround(later));
        shift[lane] = static_cast<Real>(later - whole);
        for (int i = 0; i < count; ++i) {
            const int from = lowest + i - whole + segment.steps_before;
            if (from < 0 || from >= records) continue;  // of samples that others have
            for (std::size_t k = lane; k < size; k += lanes_) {
                aligned[static_cast<std::size_t>(i) * size + k] =
                    record_[static_cast<std::size_t>(from) * size + k];
            }
        }
    }
}

template <typename Real>
template <typename Out>
void UniformGroup<Real>::own_samples(const UniformSegment& segment, std::span<Out> out) const {
    const std::size_t all = plan_.time_us.size();
    const std::size_t order = static_cast<std::size_t>(plan_.order);
    double weight[kInterpolationOrder];
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const UniformSpan& span = spans_[lane];
        for (int k = span.first_sample; k < span.end_sample; ++k) {
            const std::size_t at = static_cast<std::size_t>(k);
            const double time_s = (plan_.time_us[at] - span.start_us) * kSecondsPerUs;
            const std::size_t first = static_cast<std::size_t>(
                segment.steps_before + sample_weights(time_s / step_s_[lane], weight));
            const double phase = frames_.phase(0, lane, time_s);
            const UniformNumbers& curve = frames_.numbers(0, lane);
            const double since_s = since_start_s(lane, time_s);
            const double kept = stretched_ ? std::exp(-stretched_loss(curve, since_s)) : 1.0;
            const double c = kept * std::cos(phase), s = kept * std::sin(phase);
            double curve_x = 0.0, curve_y = 0.0;
            for (std::size_t t = 0; t < rows_; ++t) {
                double x = 0.0, y = 0.0;
                for (std::size_t j = 0; j < order; ++j) {
                    const Real* record = record_ + 2 * (rows_ * (first + j) + t) * lanes_ + lane;
                    x += weight[j] * static_cast<double>(record[0]);
                    y += weight[j] * static_cast<double>(record[lanes_]);
                }
                if (t == 0) {
                    curve_x = x;
                    curve_y = y;
                } else {
                    const double slope = frames_.phase(t, lane, time_s);
                    const double lost =
                        stretched_ ? stretched_loss(curve, frames_.numbers(t, lane), since_s) : 0.0;
                    x += slope * curve_y - lost * curve_x;
                    y -= slope * curve_x + lost * curve_y;
                }
                Out* mx = &out[(lane * rows_ + t) * 3 * all + at];
                mx[0] = static_cast<Out>(c * x + s * y);
                mx[all] = static_cast<Out>(c * y - s * x);
                mx[2 * all] = static_cast<Out>(frames_.mz_at(t, lane, time_s));
            }
        }
    }
}

template void UniformGroup<float>::samples(const UniformSegment&, const SegmentTables<float>&,
                                           std::span<float>);
template void UniformGroup<float>::own_samples(const UniformSegment&, std::span<float>) const;
template void UniformGroup<float>::samples(const UniformSegment&, const SegmentTables<float>&,
                                           std::span<double>);
template void UniformGroup<float>::own_samples(const UniformSegment&, std::span<double>) const;
template void UniformGroup<double>::samples(const UniformSegment&, const SegmentTables<double>&,
                                            std::span<float>);
template void UniformGroup<double>::own_samples(const UniformSegment&, std::span<float>) const;
template void UniformGroup<double>::samples(const UniformSegment&, const SegmentTables<double>&,
                                            std::span<double>);
template void UniformGroup<double>::own_samples(const UniformSegment&, std::span<double>) const;

}  // namespace nmrsim
