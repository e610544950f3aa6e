#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>

#include "files/dataset_format.h"
#include "files/hdf5_reader.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/file_output.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sha256.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

Hdf5Handle text_type() {
    Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.id(), H5T_VARIABLE);
    H5Tset_cset(type.id(), H5T_CSET_UTF8);
    return type;
}

class Writer {
public:
    explicit Writer(const std::string& path) : path_(path) {}

    Hdf5Handle check(Hdf5Handle handle) const {
        if (!handle.valid()) fail();
        return handle;
    }
    void check(herr_t status) const {
        if (status < 0) fail();
    }
    [[noreturn]] void fail() const {
        const int error = errno;  // of the last call that failed; 0 where HDF5 alone is unhappy
        const bool locks = error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP;
        throw std::runtime_error(fmt::format(
            "{}: cannot be written{}{}", path_,
            error ? fmt::format(": {}", std::strerror(error)) : " as HDF5",
            locks ? " (where files cannot be locked, set HDF5_USE_FILE_LOCKING=FALSE)" : ""));
    }

    Hdf5Handle space(const std::vector<hsize_t>& shape) const {
        if (shape.empty()) return check(Hdf5Handle(H5Screate(H5S_SCALAR), H5Sclose));
        return check(Hdf5Handle(
            H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose));
    }

