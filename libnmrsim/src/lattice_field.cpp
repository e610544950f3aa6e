#include "lattice_field.h"

#include <fftw3.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>

#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// FFTW in either precision.
template <class Real>
struct Fftw;
template <>
struct Fftw<double> {
    using Complex = fftw_complex;
    using Plan = fftw_plan;
    static constexpr auto plan_many = fftw_plan_many_dft;
    static constexpr auto execute = fftw_execute_dft;
    static constexpr auto destroy = fftw_destroy_plan;
};
template <>
struct Fftw<float> {
    using Complex = fftwf_complex;
    using Plan = fftwf_plan;
    static constexpr auto plan_many = fftwf_plan_many_dft;
    static constexpr auto execute = fftwf_execute_dft;
    static constexpr auto destroy = fftwf_destroy_plan;
};

/// Rows of both arrays end in this many spare numbers: where a side is a power of two, columns
/// would else fall on the same cache lines (256 x 256: 2.5 times slower, measured).
constexpr int kRowPadding = 8;

/// Two-dimensional transforms as two passes along the slow axis that write transposed, each out of
/// place: A (nx, ny) -> B (ny, nx) -> A (nx, ny), rows padded.
///
/// Planned by FFTW's own estimate: timing would choose other plans, and other roundings, from run
/// to run, and this layout is as fast as a timed plan of the whole (100 x 100: 30 us).
template <class Real>
class FftPlans {
public:
    /// One set a size, shared by all threads and kept to the end of the program.
    static const FftPlans& of(int nx, int ny) {
        static std::mutex mutex;
        static std::map<std::pair<int, int>, std::unique_ptr<FftPlans>> plans;
        const std::lock_guard<std::mutex> lock(mutex);  // FFTW plans in one thread at a time
        std::unique_ptr<FftPlans>& entry = plans[{nx, ny}];
        if (!entry) entry.reset(new FftPlans(nx, ny));
        return *entry;
    }

    ~FftPlans() {
        for (auto* plans : {along_x_, along_y_}) {
            for (int k = 0; k < 2; ++k) Fftw<Real>::destroy(plans[k]);
        }
    }
    FftPlans(const FftPlans&) = delete;
    FftPlans& operator=(const FftPlans&) = delete;

    std::size_t size_a() const { return 2 * static_cast<std::size_t>(nx_) * stride_a(); }
    std::size_t size_b() const { return 2 * static_cast<std::size_t>(ny_) * stride_b(); }
    int stride_a() const { return ny_ + kRowPadding; }  ///< in complex numbers
    int stride_b() const { return nx_ + kRowPadding; }

    /// In a, with b as scratch; the sign of the exponent is that of `direction`. Not normalised.
    void transform(Real* a, Real* b, int direction) const {
        auto* ca = reinterpret_cast<typename Fftw<Real>::Complex*>(a);
        auto* cb = reinterpret_cast<typename Fftw<Real>::Complex*>(b);
        const int k = direction < 0 ? 0 : 1;
        Fftw<Real>::execute(along_x_[k], ca, cb);
        Fftw<Real>::execute(along_y_[k], cb, ca);
    }

private:
    FftPlans(int nx, int ny) : nx_(nx), ny_(ny) {
        AlignedArray<Real> a(size_a());
        AlignedArray<Real> b(size_b());
        auto* ca = reinterpret_cast<typename Fftw<Real>::Complex*>(a.data());
        auto* cb = reinterpret_cast<typename Fftw<Real>::Complex*>(b.data());
        for (int k = 0; k < 2; ++k) {
            const int sign = k == 0 ? FFTW_FORWARD : FFTW_BACKWARD;
            along_x_[k] = Fftw<Real>::plan_many(1, &nx, ny, ca, nullptr, stride_a(), 1, cb, nullptr,
                                                1, stride_b(), sign, FFTW_ESTIMATE);
            along_y_[k] = Fftw<Real>::plan_many(1, &ny, nx, cb, nullptr, stride_b(), 1, ca, nullptr,
                                                1, stride_a(), sign, FFTW_ESTIMATE);
        }
    }

    int nx_;
    int ny_;
    typename Fftw<Real>::Plan along_x_[2];
    typename Fftw<Real>::Plan along_y_[2];
};

/// Spectrum of a kernel: F(k) = sum over r of f(r) exp(-i k r), (nx, ny).
struct Spectrum {
    std::vector<double> re;
    std::vector<double> im;  ///< empty where f is even
};

