/// The coefficients of an explicit Runge-Kutta method of eighth order.
#pragma once

namespace nmrsim {

/// 11 stages. Source: G. J. Cooper, J. H. Verner, SIAM J. Numer. Anal. 9, 389 (1972), table 1.
struct CooperVerner {
    static constexpr int kStages = 11;
    static constexpr double s = 4.58257569495584000659;  // sqrt(21)
    static constexpr double kTime[kStages] = {0.0,
                                              0.5,
                                              0.5,
                                              (7.0 + s) / 14.0,
                                              (7.0 + s) / 14.0,
                                              0.5,
                                              (7.0 - s) / 14.0,
                                              (7.0 - s) / 14.0,
                                              0.5,
                                              (7.0 + s) / 14.0,
                                              1.0};
    /// Of the slopes of earlier stages in each.
    static constexpr double kStage[kStages][kStages] = {
        {},
        {0.5},
        {0.25, 0.25},
        {1.0 / 7.0, (-7.0 - 3.0 * s) / 98.0, (21.0 + 5.0 * s) / 49.0},
        {(11.0 + s) / 84.0, 0.0, (18.0 + 4.0 * s) / 63.0, (21.0 - s) / 252.0},
        {(5.0 + s) / 48.0, 0.0, (9.0 + s) / 36.0, (-231.0 + 14.0 * s) / 360.0,
         (63.0 - 7.0 * s) / 80.0},
        {(10.0 - s) / 42.0, 0.0, (-432.0 + 92.0 * s) / 315.0, (633.0 - 145.0 * s) / 90.0,
         (-504.0 + 115.0 * s) / 70.0, (63.0 - 13.0 * s) / 35.0},
        {1.0 / 14.0, 0.0, 0.0, 0.0, (14.0 - 3.0 * s) / 126.0, (13.0 - 3.0 * s) / 63.0, 1.0 / 9.0},
        {1.0 / 32.0, 0.0, 0.0, 0.0, (91.0 - 21.0 * s) / 576.0, 11.0 / 72.0,
         (-385.0 - 75.0 * s) / 1152.0, (63.0 + 13.0 * s) / 128.0},
        {1.0 / 14.0, 0.0, 0.0, 0.0, 1.0 / 9.0, (-733.0 - 147.0 * s) / 2205.0,
         (515.0 + 111.0 * s) / 504.0, (-51.0 - 11.0 * s) / 56.0, (132.0 + 28.0 * s) / 245.0},
        {0.0, 0.0, 0.0, 0.0, (-42.0 + 7.0 * s) / 18.0, (-18.0 + 28.0 * s) / 45.0,
         (-273.0 - 53.0 * s) / 72.0, (301.0 + 53.0 * s) / 72.0, (28.0 - 28.0 * s) / 45.0,
         (49.0 - 7.0 * s) / 18.0}};
    /// Of the slopes in the step.
    static constexpr double kWeight[kStages] = {1.0 / 20.0,  0.0,          0.0,       0.0,
                                                0.0,         0.0,          0.0,       49.0 / 180.0,
                                                16.0 / 45.0, 49.0 / 180.0, 1.0 / 20.0};
};

}  // namespace nmrsim
