/// The network: features in, a posterior on the unit box out.
#pragma once

#include "network/torch.h"

#include <string>
#include <utility>
#include <vector>

#include "network/box_density.h"
#include "network/calibration.h"
#include "network/embedding_net.h"

namespace nmrinverse {

/// Sizes of the network.
struct NetworkOptions {
    int inputs = 0;                 ///< numbers of a curve, >= 1
    int unknowns = 0;               ///< >= 1
    int width = 64;                 ///< of the embedding
    int hidden = 256;               ///< of each block's hidden layer
    int blocks = 6;                 ///< residual blocks
    int gates = 0;                  ///< of the embedding's gated reading; 0: there is none
    int members = 1;                ///< networks side by side, whose posteriors are averaged
    ConvolutionShape convolutions;  ///< before the dense layers; without channels: none
    DensityShape head;
    int joint = 64;            ///< hidden layer from the unknowns before one to its density
    std::vector<int> choices;  ///< (unknowns): of a categorical one how many; 0 for a real one

    /// Free numbers of a density of any of the unknowns.
    int density_parameters() const;

    /// Throws: std::invalid_argument that names the inequality.
    void validate() const;
};

std::string to_json(const NetworkOptions& options);
NetworkOptions network_options_from_json(const std::string& text);

/// Names and shapes of the weights, in the order of PosteriorNet::weights().
std::vector<std::pair<std::string, std::vector<std::int64_t>>> weight_shapes(
    const NetworkOptions& options);

/// What the members say of n curves, in unit-box coordinates.
struct NetworkAnswer {
    torch::Tensor embedding;  ///< (members, n, width)
    torch::Tensor mean;       ///< (members, n, unknowns)
    torch::Tensor log_sd;     ///< (members, n, unknowns), logarithm of the standard deviation
    torch::Tensor marginals;  ///< (members, n, unknowns, density_parameters)
    /// (n), where the noise level's logarithm lies between the lowest trained, 0, and the highest,
    /// 1; undefined where the level is no input.
    torch::Tensor noise_position = {};

    /// Curves begin ... end - 1.
    NetworkAnswer slice(std::int64_t begin, std::int64_t end) const;
    /// Each curve `times` times over, one after the other.
    NetworkAnswer repeated(std::int64_t times) const;
};

/// One network. The estimate's mean and standard deviation come from heads of their own; about
/// them, the density of each unknown alone (its marginal), and the density of each given those
/// before it (the joint posterior, autoregressive).
class MemberNet {
public:
    explicit MemberNet(const NetworkOptions& options);

    /// Without the members' dimension.
    NetworkAnswer operator()(const torch::Tensor& inputs) const;

    /// Free numbers of unknown k's density given those before it, k >= 1.
    ///
    /// Args: answer: of this member, without the members' dimension. before: (n, k).
    /// Returns: (n, density_parameters).
    torch::Tensor conditional(const NetworkAnswer& answer, const torch::Tensor& before) const;

    void name(const std::string& prefix, NamedWeights& weights) const;

private:
    NetworkOptions options_;
    EmbeddingNet embedding_;
    Linear estimate_;
    Linear marginals_;
    std::vector<Linear> before_;  ///< (unknowns - 1)
    std::vector<Linear> free_;    ///< (unknowns - 1)
};

/// Posteriors of n curves at one point each.
struct JointDensity {
    torch::Tensor marginal;     ///< (members, n, unknowns), logarithm of each marginal density
    torch::Tensor cumulative;   ///< (members, n, unknowns), of each marginal
    torch::Tensor conditional;  ///< (members, n, unknowns), logarithm of each given those before it
};

/// One or more networks that start from different weights. Where curves are few, each member makes
/// errors of its own: their mixture is better than each of them, and how far they disagree tells
/// what they do not know (B. Lakshminarayanan et al., arXiv 1612.01474).
/// Copies share their weights.
class PosteriorNet {
public:
    explicit PosteriorNet(const NetworkOptions& options);

    const NetworkOptions& options() const { return options_; }

    /// In the order of weight_shapes().
    NamedWeights weights() const;

    /// Moves the weights, of all copies.
    void to(const torch::Device& device);

    /// Args: inputs: (n, inputs).
    NetworkAnswer operator()(const torch::Tensor& inputs) const;

    /// Args: u: (n, unknowns), in [0, 1].
    JointDensity densities(const NetworkAnswer& answer, const Calibration& calibration,
                           const torch::Tensor& u) const;

    /// The same without the conditional ones.
    JointDensity marginal_densities(const NetworkAnswer& answer, const Calibration& calibration,
                                    const torch::Tensor& u) const;

    /// Quantiles of the mixture of all members' marginals.
    ///
    /// Args: levels: (m), in [0, 1]. Returns: (n, unknowns, m), double precision.
    torch::Tensor marginal_quantiles(const NetworkAnswer& answer, const Calibration& calibration,
                                     const torch::Tensor& levels) const;

    /// One draw of the joint posterior for each curve.
    ///
    /// Args: uniform: (n, unknowns + 1), independent uniform numbers; the last picks the member.
    /// Returns: (n, unknowns), double precision.
    torch::Tensor draw(const NetworkAnswer& answer, const Calibration& calibration,
                       const torch::Tensor& uniform) const;

    /// Probabilities of a categorical unknown's choices, (n, choices).
    torch::Tensor probabilities(const NetworkAnswer& answer, int unknown) const;

private:
    JointDensity marginals_about(const Anchor& anchors, const NetworkAnswer& answer,
                                 const torch::Tensor& u) const;
    DensityValue density_of(int unknown, const torch::Tensor& free, const Anchor& anchor,
                            const torch::Tensor& u) const;
    torch::Tensor quantile_of(int unknown, const torch::Tensor& free, const Anchor& anchor,
                              const torch::Tensor& level) const;

    NetworkOptions options_;
    std::vector<MemberNet> members_;
};

/// Mean and standard deviation of the mixture of all members' estimates, (n, unknowns).
Anchor combined(const NetworkAnswer& members);

}  // namespace nmrinverse
