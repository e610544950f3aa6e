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

    /// A set in chunks of so many rows, each with its Fletcher-32 checksum.
    Hdf5Handle dataset(hid_t file, const char* name, hid_t file_type,
                       const std::vector<hsize_t>& shape, hsize_t chunk_rows) const {
        const Hdf5Handle extent = space(shape);
        const Hdf5Handle creation = check(Hdf5Handle(H5Pcreate(H5P_DATASET_CREATE), H5Pclose));
        // The same data give the same bytes: no time of writing inside.
        check(H5Pset_obj_track_times(creation.id(), false));
        const bool empty = std::find(shape.begin(), shape.end(), hsize_t{0}) != shape.end();
        if (!empty) {
            std::vector<hsize_t> chunk(shape);
            chunk.front() = chunk_rows;
            check(H5Pset_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data()));
            check(H5Pset_fletcher32(creation.id()));
        }
        // A chunk comes whole, and goes to the file then and there: in the order of the curves.
        const Hdf5Handle access = check(Hdf5Handle(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose));
        check(H5Pset_chunk_cache(access.id(), 0, 0, 1.0));
        return check(Hdf5Handle(
            H5Dcreate2(file, name, file_type, extent.id(), H5P_DEFAULT, creation.id(), access.id()),
            H5Dclose));
    }

    /// Writes rows from `first` on. Args: shape: theirs.
    void write_rows(hid_t set, hid_t memory_type, const std::vector<hsize_t>& shape, hsize_t first,
                    const void* values) const {
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
    std::string path_;
};

/// Nearly so much of the curves is a chunk, what is read and checked at once [bytes].
constexpr std::size_t kChunkBytes = std::size_t{512} << 10;

/// Curves of each chunk, in chunks of nearly one size.
std::size_t curves_of_chunk(std::size_t count, std::size_t points) {
    const std::size_t most = std::max<std::size_t>(kChunkBytes / (2 * points * sizeof(float)), 1);
    const std::size_t chunks = std::max<std::size_t>((count + most - 1) / most, 1);
    return std::max<std::size_t>((count + chunks - 1) / chunks, 1);
}

/// A file whose curves come piece by piece.
class DatasetWriter {
public:
    /// Args: count, labelled_count: curves in the end, and how many of them with their parameters.
    DatasetWriter(const std::string& file, const Dataset& description, std::size_t count,
                  std::size_t labelled_count, const Writer& writer)
        : writer_(writer),
          points_(description.points()),
          unknowns_(description.unknowns.size()),
          chunk_(curves_of_chunk(count, points_)),
          file_(created(file, writer)),
          signal_(
              writer.dataset(file_.id(), "signal", H5T_IEEE_F32LE, {count, 2, points_}, chunk_)),
          parameters_(writer.dataset(file_.id(), "parameters", H5T_IEEE_F64LE,
                                     {labelled_count, unknowns_}, chunk_)) {
        std::vector<double> time_s(description.time_us);
        for (double& time : time_s) time *= kSecondsPerUs;
        const Hdf5Handle time =
            writer.dataset(file_.id(), "time", H5T_IEEE_F64LE, {points_}, points_);
        writer.write_rows(time.id(), H5T_NATIVE_DOUBLE, {points_}, 0, time_s.data());
        writer.text(time.id(), "unit", "s");
        describe(description);
    }

    /// Args: signal: (n, 2, points). parameters: (n, unknowns) or none.
    void append(std::span<const float> signal, std::span<const double> parameters) {
        const std::size_t row = 2 * points_;
        while (!signal.empty()) {
            const std::size_t curves = std::min(chunk_ - held(), signal.size() / row);
            const std::size_t labels = parameters.empty() ? 0 : curves * unknowns_;
            held_signal_.insert(held_signal_.end(), signal.begin(), signal.begin() + curves * row);
            held_parameters_.insert(held_parameters_.end(), parameters.begin(),
                                    parameters.begin() + labels);
            signal = signal.subspan(curves * row);
            parameters = parameters.subspan(labels);
            if (held() == chunk_) write_held();
        }
    }

    void close() {
        const QuietHdf5 quiet;
        if (held() > 0) write_held();
        if (!signal_.close() || !parameters_.close()) writer_.fail();
        writer_.check(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL));
        if (!file_.close()) writer_.fail();
    }

private:
    static Hdf5Handle created(const std::string& file, const Writer& writer);
    void describe(const Dataset& set) const;

    std::size_t held() const { return held_signal_.size() / (2 * points_); }

    /// Writes a whole chunk, or the last.
    void write_held() {
        const QuietHdf5 quiet;
        writer_.write_rows(signal_.id(), H5T_NATIVE_FLOAT, {held(), 2, points_}, written_,
                           held_signal_.data());
        if (!held_parameters_.empty()) {
            writer_.write_rows(parameters_.id(), H5T_NATIVE_DOUBLE, {held(), unknowns_}, written_,
                               held_parameters_.data());
        }
        written_ += held();
        held_signal_.clear();
        held_parameters_.clear();
    }

    const Writer& writer_;
    std::size_t points_;
    std::size_t unknowns_;
    std::size_t chunk_;  ///< curves
    Hdf5Handle file_;
    Hdf5Handle signal_;
    Hdf5Handle parameters_;
    std::vector<float> held_signal_;  ///< less than a chunk
    std::vector<double> held_parameters_;
    std::size_t written_ = 0;
};

/// Of the format of HDF5 1.8, whose headers have checksums too.
Hdf5Handle DatasetWriter::created(const std::string& file, const Writer& writer) {
    const Hdf5Handle access = writer.check(Hdf5Handle(H5Pcreate(H5P_FILE_ACCESS), H5Pclose));
    writer.check(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V18, H5F_LIBVER_V18));
    const Hdf5Handle creation = writer.check(Hdf5Handle(H5Pcreate(H5P_FILE_CREATE), H5Pclose));
    writer.check(H5Pset_obj_track_times(creation.id(), false));
    return writer.check(
        Hdf5Handle(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose));
}

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
        std::optional<DatasetWriter> file;
        {
            const QuietHdf5 quiet;
            file.emplace(temporary, description, count, labelled_count, writer);
        }
        fill(*file);
        file->close();
        file.reset();
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