Spectrum spectrum_of(const std::vector<double>& table, const Lattice& lattice, bool even) {
    const auto& plans = FftPlans<double>::of(lattice.nx, lattice.ny);
    AlignedArray<double> a(plans.size_a());
    AlignedArray<double> b(plans.size_b());
    const std::size_t ny = static_cast<std::size_t>(lattice.ny);
    const std::size_t stride = static_cast<std::size_t>(plans.stride_a());
    for (std::size_t x = 0; x < static_cast<std::size_t>(lattice.nx); ++x) {
        for (std::size_t y = 0; y < ny; ++y) a[2 * (x * stride + y)] = table[x * ny + y];
    }
    plans.transform(a.data(), b.data(), -1);
    Spectrum spectrum;
    spectrum.re.resize(table.size());
    if (!even) spectrum.im.resize(table.size());
    for (std::size_t x = 0; x < static_cast<std::size_t>(lattice.nx); ++x) {
        for (std::size_t y = 0; y < ny; ++y) {
            spectrum.re[x * ny + y] = a[2 * (x * stride + y)];
            if (!even) spectrum.im[x * ny + y] = a[2 * (x * stride + y) + 1];
        }
    }
    return spectrum;
}

/// How often the mode (x, y), x <= nx / 2, y <= ny / 2, is there with either sign.
double multiplicity(const Lattice& lattice, int x, int y) {
    return (x > 0 && 2 * x != lattice.nx ? 2.0 : 1.0) * (y > 0 && 2 * y != lattice.ny ? 2.0 : 1.0);
}

/// The fewest modes (x, y) of a real, even spectrum less its constant `rest` that leave out no more
/// than `cutoff` of the field, in root mean square over sites of independent spins and as a part of
/// the field of aligned ones; closed so that with a mode all smaller ones are kept.
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

/// The modes method costs this many multiplications for one of N log2 N of the FFT method
/// (measured: 100 x 100 in float, an FFT field takes 75 us; products run at 50, 25 and 8 a ns).
double products_per_fft_unit() {
    switch (instruction_set()) {
        case InstructionSet::avx512:
            return 26.0;
        case InstructionSet::avx2:
            return 13.0;
        default:
            return 5.0;
    }
}

double mode_products(const ModeLimits& limits, const Lattice& lattice, int components) {
    const double width = static_cast<double>(padded(static_cast<std::size_t>(lattice.ny)));
    const double along_x = components * width * (limits.x + 0.5) * lattice.nx;
    const double along_y = static_cast<double>(components) * (2.0 * limits.x + 1.0) * lattice.ny *
                           static_cast<double>(padded(static_cast<std::size_t>(limits.y) + 1));
    return 2.0 * (along_x + along_y);
}

}  // namespace

template <>
const LatticeKernel<float>& lattice_kernel<float>() {
#if defined(__x86_64__)
    if (instruction_set() == InstructionSet::avx512) return avx512::kLatticeFloat;
    if (instruction_set() == InstructionSet::avx2) return avx2::kLatticeFloat;
#endif
    return baseline::kLatticeFloat;
}

template <>
const LatticeKernel<double>& lattice_kernel<double>() {
#if defined(__x86_64__)
    if (instruction_set() == InstructionSet::avx512) return avx512::kLatticeDouble;
    if (instruction_set() == InstructionSet::avx2) return avx2::kLatticeDouble;
#endif
    return baseline::kLatticeDouble;
}

/// Columns and mode rows that go through the products at a time: what they touch stays in the first
/// level cache.
constexpr std::size_t kPanel = 64;
constexpr int kLines = 12;
static_assert(kPanel % static_cast<std::size_t>(kLatticePadding) == 0);

/// With the modes method a field is cos and sin transforms along x, then y, of the rows of all
/// components side by side; the product with the spectrum; and back. Sums and differences of
/// mirrored sites halve the products.
///
/// Mode rows along x: 0 is the constant, 2 k - 1 sin(k), 2 k cos(k).
template <class Real>
struct LatticeField<Real>::Buffers {
    const LatticeKernel<Real>* kernel = &lattice_kernel<Real>();
    Lattice lattice;
    bool couples_z = false;
    FieldMethod method = FieldMethod::fft;
    double norm = 0.0;

    // FFT: the spectrum over N, (nx, ny), and two work arrays.
    const FftPlans<Real>* plans = nullptr;
    AlignedArray<Real> spectrum_re;
    AlignedArray<Real> spectrum_im;
    AlignedArray<Real> a;
    AlignedArray<Real> b;

