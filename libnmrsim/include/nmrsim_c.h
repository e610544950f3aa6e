/** @file
 * The C interface of libnmrsim (C99): for C, and for languages that call C (Julia, Fortran, MATLAB,
 * Python's ctypes).
 *
 * Errors. A function that can fail returns NMRSIM_OK, 0, or one of the other codes below;
 * nmrsim_last_error() then says in one line what was wrong. What it would have written is then
 * unspecified, an experiment that it would have changed is as before. No C++ exception comes out.
 *
 * Arrays belong to the caller. The number of elements (not bytes) stands after each one and must be
 * exactly what its shape says. Shapes are row-major, the last index fastest: (3, points) holds the
 * points of Mx, then those of My, then those of Mz. In Fortran, Julia and MATLAB, where the first
 * index is the fastest, the same array is declared (points, 3).
 *
 * Units. A parameter's name carries its unit: _khz, _us, _deg, _per_s. Magnetizations are means of
 * <Ix>, <Iy>, <Iz>, at most 1/2. Curves have the receiver's phase cycle, phase and gain, no noise.
 *
 * Threads. Calls on different experiments are independent. One experiment may be read (const) by
 * several threads at once, or changed by one while no other uses it.
 */
#ifndef NMRSIM_C_H
#define NMRSIM_C_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define NMRSIM_API __attribute__((visibility("default")))
#else
#define NMRSIM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** What a function returns. */
enum {
    NMRSIM_OK = 0,
    /** An argument is null, out of range or of the wrong size. */
    NMRSIM_INVALID_ARGUMENT = 1,
    /** A file or text from outside says something that cannot be used. */
    NMRSIM_INPUT_ERROR = 2,
    /** The machine failed on the way. */
    NMRSIM_FAILURE = 3,
    NMRSIM_OUT_OF_MEMORY = 4,
    /** nmrsim_request_stop() has been called. */
    NMRSIM_STOPPED = 5
};

/** An experiment: everything that a simulation needs. Made by nmrsim_load(), nmrsim_parse() or
 * nmrsim_copy(), ended by nmrsim_free(). */
typedef struct nmrsim_experiment nmrsim_experiment;

/** The library's version, "0.1.0". A constant. */
NMRSIM_API const char* nmrsim_version(void);

/** What was wrong with the calling thread's last call that failed, one line; "" before the first.
 * Holds until the thread's next call that fails. */
NMRSIM_API const char* nmrsim_last_error(void);

/** Asks every calculation of this process to end, within one curve too: the calls then return
 * NMRSIM_STOPPED within about a second. Safe in a signal's handler and in other threads. It holds
 * until nmrsim_clear_stop(). */
NMRSIM_API void nmrsim_request_stop(void);

/** Takes the request back, before the next calculation. */
NMRSIM_API void nmrsim_clear_stop(void);

/** Name of the experiment `index`, from 0, of those that ship; NULL behind the last. A constant. */
NMRSIM_API const char* nmrsim_shipped_experiment(size_t index);

/** An experiment by the name of one that ships, or from a TOML file.
 *
 * @param experiment receives the new experiment, which the caller frees; NULL on failure. */
NMRSIM_API int nmrsim_load(const char* name_or_path, nmrsim_experiment** experiment);

/** The same from TOML text; messages say "text:LINE". */
NMRSIM_API int nmrsim_parse(const char* toml, nmrsim_experiment** experiment);

/** An independent copy, which the caller frees. */
NMRSIM_API int nmrsim_copy(const nmrsim_experiment* experiment, nmrsim_experiment** copy);

/** Ends an experiment. NULL is fine. */
NMRSIM_API void nmrsim_free(nmrsim_experiment* experiment);

/** Changes one value: "interaction.alpha_x_khz=60", as --set of the programs. */
NMRSIM_API int nmrsim_set(nmrsim_experiment* experiment, const char* setting);

/** Changes one real-valued parameter by its name alone, "alpha_x_khz" (docs/parameters.md). */
NMRSIM_API int nmrsim_set_value(nmrsim_experiment* experiment, const char* parameter, double value);

/** Reads one parameter; of a choice, its index + 1/2. */
NMRSIM_API int nmrsim_get_value(const nmrsim_experiment* experiment, const char* parameter,
                                double* value);

