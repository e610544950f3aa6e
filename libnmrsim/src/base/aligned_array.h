/// Arrays of numbers aligned for vector instructions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "base/padding.h"

namespace nmrsim {

/// Zeros at first, aligned to 64 bytes as the kernels and FFTW like it.
template <class Real>
class AlignedArray {
public:
    AlignedArray() = default;
    explicit AlignedArray(std::size_t size) { resize(size); }

    /// All zeros afterwards where the size changes; otherwise as it was.
    void resize(std::size_t size) {
        if (size == size_) return;
        data_.reset(size ? static_cast<Real*>(
                               ::operator new (size * sizeof(Real), std::align_val_t{kAlignment}))
                         : nullptr);
        size_ = size;
        clear();
    }
    /// Grows where it is smaller; what it holds is then zeros, otherwise whatever it held.
    Real* at_least(std::size_t size) {
        if (size > size_) resize(size);
        return data();
    }
    void clear() { std::fill_n(data_.get(), size_, Real()); }
    std::size_t size() const { return size_; }
    Real* data() { return data_.get(); }
    const Real* data() const { return data_.get(); }
    Real& operator[](std::size_t i) { return data_.get()[i]; }
    const Real& operator[](std::size_t i) const { return data_.get()[i]; }

private:
    static constexpr std::size_t kAlignment = 64;
    struct Delete {
        void operator()(Real* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
    };
    std::unique_ptr<Real, Delete> data_;
    std::size_t size_ = 0;
};

/// `n` rounded up to a multiple of kLatticePadding.
inline std::size_t padded(std::size_t n) {
    constexpr std::size_t kStep = static_cast<std::size_t>(kLatticePadding);
    return (n + kStep - 1) / kStep * kStep;
}

}  // namespace nmrsim
