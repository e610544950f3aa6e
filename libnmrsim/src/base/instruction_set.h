/// Which vector instructions to use, chosen at run time.
#pragma once

namespace nmrsim {

enum class InstructionSet { baseline, avx2, avx512 };

/// The best one that this machine runs, or the lesser one that the environment variable
/// NMRSIM_INSTRUCTION_SET (baseline, avx2, avx512) asks for. Asked once.
InstructionSet instruction_set();

}  // namespace nmrsim
