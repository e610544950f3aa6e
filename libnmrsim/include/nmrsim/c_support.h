/// What C interfaces over C++ functions share: the experiment behind the handle, errors as codes,
/// the caller's arrays.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

#include "nmrsim/experiment.h"
#include "nmrsim_c.h"

struct nmrsim_experiment {
    nmrsim::Experiment value;
};

namespace nmrsim::c {

/// The code of nmrsim_c.h for the exception that is being handled, whose message it keeps.
int code_of_exception() noexcept;

/// Runs `action` and turns what it throws into a code of nmrsim_c.h and a message for
/// nmrsim_last_error().
template <typename Action>
int guarded(const Action& action) noexcept {
    try {
        action();
        return NMRSIM_OK;
    } catch (...) {
        return code_of_exception();
    }
}

/// What nmrsim_last_error() returns.
const char* last_error() noexcept;

/// Throws: std::invalid_argument where the pointer is null.
template <typename T>
T& required(T* pointer, const char* name) {
    if (!pointer) throw std::invalid_argument(std::string(name) + " must not be null");
    return *pointer;
}

/// Throws: std::invalid_argument where a caller's array has not `size` elements.
void require_size(std::size_t found, std::size_t size, const char* name, const char* shape);

/// The caller's array, which must have `size` elements.
template <typename T>
std::span<T> array(T* data, std::size_t found, std::size_t size, const char* name,
                   const char* shape) {
    require_size(found, size, name, shape);
    if (size > 0) required(data, name);
    return {data, size};
}

/// Throws: std::invalid_argument for threads < 0.
void check_threads(int threads);

}  // namespace nmrsim::c
