/// What reading HDF5 takes: identifiers that close themselves, and errors in one line.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "files/hdf5_problem.h"
#include "files/memory_allowance.h"
#include "nmrsim/errors.h"
#include "nmrsim/stop.h"
#include "text/text_numbers.h"

// HDF5's macros hold casts of C.
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace nmrsim {

/// HDF5 prints its own traces unless told not to; errors here are one line, by us. It knows no
/// threads: whoever holds one of these is inside HDF5, alone.
class QuietHdf5 {
public:
    QuietHdf5() : lock_(mutex()) {
        // A file that could not be written for want of space stays open, and when the program ends
        // HDF5 would try again and crash. All files are closed without its help.
        static const bool once = H5dont_atexit() >= 0;
        static_cast<void>(once);
        H5open();
        H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
        H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    }
    ~QuietHdf5() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
    QuietHdf5(const QuietHdf5&) = delete;
    QuietHdf5& operator=(const QuietHdf5&) = delete;

private:
    static std::recursive_mutex& mutex() {
        static std::recursive_mutex one;
        return one;
    }

    std::lock_guard<std::recursive_mutex> lock_;
    H5E_auto2_t function_ = nullptr;
    void* data_ = nullptr;
};

/// An identifier of HDF5 with what closes it.
class Hdf5Handle {
public:
    Hdf5Handle(hid_t id, herr_t (*closer)(hid_t)) : id_(id), close_(closer) {}
    ~Hdf5Handle() {
        if (id_ < 0) return;
        const QuietHdf5 quiet;  // an error's way out may have left it
        close_(id_);
    }
    Hdf5Handle(Hdf5Handle&& other) noexcept : id_(other.id_), close_(other.close_) {
        other.id_ = H5I_INVALID_HID;
    }
    Hdf5Handle(const Hdf5Handle&) = delete;
    Hdf5Handle& operator=(const Hdf5Handle&) = delete;
    Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(close_, other.close_);
        return *this;
    }

    hid_t id() const { return id_; }
    bool valid() const { return id_ >= 0; }
    bool close() {
        const bool closed = close_(id_) >= 0;
        id_ = H5I_INVALID_HID;
        return closed;
    }

private:
    hid_t id_;
    herr_t (*close_)(hid_t);
};

/// Rows of a set: its indices of the first dimension; by default all.
struct Hdf5Rows {
    std::size_t first = 0;
    std::size_t count = std::numeric_limits<std::size_t>::max();
};

/// A number's type in memory.
template <typename Real>
hid_t native_type() {
    return sizeof(Real) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
}

class Hdf5Reader {
public:
    explicit Hdf5Reader(const std::string& path) : path_(path), size_(0) {
        std::error_code error;
        if (!std::filesystem::exists(path, error)) fail("no such file");
        if (std::filesystem::is_directory(path, error)) fail("expected HDF5, found a folder");
        size_ = std::filesystem::file_size(path, error);
        if (error) fail("cannot be read");
    }

    [[noreturn]] void fail(const std::string& what) const {
        throw InputError(fmt::format("{}: {}", path_, printable(what, 400)));
    }

    std::uintmax_t size() const { return size_; }

    /// The file, of which nothing leads elsewhere: no code of a filter that HDF5 would look for, no
    /// link to another file.
    Hdf5Handle open() const {
        H5PLset_loading_state(0);
        H5Lunregister(H5L_TYPE_EXTERNAL);
        const htri_t is_hdf5 = H5Fis_hdf5(path_.c_str());
        if (is_hdf5 < 0) fail(why_not_opened(path_));
        if (is_hdf5 == 0) fail("expected an HDF5 file, found something else");
        Hdf5Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
        if (!file.valid()) fail(why_not_opened(path_));
        return file;
    }

    /// Extent of a space: (rank).
    std::vector<hsize_t> shape(hid_t space) const {
        const int rank = H5Sget_simple_extent_ndims(space);
        if (rank < 0 || rank > H5S_MAX_RANK) fail("truncated or damaged HDF5 file");
        std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
        if (rank > 0) H5Sget_simple_extent_dims(space, extent.data(), nullptr);
        return extent;
    }

