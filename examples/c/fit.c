/* Simulates a noisy echo and reads its couplings back through nmrsim_fit.h.
 *
 *     cc -std=c99 fit.c $(pkg-config --cflags --libs nmrsim-fit) -lm -o fit && ./fit
 */
#include <nmrsim_fit.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program if a call failed. */
static void check(int status) {
    if (status == NMRSIM_OK) return;
    fprintf(stderr, "fit: %s\n", nmrsim_last_error());
    exit(1);
}

int main(void) {
    const double truth[] = {60.0, 120.0, 50.0}; /* alpha_x, alpha_z [kHz], flip [degrees] */
    nmrsim_experiment* experiment = NULL;
    nmrsim_fit_options options;
    float signal[2 * 64];
    double estimates[3 * 6];
    unsigned noise = 1;
    size_t i, k;
    int verdict;

    check(nmrsim_load("challenge-2021", &experiment));
    check(nmrsim_set(experiment, "acquisition.start_us=180"));
    check(nmrsim_set(experiment, "acquisition.stop_us=220"));
    check(nmrsim_set(experiment, "acquisition.points=64"));
    check(nmrsim_simulate_batch(experiment, truth, 3, NULL, 0, signal, 2 * 64, 0));
    for (i = 0; i < 2 * 64; ++i) { /* uniform noise of standard deviation 1e-3 */
        noise = 1664525u * noise + 1013904223u;
        signal[i] += (float)(1e-3 * 3.4641 * ((double)(noise >> 8) / 16777216.0 - 0.5));
    }

    nmrsim_fit_defaults(&options);
    options.noise = 1e-3;
    check(nmrsim_fit(experiment, &options, NULL, 0, signal, 2 * 64, estimates, 3 * 6, &verdict, 1,
                     NULL, 0, NULL, 0));
    for (k = 0; k < 3; ++k) {
        printf("%s = %.2f +- %.2f %s, is %.2f\n", nmrsim_unknown_name(experiment, k),
               estimates[6 * k], estimates[6 * k + 1], nmrsim_unknown_unit(experiment, k), truth[k]);
    }
    printf("%s\n", verdict == NMRSIM_FIT_OK ? "ok" : "not sure");
    nmrsim_free(experiment);
    return 0;
}
