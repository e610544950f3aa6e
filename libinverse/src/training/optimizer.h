/// The optimizer: orthogonalised momentum for matrices, AdamW for the rest.
#pragma once

#include "network/torch.h"

#include <string>
#include <utility>
#include <vector>

namespace nmrinverse {

/// Muon (K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024): a
/// matrix moves by its momentum with all singular values made about 1, so that no direction of the
/// weights waits for another. On the 2021 task it reaches a third of AdamW's error from half the
/// curves (docs/developer/decisions.md). A convolution counts as the matrix of its filters. Vectors
/// and the narrow last layer go by AdamW (I. Loshchilov, F. Hutter, arXiv 1711.05101).
class Optimizer {
public:
    /// Args: parameters: names and tensors. weight_decay: decoupled, a share of the learning rate.
    Optimizer(std::vector<std::pair<std::string, torch::Tensor>> parameters, double weight_decay);

    /// One step with the gradients at hand, which are then cleared.
    ///
    /// Args: learning_rate: of AdamW; matrices move with ten times as much.
    void step(double learning_rate);

    /// Norm of all gradients together; they are scaled down to `largest` where it exceeds that.
    double clip_gradients(double largest);

    /// What a checkpoint must hold: names and tensors, to be copied from or into.
    std::vector<std::pair<std::string, torch::Tensor>> state() const;
    long steps = 0;  ///< done; part of the state

private:
    struct Slot {
        std::string name;
        torch::Tensor weight;
        bool is_matrix = false;
        torch::Tensor first;   ///< momentum
        torch::Tensor second;  ///< mean square of the gradient (AdamW)
    };
    std::vector<Slot> slots_;
    double weight_decay_;
};

/// The matrix with the same singular vectors and all singular values near 1 (0.7 to 1.2), by five
/// steps of the quintic Newton-Schulz iteration of Jordan et al.
torch::Tensor orthogonalised(const torch::Tensor& matrix);

}  // namespace nmrinverse
