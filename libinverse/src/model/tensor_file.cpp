#include "model/tensor_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
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

/// A header, which takes a dozen times its length once parsed, is a small part of a model: at most
/// this long, or this share of its file.
constexpr std::uint64_t kLongestHeader = 1 << 20;
constexpr std::uint64_t kHeaderShare = 8;
/// Sizes of a tensor, and texts beside the tensors: more are not those of a model.
constexpr int kMostItems = 64;
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

/// Lets pass what a header holds, {name: {dtype, shape: [...], data_offsets: [...]}} and
/// {__metadata__: {...}}, before memory is taken for more.
class HeaderFilter {
public:
    explicit HeaderFilter(const std::string& path) : path_(path) {}

    bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
        using Event = nlohmann::json::parse_event_t;
        const auto allow = [&](bool known) {
            if (!known) throw InputError(path_ + ": bad header: expected tensors and metadata");
        };
        if (event == Event::key && depth == 1) {
            metadata_ = parsed == "__metadata__";
            items_ = 0;
        } else if (event == Event::key) {
            allow(depth == 2 &&
                  (metadata_ ? ++items_ <= kMostItems
                             : parsed == "dtype" || parsed == "shape" || parsed == "data_offsets"));
        } else if (event == Event::object_start) {
            allow(depth <= 1);
        } else if (event == Event::array_start) {
            if (depth == 0) throw InputError(path_ + ": the header is not a JSON object");
            allow(depth == 2 && !metadata_);
            items_ = 0;
        } else if (event == Event::value && depth == 3) {
            allow(++items_ <= kMostItems);
        }
        return true;
    }

private:
    std::string path_;
    bool metadata_ = false;
    int items_ = 0;
};

nlohmann::json read_header(std::ifstream& stream, std::uint64_t file_size, const std::string& path,
                           std::uint64_t& data_start) {
    std::uint64_t length = 0;
    if (file_size < sizeof length ||
        !stream.read(reinterpret_cast<char*>(&length), sizeof length)) {
        throw InputError(
            fmt::format("{}: expected a safetensors file, found {} bytes", path, file_size));
    }
    if (length < 2 || length > std::max(kLongestHeader, file_size / kHeaderShare) ||
        length > file_size - sizeof length) {
        throw InputError(fmt::format(
            "{}: expected a safetensors file, but a header of {} bytes does not fit in {}", path,
            length, file_size));
    }
    std::string text(length, '\0');
    if (!stream.read(text.data(), static_cast<std::streamsize>(length))) {
        throw InputError(fmt::format("{}: the header cannot be read", path));
    }
    data_start = sizeof length + length;
    nlohmann::json header =
        nlohmann::json::parse(text, HeaderFilter(path), /*allow_exceptions=*/false);
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
        errno = 0;
        std::ofstream stream(temporary, std::ios::binary);
        stream.write(reinterpret_cast<const char*>(&length), sizeof length);
        stream.write(text.data(), static_cast<std::streamsize>(text.size()));
        for (const auto& [name, tensor] : file.tensors) {
            stream.write(reinterpret_cast<const char*>(tensor.values.data()),
                         static_cast<std::streamsize>(sizeof(float) * tensor.values.size()));
        }
        stream.close();
        if (!stream) {
            throw std::runtime_error(
                fmt::format("{}: cannot be written: {}", path, std::strerror(errno ? errno : EIO)));
        }
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
