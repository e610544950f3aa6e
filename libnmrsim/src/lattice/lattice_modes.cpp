#include "lattice/lattice_modes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Columns and mode rows that go through the products at a time: what they touch stays in the first
/// level cache.
constexpr std::size_t kPanel = 64;
constexpr int kLines = 12;
static_assert(kPanel % static_cast<std::size_t>(kLatticePadding) == 0);

/// How often the mode (x, y), x <= nx / 2, y <= ny / 2, is there with either sign.
double multiplicity(const Lattice& lattice, int x, int y) {
    return (x > 0 && 2 * x != lattice.nx ? 2.0 : 1.0) * (y > 0 && 2 * y != lattice.ny ? 2.0 : 1.0);
}

/// cos and sin(2 pi k x / n), the angle brought to one turn in integers.
double cosine(int k, int x, int n) {
    return std::cos(kTwoPi * static_cast<double>(static_cast<long long>(k) * x % n) / n);
}
double sine(int k, int x, int n) {
    return std::sin(kTwoPi * static_cast<double>(static_cast<long long>(k) * x % n) / n);
}

}  // namespace

ModeLimits mode_limits(const std::vector<double>& spectrum, const Lattice& lattice, double rest,
                       double cutoff) {
    const int nx = lattice.nx;
    const int ny = lattice.ny;
    const auto size = [&](int x, int y) {
        return std::abs(spectrum[static_cast<std::size_t>(x) * ny + y] - rest);
    };
    std::vector<std::pair<double, double>> sizes;  // with multiplicities
    for (int x = 0; x <= nx / 2; ++x) {
        for (int y = 0; y <= ny / 2; ++y)
            sizes.emplace_back(size(x, y), multiplicity(lattice, x, y));
    }
    std::sort(sizes.begin(), sizes.end());
    const double budget = cutoff * cutoff * sizes.back().first * sizes.back().first *
                          static_cast<double>(lattice.sites());
    double left_out = 0.0;
    double smallest = 0.0;  // that is kept
    for (const auto& [f, times] : sizes) {
        left_out += times * f * f;
        smallest = f;
        if (left_out > budget) break;
    }
    ModeLimits limits;
    std::vector<int> last(static_cast<std::size_t>(nx / 2 + 1), -1);
    for (int x = 0; x <= nx / 2; ++x) {
        int& here = last[static_cast<std::size_t>(x)];
        for (int y = 0; y <= ny / 2; ++y) {
            if (size(x, y) >= smallest) here = y;
        }
        if (here >= 0) limits.x = x;
        limits.y = std::max(limits.y, here);
    }
    limits.y_of_x.assign(last.begin(), last.begin() + limits.x + 1);
    for (int x = limits.x - 1; x >= 0; --x) {
        int& here = limits.y_of_x[static_cast<std::size_t>(x)];
        here = std::max(here, limits.y_of_x[static_cast<std::size_t>(x) + 1]);
    }
    limits.y = limits.y_of_x[0];
    return limits;
}

double mode_products(const ModeLimits& limits, const Lattice& lattice, int components) {
    const double width = static_cast<double>(padded(static_cast<std::size_t>(lattice.ny)));
    const double along_x = components * width * (limits.x + 0.5) * lattice.nx;
    const double along_y = static_cast<double>(components) * (2.0 * limits.x + 1.0) * lattice.ny *
                           static_cast<double>(padded(static_cast<std::size_t>(limits.y) + 1));
    return 2.0 * (along_x + along_y);
}

template <class Real>
void LatticeModes<Real>::prepare(const std::vector<double>& spectrum, const Lattice& lattice,
                                 double rest, const ModeLimits& limits, int components) {
    kernel_ = &lattice_kernel<Real>();
    lattice_ = lattice;
    limits_ = limits;
    components_ = components;
    self_ = static_cast<Real>(rest);
    width_ = padded(static_cast<std::size_t>(lattice_.ny));
    columns_ = padded(static_cast<std::size_t>(limits_.y) + 1);
    prepare_x();
    prepare_y();

    factor_.resize((static_cast<std::size_t>(limits_.x) + 1) * columns_);
    factor_.clear();
    for (int x = 0; x <= limits_.x; ++x) {
        for (int y = 0; y <= limits_.y_of_x[static_cast<std::size_t>(x)]; ++y) {
            const double f = spectrum[static_cast<std::size_t>(x) * lattice_.ny + y] - rest;
            factor_[static_cast<std::size_t>(x) * columns_ + static_cast<std::size_t>(y)] =
                static_cast<Real>(f * multiplicity(lattice_, x, y) / lattice_.sites());
        }
    }

    const std::size_t mode_rows = 2 * static_cast<std::size_t>(limits_.x) + 1;
    const std::size_t hy = padded(static_cast<std::size_t>(half_y()));
    const std::size_t py = padded(static_cast<std::size_t>(pairs_y()));
    rows_.resize(mode_rows * static_cast<std::size_t>(components_) * width_);
    even_.resize(static_cast<std::size_t>(half_x()) * kPanel);
    odd_.resize(static_cast<std::size_t>(pairs_x()) * kPanel);
    even_y_.resize(kLines * hy);
    odd_y_.resize(kLines * py);
    mode_cos_.resize(kLines * columns_);
    mode_sin_.resize(kLines * columns_);
}

