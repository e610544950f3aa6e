/// What of LibTorch this library uses: tensors and their derivatives, without torch/nn, whose
/// headers cost a source more than ten seconds of compilation.
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>
#include <torch/types.h>
#include <torch/utils.h>