    // Modes.
    ModeLimits limits;
    Real self = 0;                              ///< what the spin itself adds to its field
    std::size_t width = 0;                      ///< of rows along y of one component, padded
    std::size_t columns = 0;                    ///< modes along y, padded
    AlignedArray<Real> cos_x, sin_x;            ///< (modes, sites): to modes along x
    AlignedArray<Real> cos_x_back, sin_x_back;  ///< (sites, modes)
    AlignedArray<Real> cos_y, sin_y;            ///< (sites, modes): to modes along y
    AlignedArray<Real> cos_y_back, sin_y_back;  ///< (modes, sites)
    AlignedArray<Real> factor;                  ///< (|kx|, columns): spectrum over N
    AlignedArray<Real> rows;                    ///< (modes along x, component, width)
    AlignedArray<Real> even, odd;               ///< (half of x, kPanel): sums, differences
    AlignedArray<Real> even_y, odd_y;           ///< (kLines, half of y)
    AlignedArray<Real> mode_cos, mode_sin;      ///< (kLines, columns)

    int components() const { return couples_z ? 3 : 2; }
    int half_x() const { return lattice.nx / 2 + 1; }     ///< sites with sums
    int pairs_x() const { return (lattice.nx - 1) / 2; }  ///< sites with differences
    int half_y() const { return lattice.ny / 2 + 1; }
    int pairs_y() const { return (lattice.ny - 1) / 2; }

    void prepare_fft(const Spectrum& spectrum);
    void prepare_modes(const Spectrum& spectrum, double rest);
    void to_modes_x(const Real* m, int component);
    void along_y();
    void from_modes_x(const Real* m, int component, Real* w);
};

template <class Real>
void LatticeField<Real>::Buffers::prepare_fft(const Spectrum& spectrum) {
    const std::size_t n = spectrum.re.size();
    const double scale = 1.0 / static_cast<double>(n);
    spectrum_re.resize(n);
    spectrum_im.resize(spectrum.im.size());
    for (std::size_t i = 0; i < n; ++i) spectrum_re[i] = static_cast<Real>(spectrum.re[i] * scale);
    for (std::size_t i = 0; i < spectrum.im.size(); ++i) {
        spectrum_im[i] = static_cast<Real>(spectrum.im[i] * scale);
    }
    plans = &FftPlans<Real>::of(lattice.nx, lattice.ny);
    a.resize(plans->size_a());
    b.resize(plans->size_b());
}

/// cos or sin(2 pi k x / n) with the angle brought to one turn in integers.
template <class Function>
double wave(Function function, int k, int x, int n) {
    const long long turn = static_cast<long long>(k) * x % n;
    return function(kTwoPi * static_cast<double>(turn) / n);
}

