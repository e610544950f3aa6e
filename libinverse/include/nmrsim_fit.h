/** @file
 * Fits through C (C99), without LibTorch: what nmrinverse/fit.h does of an experiment. Errors,
 * arrays and units are as in nmrsim_c.h.
 */
#ifndef NMRSIM_FIT_H
#define NMRSIM_FIT_H

#include "nmrsim_c.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How to fit. nmrsim_fit_defaults() fills it in; change what is otherwise. */
typedef struct nmrsim_fit_options {
    /** Standard deviation of the noise on each of Mx and My of a sample, > 0. 0: not known, which
     * measured curves alone may say. */
    double noise;
    /** Not 0: the curves are as an instrument left them. The echo is sought, the noise is taken from
     * the record, the receiver's offset and the clock are fitted. */
    int measured;
    /** Of measured curves. Not 0: the echo may lie at any shift. */
    int align;
    /** Whether gain and phase of the receiver are unknown; -1: of measured curves alone. */
    int fit_gain;
    int fit_phase;
    /** Whether there is a constant beside the curve; -1: of measured curves alone. */
    int fit_offset;
    /** The clock may be off by so much [us]; 0: it is right, or what suits measured curves. */
    double time_zero_range_us;
    /** Of all draws. */
    uint64_t seed;
    /** 0: all cores. The fit does not depend on it. */
    int threads;
} nmrsim_fit_options;

/** A fit's verdict: met within the noise, of use with care, or not what the curve says. */
enum { NMRSIM_FIT_OK = 0, NMRSIM_FIT_CAUTION = 1, NMRSIM_FIT_REJECT = 2 };

/** Noise not known, alignment on, gain, phase and offset -1, the rest 0. NULL is fine. */
NMRSIM_API void nmrsim_fit_defaults(nmrsim_fit_options* options);

/** Fits curves by an experiment of the uniform kernel, whose prior names the unknowns.
 *
 * @param time_us (points), when the curves were sampled; NULL and 0: as the experiment says.
 * @param signal (count, 2, points), Mx and My; count is as many as it holds.
 * @param estimates (count, unknowns, 6), receives mean, standard deviation and the quantiles at 5%,
 *     25%, 75% and 95% of each unknown's posterior.
 * @param verdicts (count), receives NMRSIM_FIT_OK, _CAUTION or _REJECT; NULL and 0: none is given.
 * @param receiver (count, 3), receives the receiver's gain and phase [degrees], and the shift of
 * the experiment's time zero on the curve's axis [us]; NULL and 0: not told.
 * @param samples (count, draws, unknowns), receives draws of each posterior, as many as it holds;
 *     NULL and 0: none. */
NMRSIM_API int nmrsim_fit(const nmrsim_experiment* experiment, const nmrsim_fit_options* options,
                          const double* time_us, size_t time_size, const float* signal,
                          size_t signal_size, double* estimates, size_t estimates_size,
                          int* verdicts, size_t verdicts_size, double* receiver,
                          size_t receiver_size, double* samples, size_t samples_size);

#ifdef __cplusplus
}
#endif

#endif
