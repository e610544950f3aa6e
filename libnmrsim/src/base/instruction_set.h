/// Which vector instructions to use, chosen at run time.
#pragma once

namespace nmrsim {

enum class InstructionSet { baseline, avx2, avx512 };

/// The best one that this machine runs, or the lesser one that the environment variable
/// NMRSIM_INSTRUCTION_SET (baseline, avx2, avx512) asks for. Asked once.
InstructionSet instruction_set();

/// The version of a function or an object that the set asks for, of those which a kernel file
/// defines in the namespaces baseline, avx2 and avx512.
#if defined(__x86_64__)
#define NMRSIM_BEST(name)                                                       \
    (nmrsim::instruction_set() == nmrsim::InstructionSet::avx512 ? avx512::name \
     : nmrsim::instruction_set() == nmrsim::InstructionSet::avx2 ? avx2::name   \
                                                                 : baseline::name)
#else
#define NMRSIM_BEST(name) (baseline::name)
#endif

}  // namespace nmrsim