template <class Real>
void LatticeField<Real>::Buffers::prepare_modes(const Spectrum& spectrum, double rest) {
    const auto cosine = [](double t) { return std::cos(t); };
    const auto sine = [](double t) { return std::sin(t); };
    const int nx = lattice.nx;
    const int ny = lattice.ny;
    const std::size_t kx = static_cast<std::size_t>(limits.x);
    const std::size_t hx = static_cast<std::size_t>(half_x());
    const std::size_t px = static_cast<std::size_t>(pairs_x());
    const std::size_t hy = padded(static_cast<std::size_t>(half_y()));
    const std::size_t py = padded(static_cast<std::size_t>(pairs_y()));
    const std::size_t mode_rows = 2 * kx + 1;
    const std::size_t c = static_cast<std::size_t>(components());
    self = static_cast<Real>(rest);
    width = padded(static_cast<std::size_t>(ny));
    columns = padded(static_cast<std::size_t>(limits.y) + 1);

    cos_x.resize((kx + 1) * hx);
    cos_x_back.resize((kx + 1) * hx);
    sin_x.resize(kx * px);
    sin_x_back.resize(kx * px);
    for (int k = 0; k <= limits.x; ++k) {
        const std::size_t row = static_cast<std::size_t>(k);
        for (std::size_t x = 0; x < hx; ++x) {
            const double v = wave(cosine, k, static_cast<int>(x), nx);
            cos_x[row * hx + x] = static_cast<Real>(v);
            cos_x_back[x * (kx + 1) + row] = static_cast<Real>(v);
        }
        for (std::size_t x = 0; k > 0 && x < px; ++x) {
            const double v = wave(sine, k, static_cast<int>(x) + 1, nx);
            sin_x[(row - 1) * px + x] = static_cast<Real>(v);
            sin_x_back[x * kx + row - 1] = static_cast<Real>(v);
        }
    }

    cos_y.resize(static_cast<std::size_t>(half_y()) * columns);
    sin_y.resize(static_cast<std::size_t>(pairs_y()) * columns);
    cos_y_back.resize(columns * hy);
    sin_y_back.resize(columns * py);
    for (AlignedArray<Real>* table : {&cos_y, &sin_y, &cos_y_back, &sin_y_back}) table->clear();
    for (int k = 0; k <= limits.y; ++k) {
        const std::size_t column = static_cast<std::size_t>(k);
        for (int y = 0; y < half_y(); ++y) {
            const Real v = static_cast<Real>(wave(cosine, k, y, ny));
            cos_y[static_cast<std::size_t>(y) * columns + column] = v;
            cos_y_back[column * hy + static_cast<std::size_t>(y)] = v;
        }
        for (int y = 0; y < pairs_y(); ++y) {
            const Real v = static_cast<Real>(wave(sine, k, y + 1, ny));
            sin_y[static_cast<std::size_t>(y) * columns + column] = v;
            sin_y_back[column * py + static_cast<std::size_t>(y)] = v;
        }
    }

    factor.resize((kx + 1) * columns);
    factor.clear();
    for (int x = 0; x <= limits.x; ++x) {
        for (int y = 0; y <= limits.y_of_x[static_cast<std::size_t>(x)]; ++y) {
            const double f = spectrum.re[static_cast<std::size_t>(x) * ny + y] - rest;
            factor[static_cast<std::size_t>(x) * columns + static_cast<std::size_t>(y)] =
                static_cast<Real>(f * multiplicity(lattice, x, y) / lattice.sites());
        }
    }

    rows.resize(mode_rows * c * width);
    even.resize(hx * kPanel);
    odd.resize(std::max<std::size_t>(px, 1) * kPanel);
    even_y.resize(kLines * hy);
    odd_y.resize(kLines * std::max<std::size_t>(py, 1));
    mode_cos.resize(kLines * columns);
    mode_sin.resize(kLines * columns);
}

template <class Real>
LatticeField<Real>::LatticeField() : buffers_(std::make_unique<Buffers>()) {}
template <class Real>
LatticeField<Real>::~LatticeField() = default;
template <class Real>
LatticeField<Real>::LatticeField(LatticeField&&) noexcept = default;
template <class Real>
LatticeField<Real>& LatticeField<Real>::operator=(LatticeField&&) noexcept = default;

template <class Real>
void LatticeField<Real>::set_kernel(const Interaction& interaction, const Lattice& lattice,
                                    bool couples_z, double cutoff, FieldMethod method) {
    Buffers& s = *buffers_;
    s.lattice = lattice;
    s.couples_z = couples_z;
    const std::vector<double> table = kernel_table(interaction, lattice);
    s.norm = 0.0;
    for (const double f : table) s.norm += std::abs(f);
    const bool even = interaction.angular.p_weight == 0.0;
    const Spectrum spectrum = spectrum_of(table, lattice, even);

    s.method = FieldMethod::fft;
    if (even && method != FieldMethod::fft) {
        // A smooth kernel but for f(0) = 0: far out its spectrum is a constant, the spin's own
        // part.
        const double rest =
            spectrum.re[static_cast<std::size_t>(lattice.nx / 2) * lattice.ny + lattice.ny / 2];
        s.limits = mode_limits(spectrum.re, lattice, rest, cutoff);
        const double fft = products_per_fft_unit() * s.components() * 0.5 * lattice.sites() *
                           std::log2(std::max(2, lattice.sites())) *
                           (sizeof(Real) == sizeof(float) ? 1.0 : 0.6);
        if (method == FieldMethod::modes ||
            mode_products(s.limits, lattice, s.components()) < fft) {
            s.method = FieldMethod::modes;
            s.prepare_modes(spectrum, rest);
        }
    }
    if (s.method == FieldMethod::fft) s.prepare_fft(spectrum);
}

template <class Real>
FieldMethod LatticeField<Real>::method() const {
    return buffers_->method;
}

template <class Real>
double LatticeField<Real>::kernel_norm() const {
    return buffers_->norm;
}

