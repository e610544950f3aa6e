/// The width of a vector register of the instruction set that a kernel file is compiled for.
#pragma once

namespace nmrsim {
namespace NMRSIM_ISA {

#if defined(NMRSIM_ISA_avx512)
inline constexpr int kVectorBytes = 64;
#elif defined(NMRSIM_ISA_avx2)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
