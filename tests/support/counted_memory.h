/// Counts what a program takes by new; include in one source only, since it replaces new and
/// delete.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "thread_sanitizer.h"

namespace counted_memory {

inline std::atomic<long long> now{0};
inline std::atomic<long long> most{0};
inline std::atomic<std::size_t> largest{0};  ///< size asked for at once

/// Returns: null where there is none.
inline void* take_if_any(std::size_t size) noexcept {
    void* const bytes = std::malloc(std::max<std::size_t>(size, 1));
    if (!bytes) return nullptr;
    const long long taken = now += static_cast<long long>(malloc_usable_size(bytes));
    long long before = most;
    while (taken > before && !most.compare_exchange_weak(before, taken)) {
    }
    std::size_t larger = largest;
    while (size > larger && !largest.compare_exchange_weak(larger, size)) {
    }
    return bytes;
}

inline void* take(std::size_t size) {
    if (void* const bytes = take_if_any(size)) return bytes;
    throw std::bad_alloc();
}

inline void give(void* bytes) {
    now -= static_cast<long long>(malloc_usable_size(bytes));
    std::free(bytes);
}

/// Most bytes that were taken at one time while `action` ran, beside those before it.
template <typename Action>
long long peak(const Action& action) {
    const long long before = now;
    most = before;
    action();
    return most - before;
}

}  // namespace counted_memory

#ifndef NMRSIM_THREAD_SANITIZER  // nothing is counted there
// Not inlined, or the compiler takes the memory for that of another allocator.
[[gnu::noinline]] void* operator new(std::size_t size) {
    return counted_memory::take(size);
}
[[gnu::noinline]] void* operator new[](std::size_t size) {
    return counted_memory::take(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return counted_memory::take_if_any(size);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return counted_memory::take_if_any(size);
}
[[gnu::noinline]] void operator delete(void* bytes) noexcept {
    counted_memory::give(bytes);
}
[[gnu::noinline]] void operator delete[](void* bytes) noexcept {
    counted_memory::give(bytes);
}
[[gnu::noinline]] void operator delete(void* bytes, std::size_t) noexcept {
    counted_memory::give(bytes);
}
[[gnu::noinline]] void operator delete[](void* bytes, std::size_t) noexcept {
    counted_memory::give(bytes);
}
#endif
