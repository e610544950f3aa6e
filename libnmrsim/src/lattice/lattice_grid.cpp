#include "lattice/lattice_grid.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "nmrsim/units.h"

namespace nmrsim {
namespace {

constexpr int kSpacings[] = {8, 4, 2};  ///< even, as GridStep needs
constexpr int kFewestPoints = 8;        ///< a side, so that no window meets itself
static_assert(kFewestPoints >= kMostTaps);

/// Bands that the window is tried for, grid points over modes: Kaiser's shape suits one each, and
/// which is best depends on how fast the spectrum falls.
constexpr double kOversamplings[] = {1.25, 1.5, 2.0, 3.0};

/// A window along one side, of sum `spacing`.
struct Window {
    int sites = 0;
    int spacing = 0;
    std::vector<double> value;  ///< at distances 1/2, 3/2, ...
    std::vector<double> tap;    ///< (spacing, taps)
    std::vector<double>
        response;  ///< squares of its Fourier transform over spacing, (sites / 2 + 1)
    /// What the wave 0 gives to all other waves that look like it on the grid, in squares.
    double ripple = 0.0;
};

/// cos(pi i / sites), (2 sites)
std::vector<double> cosine_table(int sites) {
    std::vector<double> cosine(2 * static_cast<std::size_t>(sites));
    for (std::size_t i = 0; i < cosine.size(); ++i) {
        cosine[i] = std::cos(kPi * static_cast<double>(i) / sites);
    }
    return cosine;
}

/// The square of a window's Fourier transform at mode k < sites over its spacing.
double response_at(const Window& window, const std::vector<double>& cosine, int k) {
    double transform = 0.0;
    std::size_t angle = static_cast<std::size_t>(k);
    for (const double value : window.value) {
        transform += 2.0 * value * cosine[angle];
        angle += 2 * static_cast<std::size_t>(k);
        if (angle >= cosine.size()) angle -= cosine.size();
    }
    return transform * transform / window.spacing;
}

/// Without its response.
Window kaiser_window(int sites, const std::vector<double>& cosine, int spacing, int taps,
                     double oversampling) {
    const double beta = kPi * taps * (1.0 - 0.5 / oversampling);
    const int reach = taps / 2 * spacing;
    Window window;
    window.sites = sites;
    window.spacing = spacing;
    double sum = 0.0;
    for (int x = 0; x < reach; ++x) {
        const double u = (x + 0.5) / reach;
        window.value.push_back(std::cyl_bessel_i(0.0, beta * std::sqrt(1.0 - u * u)));
        sum += 2.0 * window.value.back();
    }
    for (double& v : window.value) v *= spacing / sum;
    for (int s = 0; s < spacing; ++s) {
        for (int t = 0; t < taps; ++t) {
            // The middle of the interval is that of its grid points: site s is at s + 1/2, point t
            // at t + 1 - taps / 2 spacings.
            const int twice = std::abs(2 * s + 1 - 2 * (t + 1 - taps / 2) * spacing);
            window.tap.push_back(window.value[static_cast<std::size_t>((twice - 1) / 2)]);
        }
    }
    const int points = sites / spacing;
    for (int k = points; k < sites; k += points) window.ripple += response_at(window, cosine, k);
    window.ripple /= response_at(window, cosine, 0);
    return window;
}

void add_response(Window& window, const std::vector<double>& cosine) {
    for (int k = 0; k <= window.sites / 2; ++k)
        window.response.push_back(response_at(window, cosine, k));
}

/// Sets the grid's spectrum for a pair of windows; the error of the field, as soon as it is known
/// to exceed the cutoff.
///
/// Modes that fall on the same one of the grid mix: of those, with responses g and spectrum F, the
/// field has C g g' where it should have F at g = g' and nothing elsewhere, in squares
/// C^2 sum(g^2)^2 - 2 C sum(F g^2) + sum(F^2). C = F / g^2 at the longest wave of them makes that
/// hardly more than the best C would, and waves that spins have in common exact.
double set_spectrum(const std::vector<double>& spectrum, const Lattice& lattice, double rest,
                    const Window& along_x, const Window& along_y, double cutoff, GridPlan& plan) {
    const int nx = plan.grid.nx;
    const int ny = plan.grid.ny;
    const auto value = [&](std::size_t x, std::size_t y) {
        return spectrum[x * static_cast<std::size_t>(lattice.ny) + y] - rest;
    };
    double largest = 0.0;
    for (std::size_t x = 0; x <= static_cast<std::size_t>(lattice.nx / 2); ++x) {
        for (std::size_t y = 0; y <= static_cast<std::size_t>(lattice.ny / 2); ++y) {
            largest = std::max(largest, std::abs(value(x, y)));
        }
    }
    plan.spectrum.assign(static_cast<std::size_t>(nx) * static_cast<std::size_t>(ny), 0.0);
    const auto mirrored = [](int k, int n) { return static_cast<std::size_t>(std::min(k, n - k)); };
    const double unit = largest * largest * lattice.sites();
    double missed = 0.0;
    // From the shortest waves on, where most is missed.
    for (int x = nx / 2; x >= 0 && missed <= cutoff * cutoff * unit; --x) {
        for (int y = 0; y <= ny / 2; ++y) {
            double square = 0.0;
            double product = 0.0;
            double response = 0.0;
            for (int kx = x; kx < lattice.nx; kx += nx) {
                const std::size_t ix = mirrored(kx, lattice.nx);
                for (int ky = y; ky < lattice.ny; ky += ny) {
                    const std::size_t iy = mirrored(ky, lattice.ny);
                    const double f = value(ix, iy);
                    const double g = along_x.response[ix] * along_y.response[iy];
                    square += f * f;
                    product += f * g;
                    response += g;
                }
            }
            const std::size_t here_x = static_cast<std::size_t>(x);
            const std::size_t here_y = static_cast<std::size_t>(y);
            const double c =
                value(here_x, here_y) / (along_x.response[here_x] * along_y.response[here_y]);
            const double times =
                (x > 0 && 2 * x != nx ? 2.0 : 1.0) * (y > 0 && 2 * y != ny ? 2.0 : 1.0);
            missed +=
                times * std::max(0.0, c * c * response * response - 2.0 * c * product + square);
            for (const int gx : {x, (nx - x) % nx}) {
                for (const int gy : {y, (ny - y) % ny}) {
                    plan.spectrum[static_cast<std::size_t>(gx) * static_cast<std::size_t>(ny) +
                                  static_cast<std::size_t>(gy)] = c;
                }
            }
        }
    }
    return std::sqrt(missed / unit);
}

/// Cost of one plan against another, in multiplications a site of two components.
double products_a_site(const GridPlan& plan) {
    return plan.taps * (6.0 + 6.0 / plan.spacing_x) + 80.0 / (plan.spacing_x * plan.spacing_y);
}

}  // namespace

std::optional<GridPlan> plan_grid(const std::vector<double>& spectrum, const Lattice& lattice,
                                  double rest, double cutoff, const ModeLimits& limits) {
    std::vector<GridPlan> plans;
    for (const int sx : kSpacings) {
        for (const int sy : kSpacings) {
            if (lattice.nx % sx != 0 || lattice.ny % sy != 0 || lattice.nx / sx < kFewestPoints ||
                lattice.ny / sy < kFewestPoints || lattice.nx / sx < 2 * limits.x + 1 ||
                lattice.ny / sy < 2 * limits.y + 1) {
                continue;
            }
            for (const int taps : {kFewTaps, kMostTaps}) {
                GridPlan plan;
                plan.grid.nx = lattice.nx / sx;
                plan.grid.ny = lattice.ny / sy;
                plan.spacing_x = sx;
                plan.spacing_y = sy;
                plan.taps = taps;
                plans.push_back(plan);
            }
        }
    }
    std::stable_sort(plans.begin(), plans.end(), [](const GridPlan& a, const GridPlan& b) {
        return products_a_site(a) < products_a_site(b);
    });
    const std::vector<double> cosine_x = cosine_table(lattice.nx);
    const std::vector<double> cosine_y = cosine_table(lattice.ny);
    for (GridPlan& plan : plans) {
        for (const double oversampling : kOversamplings) {
            Window along_x =
                kaiser_window(lattice.nx, cosine_x, plan.spacing_x, plan.taps, oversampling);
            Window along_y =
                kaiser_window(lattice.ny, cosine_y, plan.spacing_y, plan.taps, oversampling);
            // Aligned spins' field ripples with the grid's period.
            const double ripple = std::sqrt((1.0 + along_x.ripple) * (1.0 + along_y.ripple) - 1.0);
            if (ripple > cutoff) continue;
            add_response(along_x, cosine_x);
            add_response(along_y, cosine_y);
            plan.error = std::max(
                ripple, set_spectrum(spectrum, lattice, rest, along_x, along_y, cutoff, plan));
            if (plan.error <= cutoff) {
                plan.window_x = along_x.tap;
                plan.window_y = along_y.tap;
                return plan;
            }
        }
    }
    return std::nullopt;
}

void LatticeGrid::prepare(const GridPlan& plan, long columns, int components, int parts,
                          double cutoff) {
    kernel_ = &lattice_kernel<float>();
    grid_kernel_ = &lattice_grid_kernel();
    grid_ = plan.grid;
    taps_ = plan.taps;
    spacing_y_ = plan.spacing_y;
    components_ = components;
    parts_ = parts;
    columns_ = columns;
    KernelResponse kernel;
    kernel.spectrum = plan.spectrum;
    inner_.set_kernel(kernel, grid_, components == 3, cutoff);

    const auto copy = [](const std::vector<double>& from, AlignedArray<float>& to) {
        to.resize(from.size());
        std::transform(from.begin(), from.end(), to.data(),
                       [](double v) { return static_cast<float>(v); });
    };
    copy(plan.window_x, window_x_);
    copy(plan.window_y, window_y_);

    const std::size_t nx = static_cast<std::size_t>(grid_.nx);
    const std::size_t ny = static_cast<std::size_t>(grid_.ny);
    const std::size_t rows = nx * static_cast<std::size_t>(components_);
    const std::size_t parts2 = 2 * static_cast<std::size_t>(parts_);
    // Vectors may reach beyond the last row.
    gathered_.resize(rows * static_cast<std::size_t>(columns_) + kLatticePadding);
    field_.resize(rows * parts2 * static_cast<std::size_t>(columns_) + kLatticePadding);
    width_ = ny + static_cast<std::size_t>(taps_) - 1;
    scratch_.resize(static_cast<std::size_t>(spacing_y_) * width_ + 2 * kLatticePadding);
    const std::size_t size = padded(nx * width_ + kLatticePadding);
    for (std::size_t c = 0; c < static_cast<std::size_t>(components_); ++c) {
        m_[c].resize(nx * ny + kLatticePadding);
        w_[c].resize(m_[c].size());
        past_[c].resize(kOrder * size);
        past_[c].clear();
        sums_[c].resize(parts2 * size);
    }
}

void LatticeGrid::evaluate(int slot) {
    const std::size_t nx = static_cast<std::size_t>(grid_.nx);
    const std::size_t ny = static_cast<std::size_t>(grid_.ny);
    const std::size_t components = static_cast<std::size_t>(components_);
    const float* m[3] = {};
    float* w[3] = {};
    for (std::size_t c = 0; c < components; ++c) {
        for (std::size_t x = 0; x < nx; ++x) {
            grid_kernel_->gather(
                grid_.ny, spacing_y_, taps_, window_y_.data(),
                gathered_.data() + (x * components + c) * static_cast<std::size_t>(columns_),
                scratch_.data(), m_[c].data() + x * ny);
        }
        m[c] = m_[c].data();
        w[c] = w_[c].data();
    }
    inner_.evaluate(m[0], m[1], m[2], w[0], w[1], w[2]);
    const std::size_t before = static_cast<std::size_t>(taps_ / 2) - 1;
    const std::size_t after = before + 1;
    for (std::size_t c = 0; c < components; ++c) {
        float* out = past_[c].data() + static_cast<std::size_t>(slot) * (past_[c].size() / kOrder);
        for (std::size_t x = 0; x < nx; ++x, out += width_) {
            const float* in = w[c] + x * ny;
            std::memcpy(out, in + ny - before, before * sizeof(float));
            std::memcpy(out + before, in, ny * sizeof(float));
            std::memcpy(out + before + ny, in, after * sizeof(float));
        }
    }
}

void LatticeGrid::interpolate(const PartWeights& plane, const PartWeights& z) {
    const int moments = 2 * parts_;
    const std::size_t size = past_[0].size() / kOrder;
    for (std::size_t c = 0; c < static_cast<std::size_t>(components_); ++c) {
        float weight[4 * kOrder];
        for (std::size_t k = 0; k < static_cast<std::size_t>(moments); ++k) {
            for (std::size_t p = 0; p < kOrder; ++p) {
                weight[k * kOrder + p] = static_cast<float>((c < 2 ? plane : z)[k / 2][k % 2][p]);
            }
        }
        kernel_->multiply(moments, kOrder, static_cast<int>(size), weight, kOrder, past_[c].data(),
                          static_cast<long>(size), sums_[c].data(), static_cast<long>(size));
    }
    float* out = field_.data();
    for (std::size_t x = 0; x < static_cast<std::size_t>(grid_.nx); ++x) {
        for (std::size_t k = 0; k < static_cast<std::size_t>(moments); ++k) {
            for (std::size_t c = 0; c < static_cast<std::size_t>(components_); ++c) {
                grid_kernel_->interpolate(grid_.ny, spacing_y_, taps_, window_y_.data(),
                                          sums_[c].data() + k * size + x * width_, out);
                out += columns_;
            }
        }
    }
}

}  // namespace nmrsim