template <class Real>
void LatticeModes<Real>::prepare_x() {
    const int nx = lattice_.nx;
    const std::size_t kx = static_cast<std::size_t>(limits_.x);
    const std::size_t hx = static_cast<std::size_t>(half_x());
    const std::size_t px = static_cast<std::size_t>(pairs_x());
    cos_x_.resize((kx + 1) * hx);
    cos_x_back_.resize((kx + 1) * hx);
    sin_x_.resize(kx * px);
    sin_x_back_.resize(kx * px);
    for (int k = 0; k <= limits_.x; ++k) {
        const std::size_t row = static_cast<std::size_t>(k);
        for (std::size_t x = 0; x < hx; ++x) {
            const double v = cosine(k, static_cast<int>(x), nx);
            cos_x_[row * hx + x] = static_cast<Real>(v);
            cos_x_back_[x * (kx + 1) + row] = static_cast<Real>(v);
        }
        for (std::size_t x = 0; k > 0 && x < px; ++x) {
            const double v = sine(k, static_cast<int>(x) + 1, nx);
            sin_x_[(row - 1) * px + x] = static_cast<Real>(v);
            sin_x_back_[x * kx + row - 1] = static_cast<Real>(v);
        }
    }
}

template <class Real>
void LatticeModes<Real>::prepare_y() {
    const int ny = lattice_.ny;
    const std::size_t hy = padded(static_cast<std::size_t>(half_y()));
    const std::size_t py = padded(static_cast<std::size_t>(pairs_y()));
    cos_y_.resize(static_cast<std::size_t>(half_y()) * columns_);
    sin_y_.resize(static_cast<std::size_t>(pairs_y()) * columns_);
    cos_y_back_.resize(columns_ * hy);
    sin_y_back_.resize(columns_ * py);
    for (AlignedArray<Real>* table : {&cos_y_, &sin_y_, &cos_y_back_, &sin_y_back_}) table->clear();
    for (int k = 0; k <= limits_.y; ++k) {
        const std::size_t column = static_cast<std::size_t>(k);
        for (int y = 0; y < half_y(); ++y) {
            const Real v = static_cast<Real>(cosine(k, y, ny));
            cos_y_[static_cast<std::size_t>(y) * columns_ + column] = v;
            cos_y_back_[column * hy + static_cast<std::size_t>(y)] = v;
        }
        for (int y = 0; y < pairs_y(); ++y) {
            const Real v = static_cast<Real>(sine(k, y + 1, ny));
            sin_y_[static_cast<std::size_t>(y) * columns_ + column] = v;
            sin_y_back_[column * py + static_cast<std::size_t>(y)] = v;
        }
    }
}

template <class Real>
void LatticeModes<Real>::evaluate(const Real* const* m, Real* const* w) {
    for (int c = 0; c < components_; ++c) to_modes_x(m[c], c);
    along_y();
    for (int c = 0; c < components_; ++c) from_modes_x(m[c], c, w[c]);
}

/// Sums and differences of rows x and nx - x, then their products with cosines and sines.
template <class Real>
void LatticeModes<Real>::to_modes_x(const Real* m, int component) {
    const int nx = lattice_.nx;
    const std::size_t ny = static_cast<std::size_t>(lattice_.ny);
    Real* const out = rows_.data() + static_cast<std::size_t>(component) * width_;
    const long stride = static_cast<long>(static_cast<std::size_t>(components_) * width_);
    for (std::size_t y = 0; y < ny; y += kPanel) {
        const std::size_t columns_here = std::min(kPanel, ny - y);
        const int n = static_cast<int>(columns_here);
        const Real* const panel = m + y;
        std::memcpy(even_.data(), panel, columns_here * sizeof(Real));
        for (int x = 1; x <= pairs_x(); ++x) {
            const std::size_t i = static_cast<std::size_t>(x);
            kernel_->add_subtract(n, panel + i * ny, panel + static_cast<std::size_t>(nx - x) * ny,
                                  even_.data() + i * kPanel, odd_.data() + (i - 1) * kPanel);
        }
        if (nx % 2 == 0) {
            const std::size_t i = static_cast<std::size_t>(nx / 2);
            std::memcpy(even_.data() + i * kPanel, panel + i * ny, columns_here * sizeof(Real));
        }
        const int wide = static_cast<int>(padded(columns_here));
        kernel_->multiply(limits_.x + 1, half_x(), wide, cos_x_.data(), half_x(), even_.data(),
                          kPanel, out + y, 2 * stride);
        kernel_->multiply(limits_.x, pairs_x(), wide, sin_x_.data(), pairs_x(), odd_.data(), kPanel,
                          out + stride + static_cast<long>(y), 2 * stride);
    }
}

