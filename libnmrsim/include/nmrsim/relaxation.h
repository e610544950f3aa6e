/// Relaxation by Lindblad rates.
#pragma once

namespace nmrsim {

/// Rates toward +z, toward -z and of pure dephasing; trace is kept. Dephasing may be a stretched or
/// a Gaussian decay in place of an exponential one.
struct Relaxation {
    double gamma1_per_s = 0.0;  ///< Gamma_1, toward +z [1/s], >= 0
    double gamma2_per_s = 0.0;  ///< Gamma_2, toward -z [1/s], >= 0
    double gamma3_per_s = 0.0;  ///< Gamma_3, pure dephasing [1/s], >= 0
    /// The challenges give Gamma_3 as d = -log(Gamma_3 / 2 pi 1 MHz) to this base: 10 in 2020,
    /// e = 2.718281828459045 in 2024. > 1
    double d_base = 10.0;
    /// Pure dephasing leaves exp(-(Gamma_3 t / 2)^stretching) of what is transverse, t since the
    /// sequence's start; 1: Lindblad's exponential, 2: a Gaussian. 0.25 to 4
    double stretching = 1.0;

    /// 1/T1 = Gamma_1 + Gamma_2 [1/s]
    double longitudinal_rate() const { return gamma1_per_s + gamma2_per_s; }
    /// 1/T2 = (Gamma_1 + Gamma_2 + Gamma_3) / 2 [1/s]; where dephasing is stretched and nothing
    /// relaxes along z, what is transverse has fallen to 1/e at T2 all the same.
    double transverse_rate() const { return 0.5 * (gamma1_per_s + gamma2_per_s + gamma3_per_s); }
    /// -log of what relaxation leaves at one time of what is transverse at another [s], both >= 0.
    double transverse_loss(double from_s, double to_s) const;
    /// (Gamma_1 - Gamma_2) / (2 (Gamma_1 + Gamma_2)), 0 where both vanish.
    double equilibrium_mz() const;

    void validate() const;
};

/// The rates with the given T1 and T2 that relax to mz = +1/2.
///
/// Args: t1_us, t2_us [us], > 0. Throws: std::invalid_argument unless T2 <= 2 T1.
Relaxation relaxation_from_times(double t1_us, double t2_us);

}  // namespace nmrsim
