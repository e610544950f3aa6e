/// Symmetric splitting of a time step into coupling turns and offset turns.
///
/// With the uniform kernel both parts are solved exactly: the offsets turn every spin about z, and
/// the coupling turns all spins about their mean, which that very turn leaves where it is. So a
/// step needs no extrapolated field and no history; it is symplectic, reversible, and of any order
/// that a composition has.
#pragma once

#include <span>

namespace nmrsim {

/// Coupling turns `coupling` (passes + 1) around offset turns `offset` (passes), both in shares of
/// the step and palindromic.
struct SplittingScheme {
    const char* name;
    int order;
    std::span<const double> coupling;
    std::span<const double> offset;
    /// The error of M over a window, as a share of the largest |M|, is about
    /// (w h)^order (offset_error k / |M| + coupling_error k^(order + 1)), w the line's half width
    /// [rad/s], k the coupling's frequency 2 pi alpha |M|max over w: 99% of draws of the 2021 task
    /// lie below it. Fixed by benchmarks/accuracy_benchmark.cpp.
    double offset_error;
    double coupling_error;
};

/// Order 2: the plain symmetric step.
const SplittingScheme& strang_scheme();

/// Order 4, six passes. S. Blanes, P. C. Moan, J. Comput. Appl. Math. 142, 313 (2002), S6 of
/// order 4.
const SplittingScheme& blanes_moan_4();

/// Order 6, ten passes. The same, S10 of order 6.
const SplittingScheme& blanes_moan_6();

}  // namespace nmrsim
