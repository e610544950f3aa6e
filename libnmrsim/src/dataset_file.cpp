#include "nmrsim/dataset_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>

#include "nmrsim/errors.h"
#include "nmrsim/file_output.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

// HDF5's macros hold casts of C.
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace nmrsim {

namespace {

constexpr int kFormatVersion = 2;
/// What a set without categorical unknowns is written as, so that older programs read it.
constexpr int kFormatWithoutChoices = 1;
/// Between the choices of one unknown, in one text.
constexpr char kChoiceSeparator = ',';

/// HDF5 prints its own traces unless told not to; errors here are one line, by us.
class QuietHdf5 {
public:
    QuietHdf5() {
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
class Handle {
public:
    Handle(hid_t id, herr_t (*closer)(hid_t)) : id_(id), close_(closer) {}
    ~Handle() {
        if (id_ >= 0) close_(id_);
    }
    Handle(Handle&& other) noexcept : id_(other.id_), close_(other.close_) {
        other.id_ = H5I_INVALID_HID;
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

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

Handle text_type() {
    Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.id(), H5T_VARIABLE);
    H5Tset_cset(type.id(), H5T_CSET_UTF8);
    return type;
}

// ---- writing -----------------------------------------------------------------------------------

class Writer {
public:
    explicit Writer(const std::string& path) : path_(path) {}

    Handle check(Handle handle) const {
        if (!handle.valid()) fail();
        return handle;
    }
    void check(herr_t status) const {
        if (status < 0) fail();
    }
    [[noreturn]] void fail() const {
        throw std::runtime_error(fmt::format("{}: cannot be written as HDF5", path_));
    }

    Handle space(const std::vector<hsize_t>& shape) const {
        if (shape.empty()) return check(Handle(H5Screate(H5S_SCALAR), H5Sclose));
        return check(Handle(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                            H5Sclose));
    }

    Handle dataset(hid_t file, const char* name, hid_t file_type, hid_t memory_type,
                   const std::vector<hsize_t>& shape, const void* values) const {
        const Handle extent = space(shape);
        // The same data give the same bytes: no time of writing inside.
        const Handle creation = check(Handle(H5Pcreate(H5P_DATASET_CREATE), H5Pclose));
        check(H5Pset_obj_track_times(creation.id(), false));
        Handle set = check(Handle(
            H5Dcreate2(file, name, file_type, extent.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
            H5Dclose));
        const bool empty = std::find(shape.begin(), shape.end(), hsize_t{0}) != shape.end();
        if (!empty) check(H5Dwrite(set.id(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
        return set;
    }

    void attribute(hid_t object, const char* name, hid_t file_type, hid_t memory_type,
                   const std::vector<hsize_t>& shape, const void* values) const {
        const Handle extent = space(shape);
        const Handle written = check(Handle(
            H5Acreate2(object, name, file_type, extent.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose));
        const bool empty = !shape.empty() && shape.front() == 0;
        if (!empty) check(H5Awrite(written.id(), memory_type, values));
    }

    void texts(hid_t object, const char* name, const std::vector<std::string>& values) const {
        std::vector<const char*> pointers;
        for (const std::string& value : values) pointers.push_back(value.c_str());
        const Handle type = text_type();
        attribute(object, name, type.id(), type.id(), {pointers.size()}, pointers.data());
    }

    void text(hid_t object, const char* name, const std::string& value) const {
        const char* pointer = value.c_str();
        const Handle type = text_type();
        attribute(object, name, type.id(), type.id(), {}, &pointer);
    }

    void reals(hid_t object, const char* name, const std::vector<double>& values) const {
        attribute(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {values.size()}, values.data());
    }

    void seed(hid_t object, const char* name, std::uint64_t value) const {
        attribute(object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, {}, &value);
    }

private:
    std::string path_;
};

void write_contents(const Dataset& dataset, hid_t file, const Writer& writer) {
    const hsize_t count = dataset.count(), points = dataset.points(), k = dataset.unknowns.size();

    writer.dataset(file, "signal", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {count, 2, points},
                   dataset.signal.data());
    std::vector<double> time_s(dataset.time_us);
    for (double& time : time_s) time *= kSecondsPerUs;
    const Handle time =
        writer.dataset(file, "time", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {points}, time_s.data());
    writer.text(time.id(), "unit", "s");
    // A set whose parameters nobody knows has no rows here.
    const hsize_t rows = dataset.parameters.empty() ? 0 : count;
    const Handle parameters = writer.dataset(file, "parameters", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE,
                                             {rows, k}, dataset.parameters.data());
    std::vector<std::string> names, units;
    std::vector<double> lower, upper;
    for (const PriorRange& range : dataset.unknowns) {
        names.push_back(range.name);
        units.emplace_back(parameter(range.name).unit);
        lower.push_back(range.low);
        upper.push_back(range.high);
    }
    writer.texts(parameters.id(), "names", names);
    writer.texts(parameters.id(), "units", units);
    writer.reals(parameters.id(), "lower", lower);
    writer.reals(parameters.id(), "upper", upper);
    int version = kFormatWithoutChoices;
    if (find_categorical(dataset.unknowns)) {
        version = kFormatVersion;
        std::vector<std::string> choices;
        for (const PriorRange& range : dataset.unknowns) {
            choices.push_back(
                fmt::format("{}", fmt::join(range.choices, std::string(1, kChoiceSeparator))));
        }
        writer.texts(parameters.id(), "choices", choices);
    }

    writer.attribute(file, "format_version", H5T_STD_I32LE, H5T_NATIVE_INT, {}, &version);
    writer.text(file, "experiment", dataset.experiment_toml);
    writer.seed(file, "seed", dataset.seed);
    writer.seed(file, "first_index", dataset.first_index);
    writer.text(file, "version", dataset.version);
}

void write_hdf5(const Dataset& dataset, const std::string& path, const Writer& writer) {
    Handle file = writer.check(
        Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose));
    write_contents(dataset, file.id(), writer);
    writer.check(H5Fflush(file.id(), H5F_SCOPE_GLOBAL));
    if (!file.close()) writer.fail();
}

// ---- reading -----------------------------------------------------------------------------------

class Reader {
public:
    explicit Reader(const std::string& path) : path_(path), size_(0) {
        std::error_code error;
        if (!std::filesystem::exists(path, error)) fail("no such file");
        if (std::filesystem::is_directory(path, error)) fail("expected HDF5, found a folder");
        size_ = std::filesystem::file_size(path, error);
        if (error) fail("cannot be read");
    }

    [[noreturn]] void fail(const std::string& what) const {
        throw InputError(fmt::format("{}: {}", path_, what));
    }

    Handle open() const {
        if (H5Fis_hdf5(path_.c_str()) <= 0) fail("expected an HDF5 file, found something else");
        Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
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

    Handle dataset(hid_t file, const char* name) const {
        if (H5Lexists(file, name, H5P_DEFAULT) <= 0) fail(fmt::format("expected /{}", name));
        Handle set(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
        if (!set.valid()) fail(fmt::format("/{} cannot be read", name));
        return set;
    }

    std::vector<hsize_t> dataset_shape(hid_t set) const {
        return shape(Handle(H5Dget_space(set), H5Sclose).id());
    }

    /// Values of a set of floating-point numbers of the given extent.
    template <typename Real>
    std::vector<Real> values(hid_t set, const char* name,
                             const std::vector<hsize_t>& extent) const {
        const Handle type(H5Dget_type(set), H5Tclose);
        if (H5Tget_class(type.id()) != H5T_FLOAT) {
            fail(fmt::format("/{}: expected floating-point numbers", name));
        }
        // What the file claims must be there before memory is asked for: no filter of HDF5 packs by
        // more than 1032 to 1 (deflate).
        const hsize_t stored = H5Dget_storage_size(set);
        hsize_t left = stored > size_ ? 0 : stored * 1032 / H5Tget_size(type.id());
        std::size_t total = 1;
        for (const hsize_t length : extent) {
            total *= length;
            left = length > 0 ? left / length : 0;
        }
        if (total == 0) return {};
        if (left == 0) fail(fmt::format("/{}: {} is more than the file holds", name, text(extent)));
        std::vector<Real> result(total);
        const hid_t memory = sizeof(Real) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
        if (H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, result.data()) < 0) {
            fail(fmt::format("/{} cannot be read: truncated or damaged", name));
        }
        for (std::size_t i = 0; i < total; ++i) {
            if (!std::isfinite(result[i])) {
                fail(fmt::format("/{}: expected finite numbers, found {} at row {}", name,
                                 result[i], i / (total / extent.front())));
            }
        }
        return result;
    }

    Handle attribute(hid_t object, const char* name) const {
        if (H5Aexists(object, name) <= 0) fail(fmt::format("expected an attribute {}", name));
        Handle found(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
        if (!found.valid()) fail(fmt::format("attribute {} cannot be read", name));
        return found;
    }

    /// One number of the class and memory type given.
    template <typename Number>
    Number number(hid_t object, const char* name, hid_t memory) const {
        const Handle found = attribute(object, name);
        const Handle type(H5Aget_type(found.id()), H5Tclose);
        const Handle space(H5Aget_space(found.id()), H5Sclose);
        Number value{};
        if (H5Tget_class(type.id()) != H5T_INTEGER ||
            H5Sget_simple_extent_npoints(space.id()) != 1 ||
            H5Aread(found.id(), memory, &value) < 0) {
            fail(fmt::format("attribute {}: expected one whole number", name));
        }
        return value;
    }

    std::vector<double> reals(hid_t object, const char* name, std::size_t length) const {
        const Handle found = attribute(object, name);
        const Handle type(H5Aget_type(found.id()), H5Tclose);
        const Handle space(H5Aget_space(found.id()), H5Sclose);
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
        const Handle found = attribute(object, name);
        const Handle type(H5Aget_type(found.id()), H5Tclose);
        const Handle space(H5Aget_space(found.id()), H5Sclose);
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
            const Handle memory(H5Tcopy(type.id()), H5Tclose);
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
    std::string path_;
    std::uintmax_t size_;
};

std::vector<std::string> split_choices(const std::string& text) {
    std::vector<std::string> choices;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(kChoiceSeparator, begin), text.size());
        choices.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return choices;
}

void read_unknowns(const Reader& reader, hid_t parameters, std::size_t k, int version,
                   Dataset& dataset) {
    const auto names = reader.texts(parameters, "names", k);
    const auto units = reader.texts(parameters, "units", k);
    const auto lower = reader.reals(parameters, "lower", k);
    const auto upper = reader.reals(parameters, "upper", k);
    std::vector<std::string> choices(k);
    if (version > kFormatWithoutChoices) choices = reader.texts(parameters, "choices", k);
    for (std::size_t i = 0; i < k; ++i) {
        dataset.unknowns.push_back({names[i], lower[i], upper[i], split_choices(choices[i])});
    }
    try {
        validate_prior(dataset.unknowns);
    } catch (const std::invalid_argument& error) {
        reader.fail(fmt::format("/parameters: {}", error.what()));
    }
    for (std::size_t i = 0; i < k; ++i) {
        if (units[i] != parameter(names[i]).unit) {
            reader.fail(fmt::format("/parameters: expected {} in \"{}\", found \"{}\"", names[i],
                                    parameter(names[i]).unit, units[i]));
        }
    }
}

}  // namespace

void write_dataset(const Dataset& dataset, const std::string& path) {
    const std::size_t values = dataset.count() * dataset.unknowns.size();
    if (dataset.signal.size() != dataset.count() * 2 * dataset.points() ||
        (!dataset.parameters.empty() && dataset.parameters.size() != values)) {
        throw std::invalid_argument(
            fmt::format("a data set of {} curves must have {} parameters, got {}", dataset.count(),
                        values, dataset.parameters.size()));
    }
    const QuietHdf5 quiet;
    write_whole_file(
        path, [&](const std::string& temporary) { write_hdf5(dataset, temporary, Writer(path)); });
}

Dataset read_dataset(const std::string& path) {
    const QuietHdf5 quiet;
    const Reader reader(path);
    const Handle file = reader.open();
    const int version = reader.number<int>(file.id(), "format_version", H5T_NATIVE_INT);
    if (version < kFormatWithoutChoices || version > kFormatVersion) {
        reader.fail(fmt::format("expected format_version {} or {}, found {}", kFormatWithoutChoices,
                                kFormatVersion, version));
    }

    Dataset dataset;
    const Handle time = reader.dataset(file.id(), "time");
    const std::vector<hsize_t> time_shape = reader.dataset_shape(time.id());
    if (time_shape.size() != 1 || time_shape[0] == 0) {
        reader.fail(
            fmt::format("/time: expected shape (points), found {}", Reader::text(time_shape)));
    }
    const hsize_t points = time_shape[0];
    const Handle signal = reader.dataset(file.id(), "signal");
    const std::vector<hsize_t> signal_shape = reader.dataset_shape(signal.id());
    if (signal_shape.size() != 3 || signal_shape[1] != 2 || signal_shape[2] != points) {
        reader.fail(fmt::format("/signal: expected shape (n, 2, {}), found {}", points,
                                Reader::text(signal_shape)));
    }
    const Handle parameters = reader.dataset(file.id(), "parameters");
    const std::vector<hsize_t> parameters_shape = reader.dataset_shape(parameters.id());
    if (parameters_shape.size() != 2 ||
        (parameters_shape[0] != signal_shape[0] && parameters_shape[0] != 0)) {
        reader.fail(fmt::format("/parameters: expected shape ({}, k), found {}", signal_shape[0],
                                Reader::text(parameters_shape)));
    }
    read_unknowns(reader, parameters.id(), parameters_shape[1], version, dataset);

    dataset.time_us = reader.values<double>(time.id(), "time", time_shape);
    for (double& value : dataset.time_us) value /= kSecondsPerUs;
    if (!std::is_sorted(dataset.time_us.begin(), dataset.time_us.end(), std::less_equal<>())) {
        reader.fail("/time: expected times that ascend");
    }
    dataset.signal = reader.values<float>(signal.id(), "signal", signal_shape);
    dataset.parameters = reader.values<double>(parameters.id(), "parameters", parameters_shape);
    dataset.experiment_toml = reader.text(file.id(), "experiment");
    dataset.seed = reader.number<std::uint64_t>(file.id(), "seed", H5T_NATIVE_UINT64);
    dataset.first_index = reader.number<std::uint64_t>(file.id(), "first_index", H5T_NATIVE_UINT64);
    dataset.version = reader.text(file.id(), "version");
    return dataset;
}

}  // namespace nmrsim