    Hdf5Handle dataset(hid_t file, const char* name, hid_t file_type, hid_t memory_type,
                       const std::vector<hsize_t>& shape, const void* values) const {
        Hdf5Handle set = created(file, name, file_type, shape);
        if (!is_empty(shape)) {
            check(H5Dwrite(set.id(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
        }
        return set;
    }

    /// A set whose rows come later.
    Hdf5Handle rows(hid_t file, const char* name, hid_t file_type,
                    const std::vector<hsize_t>& shape) const {
        Hdf5Handle set = created(file, name, file_type, shape);
        // Its place in the file is taken by the first write, so that the bytes are those of a set
        // written at once.
        std::vector<hsize_t> one(shape);
        one.front() = std::min<hsize_t>(one.front(), 1);
        std::size_t values = 1;
        for (const hsize_t length : one) values *= length;
        const std::vector<double> zeros(values, 0.0);
        write_rows(set.id(), H5T_NATIVE_DOUBLE, one, 0, zeros.data());
        return set;
    }

    /// Writes rows from `first` on. Args: shape: theirs.
    void write_rows(hid_t set, hid_t memory_type, const std::vector<hsize_t>& shape, hsize_t first,
                    const void* values) const {
        if (is_empty(shape)) return;
        std::vector<hsize_t> start(shape.size(), 0);
        start.front() = first;
        const Hdf5Handle in_file = check(Hdf5Handle(H5Dget_space(set), H5Sclose));
        check(H5Sselect_hyperslab(in_file.id(), H5S_SELECT_SET, start.data(), nullptr, shape.data(),
                                  nullptr));
        const Hdf5Handle in_memory = space(shape);
        check(H5Dwrite(set, memory_type, in_memory.id(), in_file.id(), H5P_DEFAULT, values));
    }

    void attribute(hid_t object, const char* name, hid_t file_type, hid_t memory_type,
                   const std::vector<hsize_t>& shape, const void* values) const {
        const Hdf5Handle extent = space(shape);
        const Hdf5Handle written = check(Hdf5Handle(
            H5Acreate2(object, name, file_type, extent.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose));
        const bool empty = !shape.empty() && shape.front() == 0;
        if (!empty) check(H5Awrite(written.id(), memory_type, values));
    }

    void texts(hid_t object, const char* name, const std::vector<std::string>& values) const {
        std::vector<const char*> pointers;
        pointers.reserve(values.size());
        for (const std::string& value : values) pointers.push_back(value.c_str());
        const Hdf5Handle type = text_type();
        attribute(object, name, type.id(), type.id(), {pointers.size()}, pointers.data());
    }

    void text(hid_t object, const char* name, const std::string& value) const {
        const char* pointer = value.c_str();
        const Hdf5Handle type = text_type();
        attribute(object, name, type.id(), type.id(), {}, &pointer);
    }

    void reals(hid_t object, const char* name, const std::vector<double>& values) const {
        attribute(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {values.size()}, values.data());
    }

    void seed(hid_t object, const char* name, std::uint64_t value) const {
        attribute(object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, {}, &value);
    }

private:
    static bool is_empty(const std::vector<hsize_t>& shape) {
        return std::find(shape.begin(), shape.end(), hsize_t{0}) != shape.end();
    }

    Hdf5Handle created(hid_t file, const char* name, hid_t file_type,
                       const std::vector<hsize_t>& shape) const {
        const Hdf5Handle extent = space(shape);
        // The same data give the same bytes: no time of writing inside.
        const Hdf5Handle creation = check(Hdf5Handle(H5Pcreate(H5P_DATASET_CREATE), H5Pclose));
        check(H5Pset_obj_track_times(creation.id(), false));
        return check(Hdf5Handle(
            H5Dcreate2(file, name, file_type, extent.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
            H5Dclose));
    }

    std::string path_;
};

/// A file whose curves come piece by piece.
class DatasetWriter {
public:
    /// Args: count, labelled_count: curves in the end, and how many of them with their parameters.
    DatasetWriter(const std::string& file, const Dataset& description, std::size_t count,
                  std::size_t labelled_count, const Writer& writer)
        : writer_(writer),
          points_(description.points()),
          unknowns_(description.unknowns.size()),
          file_(writer.check(Hdf5Handle(
              H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose))),
          signal_(writer.rows(file_.id(), "signal", H5T_IEEE_F32LE, {count, 2, points_})),
          parameters_(H5I_INVALID_HID, H5Dclose) {
        std::vector<double> time_s(description.time_us);
        for (double& time : time_s) time *= kSecondsPerUs;
        const Hdf5Handle time = writer.dataset(file_.id(), "time", H5T_IEEE_F64LE,
                                               H5T_NATIVE_DOUBLE, {points_}, time_s.data());
        writer.text(time.id(), "unit", "s");
        parameters_ =
            writer.rows(file_.id(), "parameters", H5T_IEEE_F64LE, {labelled_count, unknowns_});
        describe(description);
    }

    /// Args: signal: (n, 2, points). parameters: (n, unknowns) or none.
    void append(std::span<const float> signal, std::span<const double> parameters) {
        const QuietHdf5 quiet;
        const std::size_t count = points_ ? signal.size() / (2 * points_) : 0;
        writer_.write_rows(signal_.id(), H5T_NATIVE_FLOAT, {count, 2, points_}, written_,
                           signal.data());
        if (!parameters.empty()) {
            writer_.write_rows(parameters_.id(), H5T_NATIVE_DOUBLE, {count, unknowns_}, written_,
                               parameters.data());
        }
        written_ += count;
    }

    void close() {
        if (!signal_.close() || !parameters_.close()) writer_.fail();
        writer_.check(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL));
        if (!file_.close()) writer_.fail();
    }

private:
    void describe(const Dataset& set) const;

    const Writer& writer_;
    std::size_t points_;
    std::size_t unknowns_;
    Hdf5Handle file_;
    Hdf5Handle signal_;
    Hdf5Handle parameters_;
    std::size_t written_ = 0;
};

void DatasetWriter::describe(const Dataset& set) const {
    std::vector<std::string> names, units;
    std::vector<double> lower, upper;
    for (const PriorRange& range : set.unknowns) {
        names.push_back(range.name);
        units.emplace_back(parameter(range.name).unit);
        lower.push_back(range.low);
        upper.push_back(range.high);
    }
    writer_.texts(parameters_.id(), "names", names);
    writer_.texts(parameters_.id(), "units", units);
    writer_.reals(parameters_.id(), "lower", lower);
    writer_.reals(parameters_.id(), "upper", upper);
    int version = kFormatWithoutChoices;
    if (find_categorical(set.unknowns)) {
        version = kFormatVersion;
        std::vector<std::string> choices;
        for (const PriorRange& range : set.unknowns) {
            choices.push_back(
                fmt::format("{}", fmt::join(range.choices, std::string(1, kChoiceSeparator))));
        }
        writer_.texts(parameters_.id(), "choices", choices);
    }

    writer_.attribute(file_.id(), "format_version", H5T_STD_I32LE, H5T_NATIVE_INT, {}, &version);
    writer_.text(file_.id(), "experiment", set.experiment_toml);
    writer_.seed(file_.id(), "seed", set.seed);
    writer_.seed(file_.id(), "first_index", set.first_index);
    writer_.text(file_.id(), "version", set.version);
}

/// Has the kernel begin to write the file to the disk, and does not wait for it.
void start_writing_back(const std::string& path) {
#ifdef SYNC_FILE_RANGE_WRITE
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    ::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);  // only a hint: fsync() comes later
    ::close(file);
#else
    (void)path;
#endif
}

/// Args: fill: appends the curves. sha256: where not null, gets the file's, which is computed while
/// the disk is at work.
template <typename Fill>
void write_file(const Dataset& description, std::size_t count, std::size_t labelled_count,
                const std::string& path, const Fill& fill, std::string* sha256 = nullptr) {
    write_whole_file(path, [&](const std::string& temporary) {
        errno = 0;
        const Writer writer(path);
        // Outside HDF5 while pieces are made: they may be read from files, in a child process.
        std::optional<DatasetWriter> file;
        const auto inside = [](const auto& call) {
            const QuietHdf5 quiet;
            call();
        };
        try {
            inside([&] { file.emplace(temporary, description, count, labelled_count, writer); });
            fill(*file);
            inside([&] {
                file->close();
                file.reset();
            });
        } catch (...) {
            inside([&] { file.reset(); });
            throw;
        }
        if (sha256 == nullptr) return;
        start_writing_back(temporary);
        *sha256 = sha256_of_file(temporary);
    });
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
    // A set whose parameters nobody knows has no rows there.
    const std::size_t labelled = dataset.parameters.empty() ? 0 : dataset.count();
    write_file(dataset, dataset.count(), labelled, path,
               [&](DatasetWriter& file) { file.append(dataset.signal, dataset.parameters); });
}

void write_dataset(const Dataset& description, std::size_t count, const DatasetPieces& pieces,
                   const std::string& path, std::string* sha256) {
    const auto append_all = [&](DatasetWriter& file) {
        for (std::size_t done = 0; done < count;) {
            const Dataset piece = pieces(done);
            const std::size_t more = piece.count();
            if (more < 1 || more > count - done || piece.points() != description.points() ||
                piece.parameters.size() != more * description.unknowns.size()) {
                throw std::invalid_argument(fmt::format(
                    "a piece must hold 1 to {} curves of {} points with their {} parameters, got "
                    "{} of {} with {} numbers in all",
                    count - done, description.points(), description.unknowns.size(), more,
                    piece.points(), piece.parameters.size()));
            }
            file.append(piece.signal, piece.parameters);
            done += more;
        }
    };
    write_file(description, count, count, path, append_all, sha256);
}

}  // namespace nmrsim