    Hdf5Handle dataset(hid_t file, const char* name) const {
        if (H5Lexists(file, name, H5P_DEFAULT) <= 0) fail(fmt::format("expected /{}", name));
        Hdf5Handle set(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
        if (!set.valid()) fail(fmt::format("/{} cannot be read", name));
        return set;
    }

    std::vector<hsize_t> dataset_shape(hid_t set) const {
        return shape(Hdf5Handle(H5Dget_space(set), H5Sclose).id());
    }

    /// How a set lies in its file: extent of a chunk, or nothing.
    std::vector<hsize_t> chunk(hid_t set, const char* name, std::size_t rank) const {
        const Hdf5Handle creation(H5Dget_create_plist(set), H5Pclose);
        const H5D_layout_t layout = H5Pget_layout(creation.id());
        if (layout < 0) fail(fmt::format("/{} cannot be read: truncated or damaged", name));
        if (layout == H5D_VIRTUAL || H5Pget_external_count(creation.id()) != 0) {
            fail(fmt::format("/{}: expected its numbers in this file, found another's name", name));
        }
        if (layout != H5D_CHUNKED) return {};
        std::vector<hsize_t> extent(rank);
        if (H5Pget_chunk(creation.id(), static_cast<int>(rank), extent.data()) !=
            static_cast<int>(rank)) {
            fail(fmt::format("/{} cannot be read: truncated or damaged", name));
        }
        return extent;
    }

    /// Numbers of a set of this extent, once what the file claims is known to be there and to fit
    /// into memory. Args: width: of a number in memory [bytes].
    std::size_t checked_total(hid_t set, const char* name, const std::vector<hsize_t>& extent,
                              std::size_t width) const {
        const auto too_much = [&] {
            fail(fmt::format("/{}: {} is more than the file holds", name, text(extent)));
        };
        const Hdf5Handle type(H5Dget_type(set), H5Tclose);
        const hsize_t in_file = H5Tget_size(type.id());
        if (in_file == 0) fail(fmt::format("/{} cannot be read: truncated or damaged", name));
        if (std::find(extent.begin(), extent.end(), hsize_t{0}) != extent.end()) return 0;
        // Before memory is asked for: no filter of HDF5 packs by more than 1032 to 1 (deflate).
        const hsize_t stored = H5Dget_storage_size(set);
        if (stored == 0 || stored > size_) too_much();
        const hsize_t most = std::min<hsize_t>(
            stored * 1032 / in_file, memory_allowance(size_) / std::max<hsize_t>(width, in_file));
        hsize_t total = 1, piece = 1;
        for (const hsize_t length : extent) {
            if (length > most / total) too_much();
            total *= length;
        }
        for (const hsize_t length : chunk(set, name, extent.size())) {
            if (length == 0 || length > memory_allowance(size_) / in_file / piece) too_much();
            piece *= length;
        }
        return total;
    }

    static bool is_real(hid_t type) {
        const H5T_class_t kind = H5Tget_class(type);
        return kind == H5T_FLOAT || kind == H5T_INTEGER;
    }

    /// Throws: InputError where the set does not hold real numbers.
    void require_reals(hid_t set, const char* name) const {
        const Hdf5Handle type(H5Dget_type(set), H5Tclose);
        if (!is_real(type.id())) fail(fmt::format("/{}: expected real numbers", name));
    }

    /// Throws: InputError for a number that is not finite. Args: row: the numbers of one index of
    /// the first dimension.
    template <typename Real>
    void require_finite(const Real* values, std::size_t count, const char* name,
                        std::size_t first_row, std::size_t row) const {
        for (std::size_t i = 0; i < count; ++i) {
            if (std::isfinite(values[i])) continue;
            fail(fmt::format("/{}: expected finite numbers, found {} at row {}", name, values[i],
                             first_row + i / row));
        }
    }

    /// Appends rows of a set to `to`, which grows only once they are known to be there. Args:
    /// memory: type of `parts` numbers of type Real each.
    template <typename Real>
    void append(hid_t set, const char* name, const std::vector<hsize_t>& extent, Hdf5Rows which,
                hid_t memory, std::size_t parts, std::vector<Real>& to) const {
        constexpr std::size_t kBlock = std::size_t{64} << 20;  // between looks at stops [bytes]
        const std::size_t total = checked_total(set, name, extent, parts * sizeof(Real));
        if (total == 0) return;
        const std::size_t set_rows = extent.empty() ? 1 : extent.front();
        const std::size_t row = total / set_rows;
        const std::size_t begin = std::min(which.first, set_rows);
        const std::size_t end = begin + std::min(which.count, set_rows - begin);
        const std::vector<hsize_t> chunks = chunk(set, name, extent.size());
        // Whole chunks, or each would be unpacked for every block that it reaches into.
        const std::size_t high = chunks.empty() ? 1 : chunks.front();
        const std::size_t block =
            std::max<std::size_t>(kBlock / (row * parts * sizeof(Real)) / high, 1) * high;
        std::size_t at = to.size();
        to.resize(at + (end - begin) * row * parts);
        const Hdf5Handle in_file(H5Dget_space(set), H5Sclose);
        for (std::size_t first = begin; first < end; first += block) {
            if (first > begin) throw_if_stopped();
            // In memory as in the file: HDF5 would else find the way number by number.
            std::vector<hsize_t> start(extent.size(), 0), count(extent);
            const std::size_t rows = std::min(block, end - first);
            if (!extent.empty()) {
                start.front() = first;
                count.front() = rows;
                H5Sselect_hyperslab(in_file.id(), H5S_SELECT_SET, start.data(), nullptr,
                                    count.data(), nullptr);
            }
            const Hdf5Handle in_memory(
                H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose);
            const std::size_t numbers = rows * row * parts;
            if (H5Dread(set, memory, in_memory.id(), in_file.id(), H5P_DEFAULT, &to[at]) < 0) {
                fail(fmt::format("/{} cannot be read: truncated or damaged", name));
            }
            require_finite(&to[at], numbers, name, first, row * parts);
            at += numbers;
        }
    }

    template <typename Real>
    void append(hid_t set, const char* name, const std::vector<hsize_t>& extent, Hdf5Rows which,
                std::vector<Real>& to) const {
        require_reals(set, name);
        append(set, name, extent, which, native_type<Real>(), 1, to);
    }

    Hdf5Handle attribute(hid_t object, const char* name) const {
        if (H5Aexists(object, name) <= 0) fail(fmt::format("expected an attribute {}", name));
        Hdf5Handle found(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
        if (!found.valid()) fail(fmt::format("attribute {} cannot be read", name));
        return found;
    }

    /// One number of the class and memory type given.
    template <typename Number>
    Number number(hid_t object, const char* name, hid_t memory) const {
        const Hdf5Handle found = attribute(object, name);
        const Hdf5Handle type(H5Aget_type(found.id()), H5Tclose);
        const Hdf5Handle space(H5Aget_space(found.id()), H5Sclose);
        Number value{};
        if (H5Tget_class(type.id()) != H5T_INTEGER ||
            H5Sget_simple_extent_npoints(space.id()) != 1 ||
            H5Aread(found.id(), memory, &value) < 0) {
            fail(fmt::format("attribute {}: expected one whole number", name));
        }
        return value;
    }

    std::vector<double> reals(hid_t object, const char* name, std::size_t length) const {
        const Hdf5Handle found = attribute(object, name);
        const Hdf5Handle type(H5Aget_type(found.id()), H5Tclose);
        const Hdf5Handle space(H5Aget_space(found.id()), H5Sclose);
        const auto wrong = [&] {
            fail(fmt::format("attribute {}: expected {} numbers", name, length));
        };
        if (!is_real(type.id()) || length > size_ ||
            H5Sget_simple_extent_npoints(space.id()) != static_cast<hssize_t>(length)) {
            wrong();
        }
        std::vector<double> result(length);
        if (length > 0 && H5Aread(found.id(), H5T_NATIVE_DOUBLE, result.data()) < 0) wrong();
        return result;
    }

    /// Texts of fixed or variable length, both of which other writers make.
    std::vector<std::string> texts(hid_t object, const char* name, std::size_t length) const {
        const Hdf5Handle found = attribute(object, name);
        const Hdf5Handle type(H5Aget_type(found.id()), H5Tclose);
        const Hdf5Handle space(H5Aget_space(found.id()), H5Sclose);
        const auto wrong = [&] {
            fail(fmt::format("attribute {}: expected {} text{}", name, length,
                             length == 1 ? "" : "s"));
        };
        if (H5Tget_class(type.id()) != H5T_STRING || length > size_ ||
            H5Sget_simple_extent_npoints(space.id()) != static_cast<hssize_t>(length)) {
            wrong();
        }
        std::vector<std::string> result(length);
        if (length == 0) return result;
        if (H5Tis_variable_str(type.id()) > 0) {
            std::vector<char*> pointers(length, nullptr);
            const Hdf5Handle memory(H5Tcopy(type.id()), H5Tclose);
            if (H5Aread(found.id(), memory.id(), pointers.data()) < 0) wrong();
            for (std::size_t i = 0; i < length; ++i) result[i] = pointers[i] ? pointers[i] : "";
            H5Dvlen_reclaim(memory.id(), space.id(), H5P_DEFAULT, pointers.data());
        } else {
            const std::size_t size = H5Tget_size(type.id());
            if (size == 0 || size > size_ / length) wrong();
            std::string all(size * length, '\0');
            if (H5Aread(found.id(), type.id(), all.data()) < 0) wrong();
            for (std::size_t i = 0; i < length; ++i) {
                result[i] = all.substr(i * size, size);
                result[i].resize(std::min(result[i].find('\0'), result[i].size()));
            }
        }
        return result;
    }

    std::string text(hid_t object, const char* name) const {
        return texts(object, name, 1).front();
    }

    /// "(3, 2, 856)"
    static std::string text(const std::vector<hsize_t>& extent) {
        return fmt::format("({})", fmt::join(extent, ", "));
    }

private:
    std::string path_;
    std::uintmax_t size_;
};

}  // namespace nmrsim