/** The whole experiment as TOML, which nmrsim_parse() reads back.
 *
 * @param toml receives the text and a final 0; may be NULL if capacity is 0.
 * @param capacity of `toml` [bytes].
 * @param length receives the length of the text without the final 0; may be NULL. If capacity <=
 *     length and capacity > 0, the call fails. */
NMRSIM_API int nmrsim_to_toml(const nmrsim_experiment* experiment, char* toml, size_t capacity,
                              size_t* length);

/** Samples of a curve; 0 for NULL. */
NMRSIM_API size_t nmrsim_points(const nmrsim_experiment* experiment);

/** Times of the samples from the start of the sequence [us].
 *
 * @param time_us (points) */
NMRSIM_API int nmrsim_times_us(const nmrsim_experiment* experiment, double* time_us,
                               size_t time_size);

/** Unknowns of the prior; 0 for NULL. */
NMRSIM_API size_t nmrsim_unknowns(const nmrsim_experiment* experiment);

/** Name of unknown `index`, "alpha_x_khz"; NULL behind the last. A constant. */
NMRSIM_API const char* nmrsim_unknown_name(const nmrsim_experiment* experiment, size_t index);

/** Its unit, "kHz"; "" where dimensionless; NULL behind the last. A constant. */
NMRSIM_API const char* nmrsim_unknown_unit(const nmrsim_experiment* experiment, size_t index);

/** The range of unknown `index` under the prior, in its unit. Of a choice among n: 0 and n, and the
 * value that stands for choice k is k + 1/2. */
NMRSIM_API int nmrsim_unknown_range(const nmrsim_experiment* experiment, size_t index, double* low,
                                    double* high);

/** Draws `first_index`, first_index + 1, ... of the prior: each a function of (seed, index) alone.
 *
 * @param parameters (count, unknowns), receives the draws; count is as many as it holds. */
NMRSIM_API int nmrsim_draw(const nmrsim_experiment* experiment, uint64_t seed, uint64_t first_index,
                           double* parameters, size_t parameters_size);

/** The lattice seeds that data sets use for the same draws.
 *
 * @param lattice_seeds (count) */
NMRSIM_API int nmrsim_draw_lattice_seeds(uint64_t seed, uint64_t first_index,
                                         uint64_t* lattice_seeds, size_t lattice_seeds_size);

/** One curve.
 *
 * @param signal (3, points), receives Mx, My, Mz.
 * @param estimated_error receives the estimated largest error of M as a share of the curve's
 *     largest |M|, 0 where there is no estimate; may be NULL. */
NMRSIM_API int nmrsim_simulate(const nmrsim_experiment* experiment, double* signal,
                               size_t signal_size, double* estimated_error);

/** Many curves on many cores, which fill the lanes of the processor's vectors together: the way to
 * simulate thousands.
 *
 * @param parameters (count, unknowns), the unknowns in the prior's order.
 * @param lattice_seeds (count); NULL and 0: lattice.seed for all (the uniform kernel has none).
 * @param signal (count, 2, points), receives Mx and My.
 * @param threads 0: all cores. The curves do not depend on it. */
NMRSIM_API int nmrsim_simulate_batch(const nmrsim_experiment* experiment, const double* parameters,
                                     size_t parameters_size, const uint64_t* lattice_seeds,
                                     size_t lattice_seeds_size, float* signal, size_t signal_size,
                                     int threads);

/** One curve with its exact derivatives.
 *
 * @param names (name_count) names of parameters; NULL and 0: the prior's unknowns, in order.
 * @param signal (3, points), receives Mx, My, Mz.
 * @param derivatives (name_count, 3, points), receives their derivatives per unit of each
 *     parameter. */
NMRSIM_API int nmrsim_simulate_with_derivatives(const nmrsim_experiment* experiment,
                                                const char* const* names, size_t name_count,
                                                double* signal, size_t signal_size,
                                                double* derivatives, size_t derivatives_size);

/** Many curves with their derivatives by the prior's unknowns; a lattice has lattice.seed.
 *
 * @param parameters (count, unknowns)
 * @param signal (count, 2, points), receives Mx and My.
 * @param derivatives (count, unknowns, 2, points)
 * @param threads 0: all cores. */
NMRSIM_API int nmrsim_simulate_batch_with_derivatives(const nmrsim_experiment* experiment,
                                                      const double* parameters,
                                                      size_t parameters_size, float* signal,
                                                      size_t signal_size, float* derivatives,
                                                      size_t derivatives_size, int threads);

#ifdef __cplusplus
}
#endif

#endif
