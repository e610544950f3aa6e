/* Simulates an echo, a batch of draws and the derivatives of a curve through nmrsim_c.h.
 *
 *     cc -std=c99 echo.c $(pkg-config --cflags --libs nmrsim) -lm -o echo && ./echo
 */
#include <math.h>
#include <nmrsim_c.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program if a call failed. */
static void check(int status) {
    if (status != NMRSIM_OK) {
        fprintf(stderr, "echo: %s\n", nmrsim_last_error());
        exit(status == NMRSIM_INVALID_ARGUMENT || status == NMRSIM_INPUT_ERROR ? 2 : 1);
    }
}

static void* allocate(size_t count, size_t size) {
    void* memory = calloc(count, size);
    if (!memory) {
        fprintf(stderr, "echo: not enough memory\n");
        exit(1);
    }
    return memory;
}

int main(int argc, char** argv) {
    const size_t count = 8;
    nmrsim_experiment* experiment = NULL;
    size_t points, unknowns, i, k, peak = 0;
    double *time_us, *signal, *derivatives, *parameters;
    float* batch;

    check(nmrsim_load(argc > 1 ? argv[1] : "challenge-2021", &experiment));
    check(nmrsim_set(experiment, "interaction.alpha_x_khz=60"));
    points = nmrsim_points(experiment);
    unknowns = nmrsim_unknowns(experiment);

    /* One curve with its derivatives by the unknowns: (3, points) and (unknowns, 3, points). */
    time_us = allocate(points, sizeof *time_us);
    signal = allocate(3 * points, sizeof *signal);
    derivatives = allocate(unknowns * 3 * points, sizeof *derivatives);
    check(nmrsim_times_us(experiment, time_us, points));
    check(nmrsim_simulate_with_derivatives(experiment, NULL, 0, signal, 3 * points, derivatives,
                                           unknowns * 3 * points));
    for (i = 0; i < points; ++i) {
        if (hypot(signal[i], signal[points + i]) > hypot(signal[peak], signal[points + peak])) {
            peak = i;
        }
    }
    printf("nmrsim %s: %lu points, the echo peaks at %.2f us with |M| = %.4f\n", nmrsim_version(),
           (unsigned long)points, time_us[peak], hypot(signal[peak], signal[points + peak]));
    for (k = 0; k < unknowns; ++k) {
        printf("dMx/d%s there: %g per %s\n", nmrsim_unknown_name(experiment, k),
               derivatives[3 * k * points + peak], nmrsim_unknown_unit(experiment, k));
    }

    /* Draws of the prior, (count, unknowns), and their curves on all cores, (count, 2, points). */
    parameters = allocate(count * unknowns, sizeof *parameters);
    batch = allocate(count * 2 * points, sizeof *batch);
    check(nmrsim_draw(experiment, 7, 0, parameters, count * unknowns));
    check(nmrsim_simulate_batch(experiment, parameters, count * unknowns, NULL, 0, batch,
                                count * 2 * points, 0));
    printf("%lu curves, Mx of the last at its last point: %g\n", (unsigned long)count,
           (double)batch[((count - 1) * 2 + 1) * points - 1]);

    /* What is wrong is said in words. */
    if (nmrsim_set(experiment, "interaction.alfa_x_khz=60") != NMRSIM_OK) {
        printf("refused: %s\n", nmrsim_last_error());
    }

    free(batch);
    free(parameters);
    free(derivatives);
    free(signal);
    free(time_us);
    nmrsim_free(experiment);
    return 0;
}
