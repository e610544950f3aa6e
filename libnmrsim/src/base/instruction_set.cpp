#include "base/instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace nmrsim {
namespace {

InstructionSet best() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        return InstructionSet::avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return InstructionSet::avx2;
    }
#endif
    return InstructionSet::baseline;
}

InstructionSet choose() {
    const char* asked = std::getenv("NMRSIM_INSTRUCTION_SET");
    if (!asked) return best();
    const std::string_view name(asked);
    if (name == "baseline") return InstructionSet::baseline;
    if (name == "avx2") return std::min(best(), InstructionSet::avx2);
    return best();
}

}  // namespace

InstructionSet instruction_set() {
    static const InstructionSet chosen = choose();
    return chosen;
}

}  // namespace nmrsim