template <class Real>
void LatticeField<Real>::evaluate(const Real* mx, const Real* my, const Real* mz, Real* wx,
                                  Real* wy, Real* wz) {
    if (buffers_->method == FieldMethod::modes) {
        const Real* const m[3] = {mx, my, mz};
        Real* const w[3] = {wx, wy, wz};
        evaluate_modes(m, w);
        return;
    }
    evaluate_fft(mx, my, wx, wy);
    if (buffers_->couples_z) evaluate_fft(mz, nullptr, wz, nullptr);
}

/// Mx + i My is one complex array. The kernel is real, so that its convolution keeps the two apart:
/// w_i = sum over d of f(d) m(i + d) has the spectrum conj(F) M, F real where f is even.
template <class Real>
void LatticeField<Real>::evaluate_fft(const Real* re, const Real* im, Real* out_re, Real* out_im) {
    Buffers& s = *buffers_;
    const LatticeKernel<Real>& kernel = *s.kernel;
    const int ny = s.lattice.ny;
    const std::size_t stride = 2 * static_cast<std::size_t>(s.plans->stride_a());
    for (std::size_t x = 0; x < static_cast<std::size_t>(s.lattice.nx); ++x) {
        const std::size_t row = x * static_cast<std::size_t>(ny);
        kernel.interleave(ny, re + row, im ? im + row : nullptr, s.a.data() + x * stride);
    }
    s.plans->transform(s.a.data(), s.b.data(), -1);
    for (std::size_t x = 0; x < static_cast<std::size_t>(s.lattice.nx); ++x) {
        const std::size_t row = x * static_cast<std::size_t>(ny);
        kernel.multiply_conjugate(ny, s.spectrum_re.data() + row,
                                  s.spectrum_im.size() ? s.spectrum_im.data() + row : nullptr,
                                  s.a.data() + x * stride);
    }
    s.plans->transform(s.a.data(), s.b.data(), +1);
    for (std::size_t x = 0; x < static_cast<std::size_t>(s.lattice.nx); ++x) {
        const std::size_t row = x * static_cast<std::size_t>(ny);
        kernel.split(ny, s.a.data() + x * stride, out_re + row, out_im ? out_im + row : nullptr);
    }
}

template <class Real>
void LatticeField<Real>::evaluate_modes(const Real* const* m, Real* const* w) {
    Buffers& s = *buffers_;
    for (int c = 0; c < s.components(); ++c) s.to_modes_x(m[c], c);
    s.along_y();
    for (int c = 0; c < s.components(); ++c) s.from_modes_x(m[c], c, w[c]);
}

/// Sums and differences of rows x and nx - x, then their products with cosines and sines.
template <class Real>
void LatticeField<Real>::Buffers::to_modes_x(const Real* m, int component) {
    const int nx = lattice.nx;
    const std::size_t ny = static_cast<std::size_t>(lattice.ny);
    Real* const out = rows.data() + static_cast<std::size_t>(component) * width;
    const long stride = static_cast<long>(static_cast<std::size_t>(components()) * width);
    for (std::size_t y = 0; y < ny; y += kPanel) {
        const std::size_t columns_here = std::min(kPanel, ny - y);
        const int n = static_cast<int>(columns_here);
        const Real* const panel = m + y;
        std::memcpy(even.data(), panel, columns_here * sizeof(Real));
        for (int x = 1; x <= pairs_x(); ++x) {
            const std::size_t i = static_cast<std::size_t>(x);
            kernel->add_subtract(n, panel + i * ny, panel + static_cast<std::size_t>(nx - x) * ny,
                                 even.data() + i * kPanel, odd.data() + (i - 1) * kPanel);
        }
        if (nx % 2 == 0) {
            const std::size_t i = static_cast<std::size_t>(nx / 2);
            std::memcpy(even.data() + i * kPanel, panel + i * ny, columns_here * sizeof(Real));
        }
        const int wide = static_cast<int>(padded(columns_here));
        kernel->multiply(limits.x + 1, half_x(), wide, cos_x.data(), half_x(), even.data(), kPanel,
                         out + y, 2 * stride);
        kernel->multiply(limits.x, pairs_x(), wide, sin_x.data(), pairs_x(), odd.data(), kPanel,
                         out + stride + static_cast<long>(y), 2 * stride);
    }
}