/// To modes along y, times the spectrum, and back, a few rows at a time.
template <class Real>
void LatticeModes<Real>::along_y() {
    const int ny = lattice_.ny;
    const long hy = static_cast<long>(padded(static_cast<std::size_t>(half_y())));
    const long py = static_cast<long>(padded(static_cast<std::size_t>(pairs_y())));
    const long all_columns = static_cast<long>(columns_);
    const int lines = (2 * limits_.x + 1) * components_;
    const auto mode_x = [&](int line) {
        return static_cast<std::size_t>((line / components_ + 1) / 2);
    };
    for (int first = 0; first < lines; first += kLines) {
        const int count = std::min(kLines, lines - first);
        for (int r = 0; r < count; ++r) {
            const Real* row = rows_.data() + static_cast<std::size_t>(first + r) * width_;
            Real* plus = even_y_.data() + r * hy;
            plus[0] = row[0];
            kernel_->add_subtract_reversed(pairs_y(), row + 1, row + ny - pairs_y(), plus + 1,
                                           odd_y_.data() + r * py);
            if (ny % 2 == 0) plus[ny / 2] = row[ny / 2];
        }
        // The larger |kx|, the fewer modes along y.
        const int depth = limits_.y_of_x[mode_x(first)] + 1;
        const int wide = static_cast<int>(padded(static_cast<std::size_t>(depth)));
        kernel_->multiply(count, half_y(), wide, even_y_.data(), hy, cos_y_.data(), all_columns,
                          mode_cos_.data(), all_columns);
        kernel_->multiply(count, pairs_y(), wide, odd_y_.data(), py, sin_y_.data(), all_columns,
                          mode_sin_.data(), all_columns);
        for (int r = 0; r < count; ++r) {
            const Real* f = factor_.data() + mode_x(first + r) * columns_;
            kernel_->scale(wide, f, mode_cos_.data() + r * all_columns);
            kernel_->scale(wide, f, mode_sin_.data() + r * all_columns);
        }
        kernel_->multiply(count, depth, static_cast<int>(hy), mode_cos_.data(), all_columns,
                          cos_y_back_.data(), hy, even_y_.data(), hy);
        kernel_->multiply(count, depth, static_cast<int>(py), mode_sin_.data(), all_columns,
                          sin_y_back_.data(), py, odd_y_.data(), py);
        for (int r = 0; r < count; ++r) {
            Real* row = rows_.data() + static_cast<std::size_t>(first + r) * width_;
            const Real* plus = even_y_.data() + r * hy;
            row[0] = plus[0];
            kernel_->unfold_reversed(pairs_y(), plus + 1, odd_y_.data() + r * py, row + 1,
                                     row + ny - pairs_y());
            if (ny % 2 == 0) row[ny / 2] = plus[ny / 2];
        }
    }
}

/// The reverse of to_modes_x, and the spin's own part.
template <class Real>
void LatticeModes<Real>::from_modes_x(const Real* m, int component, Real* w) {
    const int nx = lattice_.nx;
    const std::size_t ny = static_cast<std::size_t>(lattice_.ny);
    const Real* const in = rows_.data() + static_cast<std::size_t>(component) * width_;
    const long stride = static_cast<long>(static_cast<std::size_t>(components_) * width_);
    for (std::size_t y = 0; y < ny; y += kPanel) {
        const int n = static_cast<int>(std::min(kPanel, ny - y));
        const int wide = static_cast<int>(padded(static_cast<std::size_t>(n)));
        kernel_->multiply(half_x(), limits_.x + 1, wide, cos_x_back_.data(), limits_.x + 1, in + y,
                          2 * stride, even_.data(), kPanel);
        kernel_->multiply(pairs_x(), limits_.x, wide, sin_x_back_.data(), limits_.x,
                          in + stride + static_cast<long>(y), 2 * stride, odd_.data(), kPanel);
        kernel_->add_scaled(n, even_.data(), self_, m + y, w + y);
        for (int x = 1; x <= pairs_x(); ++x) {
            const std::size_t i = static_cast<std::size_t>(x);
            const std::size_t here = i * ny + y;
            const std::size_t mirror = static_cast<std::size_t>(nx - x) * ny + y;
            kernel_->unfold(n, even_.data() + i * kPanel, odd_.data() + (i - 1) * kPanel, self_,
                            m + here, m + mirror, w + here, w + mirror);
        }
        if (nx % 2 == 0) {
            const std::size_t i = static_cast<std::size_t>(nx / 2);
            kernel_->add_scaled(n, even_.data() + i * kPanel, self_, m + i * ny + y,
                                w + i * ny + y);
        }
    }
}

template class LatticeModes<float>;
template class LatticeModes<double>;

}  // namespace nmrsim
