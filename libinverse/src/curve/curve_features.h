/// What the network sees of a curve. Everything needed to make it again is in FeatureSpec, which is
/// stored with the model.
#pragma once

#include "network/torch.h"

#include <string>
#include <vector>

#include "curve/low_pass.h"

namespace nmrinverse {

/// Channels of (samples) numbers each, made of the low-passed curve m divided by its root mean
/// square s, and single numbers beside them.
struct FeatureSpec {
    LowPass low_pass;
    bool cartesian = true;       ///< Re m, Im m
    bool amplitude = true;       ///< |m|
    bool log_amplitude = false;  ///< log |m|, floored
    bool turn = true;      ///< cos and sin of the angle that m turns by from a sample to the next
    bool spectrum = true;  ///< Re, Im of m's discrete Fourier transform
    /// Of |m|, below which a turn is damped: where there is next to no signal, it tells nothing.
    double turn_floor = 0.03;
    /// Pairs of numbers beside each curve, which a first look tells (FirstLook); inputs as they
    /// are.
    int looked_at = 0;
    /// Noise the model was trained for [units of M]; where high > low, the level is an input.
    double noise_low = 0.0;
    double noise_high = 0.0;
    std::vector<double> channel_mean;  ///< (channels) over a sample of the training curves
    std::vector<double> channel_sd;    ///< (channels)
    double log_scale_mean = 0.0;       ///< of log s
    double log_scale_sd = 1.0;

    int channels() const;
    bool noise_is_input() const { return noise_high > noise_low; }
    int inputs() const;  ///< numbers that the network sees of a curve

    /// Throws: std::invalid_argument.
    void validate() const;
};

/// Channels that a curve keeps whatever the receiver's phase: log |m| and the turn.
///
/// An echo's phase winds many times over the prior: from few curves a network learns more where it
/// sees only by how much it turns (docs/developer/decisions.md).
FeatureSpec phase_free_features();

/// The curve's numbers as they are, Re m and Im m on one scale, and nothing that is made of them.
///
/// What is made of them by quotients makes much of a faint sample's noise; where the noise is that
/// of a draw and curves are few, a network learns it by heart (docs/developer/decisions.md).
FeatureSpec plain_features();

std::string to_json(const FeatureSpec& spec);

/// Throws: std::invalid_argument that says what is wrong.
FeatureSpec feature_spec_from_json(const std::string& text);

/// Computes features, on the device of what it is given.
class Features {
public:
    explicit Features(FeatureSpec spec);

    const FeatureSpec& spec() const { return spec_; }
    void to(const torch::Device& device);

    /// Sets the means and standard deviations of the spec from a sample of curves.
    ///
    /// Args: reduced: (n, 2, samples + looked_at), low-passed curves and what is beside them.
    void standardise(const torch::Tensor& reduced);

    /// Args: reduced: as above. noise: (n), the level of each; not looked
    /// at unless it is an input.
    /// Returns: (n, inputs).
    torch::Tensor inputs(const torch::Tensor& reduced, const torch::Tensor& noise) const;

    /// Where each level's logarithm lies between the lowest trained, 0, and the highest, 1; (n).
    /// Undefined where the level is no input.
    torch::Tensor noise_position(const torch::Tensor& noise) const;

    /// White noise on the curve, as it is after the low-pass: its exact covariance.
    ///
    /// Args: white: (n, 2, samples), independent standard normal numbers.
    /// Returns: (n, 2, samples), for noise of standard deviation 1 on each point of the curve.
    torch::Tensor noise_after_low_pass(const torch::Tensor& white) const;

private:
    std::vector<torch::Tensor> channels(const torch::Tensor& reduced, torch::Tensor& scale) const;

    FeatureSpec spec_;
    torch::Tensor fourier_cos_;   ///< (samples, samples)
    torch::Tensor fourier_sin_;   ///< (samples, samples)
    torch::Tensor noise_factor_;  ///< (samples, samples), transposed Cholesky factor
};

}  // namespace nmrinverse
