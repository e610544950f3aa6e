#include "tensor_file.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "nmrsim/errors.h"
#include "nmrsim/file_output.h"

namespace nmrinverse {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using nmrsim::InputError;

constexpr std::uint64_t kLongestHeader = 100'000'000;  // the format's own limit
constexpr std::uint64_t kAlignment = 8;

/// Number of values of a shape. Throws: InputError for negative sizes or an absurd product.
std::uint64_t values_of(const std::vector<std::int64_t>& shape, const std::string& where) {
    std::uint64_t product = 1;
    for (const std::int64_t size : shape) {
        if (size < 0 || size > (std::int64_t{1} << 40) ||
            (size > 0 && product > (std::uint64_t{1} << 40) / static_cast<std::uint64_t>(size))) {
            throw InputError(fmt::format("{}: a size of {} is out of range", where, size));
        }
        product *= static_cast<std::uint64_t>(size);
    }
    return product;
}

nlohmann::json read_header(std::ifstream& stream, std::uint64_t file_size, const std::string& path,
                           std::uint64_t& data_start) {
    std::uint64_t length = 0;
    if (file_size < sizeof length ||
        !stream.read(reinterpret_cast<char*>(&length), sizeof length)) {
        throw InputError(
            fmt::format("{}: expected a safetensors file, found {} bytes", path, file_size));
    }
    if (length < 2 || length > kLongestHeader || length > file_size - sizeof length) {
        throw InputError(fmt::format(
            "{}: expected a safetensors file, but a header of {} bytes does not fit in {}", path,
            length, file_size));
    }
    std::string text(length, '\0');
    if (!stream.read(text.data(), static_cast<std::streamsize>(length))) {
        throw InputError(fmt::format("{}: the header cannot be read", path));
    }
    data_start = sizeof length + length;
    nlohmann::json header = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!header.is_object()) {
        throw InputError(fmt::format("{}: the header is not a JSON object", path));
    }
    return header;
}

}  // namespace

void write_tensor_file(const TensorFile& file, const std::string& path) {
    nlohmann::json header = nlohmann::json::object();
    header["__metadata__"] = file.metadata;
    std::uint64_t offset = 0;
    for (const auto& [name, tensor] : file.tensors) {
        const std::uint64_t end = offset + sizeof(float) * tensor.values.size();
        header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
        offset = end;
    }
    std::string text = header.dump();
    while ((text.size() + sizeof(std::uint64_t)) % kAlignment != 0) text += ' ';
    const std::uint64_t length = text.size();

    nmrsim::write_whole_file(path, [&](const std::string& temporary) {
        std::ofstream stream(temporary, std::ios::binary);
        stream.write(reinterpret_cast<const char*>(&length), sizeof length);
        stream.write(text.data(), static_cast<std::streamsize>(text.size()));
        for (const auto& [name, tensor] : file.tensors) {
            stream.write(reinterpret_cast<const char*>(tensor.values.data()),
                         static_cast<std::streamsize>(sizeof(float) * tensor.values.size()));
        }
        stream.close();
        if (!stream) throw std::runtime_error(fmt::format("{}: cannot be written", path));
    });
}

TensorFile read_tensor_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    if (!stream) throw InputError(fmt::format("{}: {}", path, std::strerror(errno)));
    const std::streamoff end_of_file = stream.tellg();
    if (end_of_file < 0) throw InputError(fmt::format("{}: not a file that can be read", path));
    const auto file_size = static_cast<std::uint64_t>(end_of_file);
    stream.seekg(0);
    std::uint64_t data_start = 0;
    const nlohmann::json header = read_header(stream, file_size, path, data_start);
    const std::uint64_t data_size = file_size - data_start;

    TensorFile file;
    std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> ranges;  // begin: end, name
    try {
        for (const auto& [name, entry] : header.items()) {
            if (name == "__metadata__") {
                entry.get_to(file.metadata);
                continue;
            }
            const std::string where = fmt::format("{}: tensor {}", path, name);
            const std::string dtype = entry.at("dtype").get<std::string>();
            if (dtype != "F32") {
                throw InputError(
                    fmt::format("{}: expected numbers of type F32, found {}", where, dtype));
            }
            FileTensor tensor;
            entry.at("shape").get_to(tensor.shape);
            const nlohmann::json& offsets = entry.at("data_offsets");
            const auto begin = offsets.at(0).get<std::uint64_t>();
            const auto end = offsets.at(1).get<std::uint64_t>();
            if (offsets.size() != 2 || begin > end || end > data_size) {
                throw InputError(
                    fmt::format("{}: bytes {} to {} do not lie in the file's {} of data", where,
                                begin, end, data_size));
            }
            if (values_of(tensor.shape, where) * sizeof(float) != end - begin) {
                throw InputError(fmt::format("{}: its shape does not agree with its {} bytes",
                                             where, end - begin));
            }
            if (end > begin && !ranges.insert({begin, {end, name}}).second) {
                throw InputError(fmt::format("{}: overlaps another tensor", where));
            }
            file.tensors.emplace(name, std::move(tensor));
        }
    } catch (const nlohmann::json::exception& error) {
        throw InputError(fmt::format("{}: bad header: {}", path, error.what()));
    }
    std::uint64_t covered = 0;
    for (const auto& [begin, range] : ranges) {
        if (begin != covered) {
            throw InputError(fmt::format("{}: tensor {}: expected to begin at byte {}, found {}",
                                         path, range.second, covered, begin));
        }
        covered = range.first;
    }
    if (covered != data_size) {
        throw InputError(
            fmt::format("{}: expected {} bytes of data, found {}", path, covered, data_size));
    }
    for (const auto& [begin, range] : ranges) {
        FileTensor& tensor = file.tensors.at(range.second);
        tensor.values.resize((range.first - begin) / sizeof(float));
        stream.seekg(static_cast<std::streamoff>(data_start + begin));
        if (!stream.read(reinterpret_cast<char*>(tensor.values.data()),
                         static_cast<std::streamsize>(range.first - begin))) {
            throw InputError(fmt::format("{}: tensor {}: cannot be read", path, range.second));
        }
        for (const float value : tensor.values) {
            if (!std::isfinite(value)) {
                throw InputError(fmt::format("{}: tensor {}: expected finite numbers, found {}",
                                             path, range.second, value));
            }
        }
    }
    return file;
}

}  // namespace nmrinverse