/// To modes along y, times the spectrum, and back, a few rows at a time.
template <class Real>
void LatticeField<Real>::Buffers::along_y() {
    const int ny = lattice.ny;
    const long hy = static_cast<long>(padded(static_cast<std::size_t>(half_y())));
    const long py = static_cast<long>(padded(static_cast<std::size_t>(pairs_y())));
    const long all_columns = static_cast<long>(columns);
    const int lines = (2 * limits.x + 1) * components();
    const auto mode_x = [&](int line) {
        return static_cast<std::size_t>((line / components() + 1) / 2);
    };
    for (int first = 0; first < lines; first += kLines) {
        const int count = std::min(kLines, lines - first);
        for (int r = 0; r < count; ++r) {
            const Real* row = rows.data() + static_cast<std::size_t>(first + r) * width;
            Real* plus = even_y.data() + r * hy;
            plus[0] = row[0];
            kernel->add_subtract_reversed(pairs_y(), row + 1, row + ny - pairs_y(), plus + 1,
                                          odd_y.data() + r * py);
            if (ny % 2 == 0) plus[ny / 2] = row[ny / 2];
        }
        // The larger |kx|, the fewer modes along y.
        const int depth = limits.y_of_x[mode_x(first)] + 1;
        const int wide = static_cast<int>(padded(static_cast<std::size_t>(depth)));
        kernel->multiply(count, half_y(), wide, even_y.data(), hy, cos_y.data(), all_columns,
                         mode_cos.data(), all_columns);
        kernel->multiply(count, pairs_y(), wide, odd_y.data(), py, sin_y.data(), all_columns,
                         mode_sin.data(), all_columns);
        for (int r = 0; r < count; ++r) {
            const Real* f = factor.data() + mode_x(first + r) * columns;
            kernel->scale(wide, f, mode_cos.data() + r * all_columns);
            kernel->scale(wide, f, mode_sin.data() + r * all_columns);
        }
        kernel->multiply(count, depth, static_cast<int>(hy), mode_cos.data(), all_columns,
                         cos_y_back.data(), hy, even_y.data(), hy);
        kernel->multiply(count, depth, static_cast<int>(py), mode_sin.data(), all_columns,
                         sin_y_back.data(), py, odd_y.data(), py);
        for (int r = 0; r < count; ++r) {
            Real* row = rows.data() + static_cast<std::size_t>(first + r) * width;
            const Real* plus = even_y.data() + r * hy;
            row[0] = plus[0];
            kernel->unfold_reversed(pairs_y(), plus + 1, odd_y.data() + r * py, row + 1,
                                    row + ny - pairs_y());
            if (ny % 2 == 0) row[ny / 2] = plus[ny / 2];
        }
    }
}

/// The reverse of to_modes_x, and the spin's own part.
template <class Real>
void LatticeField<Real>::Buffers::from_modes_x(const Real* m, int component, Real* w) {
    const int nx = lattice.nx;
    const std::size_t ny = static_cast<std::size_t>(lattice.ny);
    const Real* const in = rows.data() + static_cast<std::size_t>(component) * width;
    const long stride = static_cast<long>(static_cast<std::size_t>(components()) * width);
    for (std::size_t y = 0; y < ny; y += kPanel) {
        const int n = static_cast<int>(std::min(kPanel, ny - y));
        const int wide = static_cast<int>(padded(static_cast<std::size_t>(n)));
        kernel->multiply(half_x(), limits.x + 1, wide, cos_x_back.data(), limits.x + 1, in + y,
                         2 * stride, even.data(), kPanel);
        kernel->multiply(pairs_x(), limits.x, wide, sin_x_back.data(), limits.x,
                         in + stride + static_cast<long>(y), 2 * stride, odd.data(), kPanel);
        kernel->add_scaled(n, even.data(), self, m + y, w + y);
        for (int x = 1; x <= pairs_x(); ++x) {
            const std::size_t i = static_cast<std::size_t>(x);
            const std::size_t here = i * ny + y;
            const std::size_t mirror = static_cast<std::size_t>(nx - x) * ny + y;
            kernel->unfold(n, even.data() + i * kPanel, odd.data() + (i - 1) * kPanel, self,
                           m + here, m + mirror, w + here, w + mirror);
        }
        if (nx % 2 == 0) {
            const std::size_t i = static_cast<std::size_t>(nx / 2);
            kernel->add_scaled(n, even.data() + i * kPanel, self, m + i * ny + y, w + i * ny + y);
        }
    }
}

template class LatticeField<float>;
template class LatticeField<double>;

}  // namespace nmrsim
