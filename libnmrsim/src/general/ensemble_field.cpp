#include "general/ensemble_field.h"

#include <cmath>

namespace nmrsim {

template <class Scalar>
EnsembleField<Scalar>::EnsembleField(const EnsembleInputs<Scalar>& inputs, const Lattice& lattice)
    : inputs_(inputs) {
    if (inputs.kernel.empty()) {
        for (const Scalar& weight : inputs.weight) norm_ += std::abs(part(weight, 0));
        return;
    }
    for (const Scalar& f : inputs.kernel) norm_ += std::abs(part(f, 0));
    fft_ = &VolumeFft::of(lattice.nx, lattice.ny, lattice.nz);
    const std::size_t n = inputs.kernel.size();
    sites_.resize(n);
    value_.resize(fft_->modes());
    product_.resize(fft_->modes());
    for (int row = 0; row <= kTangents<Scalar>; ++row) {
        bool any = row == 0;
        for (std::size_t i = 0; i < n; ++i) {
            sites_[i] = part(inputs.kernel[i], row);
            any = any || sites_[i] != 0.0;
        }
        kernel_.emplace_back();
        if (!any) continue;  // a parameter that leaves the kernel alone
        AlignedArray<std::complex<double>>& spectrum = kernel_.back();
        spectrum.resize(fft_->modes());
        fft_->forward(sites_.data(), spectrum.data());
        for (std::size_t k = 0; k < spectrum.size(); ++k) {
            spectrum[k] = std::conj(spectrum[k]) / static_cast<double>(n);
        }
    }
}

template <class Scalar>
void EnsembleField<Scalar>::evaluate(const SpinVectors<Scalar>& v, SpinVectors<Scalar>& w) {
    if (!fft_) {
        w.assign(v.size(), weighted_mean(inputs_.weight, v));
        return;
    }
    w.resize(v.size());
    convolve(v, w, &Vec3<Scalar>::x);
    convolve(v, w, &Vec3<Scalar>::y);
    if (part(inputs_.z, 0) != 0.0 || has_slope(inputs_.z)) convolve(v, w, &Vec3<Scalar>::z);
}

template <class Scalar>
double EnsembleField<Scalar>::largest(const SpinVectors<Scalar>& v) {
    evaluate(v, w_);
    if (fft_) convolve(v, w_, &Vec3<Scalar>::z);
    return largest_length(w_);
}

template <class Scalar>
void EnsembleField<Scalar>::convolve(const SpinVectors<Scalar>& v, SpinVectors<Scalar>& w,
                                     Scalar Vec3<Scalar>::*axis) {
    const std::size_t modes = fft_->modes();
    for (int row = 0; row <= kTangents<Scalar>; ++row) {
        for (std::size_t i = 0; i < v.size(); ++i) sites_[i] = part(v[i].*axis, row);
        fft_->forward(sites_.data(), product_.data());
        if (row == 0) {
            for (std::size_t k = 0; k < modes; ++k) value_[k] = product_[k];
        }
        for (std::size_t k = 0; k < modes; ++k) product_[k] *= kernel_[0][k];
        const AlignedArray<std::complex<double>>& slope = kernel_[static_cast<std::size_t>(row)];
        if (row > 0 && slope.size() > 0) {
            for (std::size_t k = 0; k < modes; ++k) product_[k] += value_[k] * slope[k];
        }
        fft_->backward(product_.data(), sites_.data());
        for (std::size_t i = 0; i < v.size(); ++i) set_part(w[i].*axis, row, sites_[i]);
    }
}

template class EnsembleField<double>;
template class EnsembleField<Dual<1>>;
template class EnsembleField<Dual<2>>;
template class EnsembleField<Dual<3>>;

}  // namespace nmrsim
