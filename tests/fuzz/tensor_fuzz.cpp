// A safetensors file.
#include "fuzz.h"
#include "model/tensor_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string path = fuzz::write_file("input.safetensors", fuzz::text_of(data, size));
    fuzz::answers([&] {
        const nmrinverse::TensorFile file = nmrinverse::read_tensor_file(path);
        for (const auto& [name, tensor] : file.tensors) {
            std::size_t total = 1;
            for (const std::int64_t length : tensor.shape) {
                total *= static_cast<std::size_t>(length);
            }
            fuzz::require(tensor.values.size() == total && fuzz::finite(tensor.values),
                          "a tensor has the finite numbers of its shape");
        }
    });
    return 0;
}
