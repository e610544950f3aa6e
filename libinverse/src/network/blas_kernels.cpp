#include "network/blas_kernels.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>
#include <string_view>

namespace nmrinverse {
namespace {

/// OpenBLAS's name for the newest family that this processor can run; null for none above its
/// fallback.
const char* best_family() {
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        return "SkylakeX";
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
    return nullptr;
}

template <typename Function>
Function* find(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

void choose() {
    if (std::getenv("OPENBLAS_CORETYPE")) return;
    const auto core_name = find<char*()>("openblas_get_corename");
    const auto quit = find<void()>("gotoblas_dynamic_quit");
    const auto init = find<void()>("gotoblas_dynamic_init");
    const char* family = best_family();
    // "Prescott" is what it falls back to on x86-64.
    if (!core_name || !quit || !init || !family || std::string_view(core_name()) != "Prescott")
        return;
    setenv("OPENBLAS_CORETYPE", family, 1);  // read by init()
    quit();
    init();
    unsetenv("OPENBLAS_CORETYPE");
}

}  // namespace

void choose_blas_kernels() {
    static std::once_flag once;
    std::call_once(once, choose);
}

}  // namespace nmrinverse
