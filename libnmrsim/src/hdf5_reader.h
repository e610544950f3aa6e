/// What reading HDF5 takes: identifiers that close themselves, and errors in one line.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5.h>

#include <cmath>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nmrsim/errors.h"

// HDF5's macros hold casts of C.
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace nmrsim {

/// HDF5 prints its own traces unless told not to; errors here are one line, by us.
class QuietHdf5 {
public:
    QuietHdf5() {
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
    H5E_auto2_t function_ = nullptr;
    void* data_ = nullptr;
};

/// An identifier of HDF5 with what closes it.
class Hdf5Handle {
public:
    Hdf5Handle(hid_t id, herr_t (*closer)(hid_t)) : id_(id), close_(closer) {}
    ~Hdf5Handle() {
        if (id_ >= 0) close_(id_);
    }
    Hdf5Handle(Hdf5Handle&& other) noexcept : id_(other.id_), close_(other.close_) {
        other.id_ = H5I_INVALID_HID;
    }
    Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(close_, other.close_);
        return *this;
    }
    Hdf5Handle(const Hdf5Handle&) = delete;
    Hdf5Handle& operator=(const Hdf5Handle&) = delete;

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
        throw InputError(fmt::format("{}: {}", path_, what));
    }

    Hdf5Handle open() const {
        if (H5Fis_hdf5(path_.c_str()) <= 0) fail("expected an HDF5 file, found something else");
        Hdf5Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
        if (!file.valid()) fail("truncated or damaged HDF5 file");
        return file;
    }

    /// Extent of a space: (rank).
    std::vector<hsize_t> shape(hid_t space) const {
        const int rank = H5Sget_simple_extent_ndims(space);
        if (rank < 0) fail("truncated or damaged HDF5 file");
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

    /// Numbers of a set of this extent, once what the file claims is known to be there.
    std::size_t checked_total(hid_t set, const char* name,
                              const std::vector<hsize_t>& extent) const {
        const Hdf5Handle type(H5Dget_type(set), H5Tclose);
        // Before memory is asked for: no filter of HDF5 packs by
        // more than 1032 to 1 (deflate).
        const hsize_t stored = H5Dget_storage_size(set);
        hsize_t left = stored > size_ ? 0 : stored * 1032 / H5Tget_size(type.id());
        std::size_t total = 1;
        for (const hsize_t length : extent) {
            total *= length;
            left = length > 0 ? left / length : 0;
        }
        if (total > 0 && left == 0)
            fail(fmt::format("/{}: {} is more than the file holds", name, text(extent)));
        return total;
    }

    /// Refuses a set of anything but floating-point numbers.
    void require_reals(hid_t set, const char* name) const {
        const Hdf5Handle type(H5Dget_type(set), H5Tclose);
        if (H5Tget_class(type.id()) != H5T_FLOAT) {
            fail(fmt::format("/{}: expected floating-point numbers", name));
        }
    }

    /// Values of a set of floating-point numbers of the given extent.
    template <typename Real>
    std::vector<Real> values(hid_t set, const char* name,
                             const std::vector<hsize_t>& extent) const {
        require_reals(set, name);
        const std::size_t total = checked_total(set, name, extent);
        if (total == 0) return {};
        std::vector<Real> result(total);
        const hid_t memory = sizeof(Real) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
        if (H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, result.data()) < 0) {
            fail(fmt::format("/{} cannot be read: truncated or damaged", name));
        }
        require_finite<Real>(name, result, 0, total / extent.front());
        return result;
    }

    /// Appends rows first ... first + count - 1 of a set of reals to `to`; the set's extent is
    /// known to be there.
    template <typename Real>
    void append_rows(hid_t set, const char* name, std::vector<hsize_t> extent, hsize_t first,
                     hsize_t count, std::vector<Real>& to) const {
        std::vector<hsize_t> start(extent.size(), 0);
        start.front() = first;
        extent.front() = count;
        std::size_t row = 1;
        for (std::size_t i = 1; i < extent.size(); ++i) row *= extent[i];
        if (count * row == 0) return;
        const std::size_t before = to.size();
        to.resize(before + count * row);
        const Hdf5Handle in_file(H5Dget_space(set), H5Sclose);
        H5Sselect_hyperslab(in_file.id(), H5S_SELECT_SET, start.data(), nullptr, extent.data(),
                            nullptr);
        const Hdf5Handle in_memory(
            H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose);
        const hid_t memory = sizeof(Real) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
        const std::span<Real> added = std::span(to).subspan(before);
        if (H5Dread(set, memory, in_memory.id(), in_file.id(), H5P_DEFAULT, added.data()) < 0) {
            fail(fmt::format("/{} cannot be read: truncated or damaged", name));
        }
        require_finite<Real>(name, added, first, row);
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
        std::vector<double> result(length);
        if (H5Tget_class(type.id()) != H5T_FLOAT ||
            H5Sget_simple_extent_npoints(space.id()) != static_cast<hssize_t>(length) ||
            (length > 0 && H5Aread(found.id(), H5T_NATIVE_DOUBLE, result.data()) < 0)) {
            fail(fmt::format("attribute {}: expected {} numbers", name, length));
        }
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
        if (H5Tget_class(type.id()) != H5T_STRING ||
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
            if (size * length > size_) wrong();
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
    /// Args: first: row of the first value. row: values of a row.
    template <typename Real>
    void require_finite(const char* name, std::span<const Real> found, std::size_t first,
                        std::size_t row) const {
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (!std::isfinite(found[i])) {
                fail(fmt::format("/{}: expected finite numbers, found {} at row {}", name, found[i],
                                 first + i / row));
            }
        }
    }

    std::string path_;
    std::uintmax_t size_;
};

}  // namespace nmrsim
