#include "nmrsim/c_support.h"

#include <fmt/format.h>

#include <cstdio>
#include <new>

#include "nmrsim/errors.h"
#include "nmrsim/stop.h"

namespace nmrsim::c {
namespace {

/// Of a fixed size, so that there is room to say that memory has run out.
thread_local char message_of_last[1024] = "";

int failed(int code, const char* message) noexcept {
    std::snprintf(message_of_last, sizeof message_of_last, "%s", message);
    for (char* c = message_of_last; *c; ++c) {
        if (*c == '\n' || *c == '\r') *c = ' ';
    }
    return code;
}

}  // namespace

int code_of_exception() noexcept {
    try {
        throw;
    } catch (const std::invalid_argument& error) {
        return failed(NMRSIM_INVALID_ARGUMENT, error.what());
    } catch (const InputError& error) {
        return failed(NMRSIM_INPUT_ERROR, error.what());
    } catch (const Stopped& stop) {
        return failed(NMRSIM_STOPPED, stop.what());
    } catch (const std::bad_alloc&) {
        return failed(NMRSIM_OUT_OF_MEMORY, "not enough memory");
    } catch (const std::exception& error) {
        return failed(NMRSIM_FAILURE, error.what());
    } catch (...) {
        return failed(NMRSIM_FAILURE, "unknown failure");
    }
}

const char* last_error() noexcept {
    return message_of_last;
}

void require_size(std::size_t found, std::size_t size, const char* name, const char* shape) {
    if (found == size) return;
    throw std::invalid_argument(
        fmt::format("{} must have {} elements, {}, got {}", name, size, shape, found));
}

void check_threads(int threads) {
    if (threads >= 0) return;
    throw std::invalid_argument(fmt::format("threads must be >= 0, got {}", threads));
}

}  // namespace nmrsim::c
