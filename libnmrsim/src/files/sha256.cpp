#include "nmrsim/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

#include "nmrsim/errors.h"

namespace nmrsim {

namespace {

/// Read at once.
constexpr std::size_t kBytes = std::size_t{1} << 20;

}  // namespace

std::string sha256_of_file(const std::string& path) {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest(EVP_MD_CTX_new(),
                                                                    EVP_MD_CTX_free);
    bool well = digest && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1;
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::vector<char> buffer(kBytes);
    while (well && file) {
        file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
        well = EVP_DigestUpdate(digest.get(), buffer.data(),
                                static_cast<std::size_t>(file.gcount())) == 1;
    }
    if (!file.eof()) {
        throw InputError(
            fmt::format("{}: cannot be read: {}", path, std::strerror(errno ? errno : EIO)));
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned length = 0;
    well = well && EVP_DigestFinal_ex(digest.get(), bytes.data(), &length) == 1;
    if (!well) throw std::runtime_error("libcrypto cannot compute SHA-256");
    std::string text;
    for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", bytes[i]);
    return text;
}

}  // namespace nmrsim
