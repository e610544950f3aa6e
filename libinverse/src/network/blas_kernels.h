/// Which of OpenBLAS's kernels multiply the matrices.
#pragma once

namespace nmrinverse {

/// Makes OpenBLAS use kernels that fit this processor.
///
/// OpenBLAS 0.3.21 (Debian 12) takes processors newer than itself for a Pentium 4 of 2004 and then
/// multiplies four times slower than it can. Where it did so, and the environment's
/// OPENBLAS_CORETYPE does not say otherwise, it is told what the processor can do. Nothing happens
/// with another BLAS. The first call decides; no other thread may be in BLAS meanwhile.
void choose_blas_kernels();

}  // namespace nmrinverse
