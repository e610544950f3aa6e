/// Tensors in a file, in the safetensors format: eight bytes with the header's length, a JSON
/// header, raw little-endian numbers. Data only, no code.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nmrinverse {

/// One tensor of 32-bit floats.
struct FileTensor {
    std::vector<std::int64_t> shape;
    std::vector<float> values;  ///< row-major
};

/// A file's content.
struct TensorFile {
    std::map<std::string, std::string> metadata;
    std::map<std::string, FileTensor> tensors;
};

/// Writes whole files only. Throws: std::runtime_error that names the path.
void write_tensor_file(const TensorFile& file, const std::string& path);

/// Reads and checks: header within the file, every offset, F32 only, shapes that agree with sizes,
/// no gap or overlap, finite numbers.
///
/// Throws: nmrsim::InputError, "m.safetensors: ...".
TensorFile read_tensor_file(const std::string& path);

}  // namespace nmrinverse
