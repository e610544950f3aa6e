#include "nmrsim/dataset_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "guarded_read.h"
#include "hdf5_reader.h"
#include "memory_allowance.h"
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

Hdf5Handle text_type() {
    Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.id(), H5T_VARIABLE);
    H5Tset_cset(type.id(), H5T_CSET_UTF8);
    return type;
}

// ---- writing -----------------------------------------------------------------------------------

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
        throw std::runtime_error(fmt::format("{}: cannot be written as HDF5", path_));
    }

    Hdf5Handle space(const std::vector<hsize_t>& shape) const {
        if (shape.empty()) return check(Hdf5Handle(H5Screate(H5S_SCALAR), H5Sclose));
        return check(Hdf5Handle(
            H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose));
    }

    Hdf5Handle dataset(hid_t file, const char* name, hid_t file_type, hid_t memory_type,
                       const std::vector<hsize_t>& shape, const void* values) const {
        const Hdf5Handle extent = space(shape);
        // The same data give the same bytes: no time of writing inside.
        const Hdf5Handle creation = check(Hdf5Handle(H5Pcreate(H5P_DATASET_CREATE), H5Pclose));
        check(H5Pset_obj_track_times(creation.id(), false));
        Hdf5Handle set = check(Hdf5Handle(
            H5Dcreate2(file, name, file_type, extent.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
            H5Dclose));
        const bool empty = std::find(shape.begin(), shape.end(), hsize_t{0}) != shape.end();
        if (!empty) check(H5Dwrite(set.id(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
        return set;
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

void write_contents(const Dataset& dataset, hid_t file, const Writer& writer) {
    const hsize_t count = dataset.count(), points = dataset.points(), k = dataset.unknowns.size();

    writer.dataset(file, "signal", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {count, 2, points},
                   dataset.signal.data());
    std::vector<double> time_s(dataset.time_us);
    for (double& time : time_s) time *= kSecondsPerUs;
    const Hdf5Handle time =
        writer.dataset(file, "time", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {points}, time_s.data());
    writer.text(time.id(), "unit", "s");
    // A set whose parameters nobody knows has no rows here.
    const hsize_t rows = dataset.parameters.empty() ? 0 : count;
    const Hdf5Handle parameters =
        writer.dataset(file, "parameters", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {rows, k},
                       dataset.parameters.data());
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
    Hdf5Handle file = writer.check(
        Hdf5Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose));
    write_contents(dataset, file.id(), writer);
    writer.check(H5Fflush(file.id(), H5F_SCOPE_GLOBAL));
    if (!file.close()) writer.fail();
}

// ---- reading -----------------------------------------------------------------------------------

std::vector<std::string> split_choices(const std::string& text) {
    std::vector<std::string> choices;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(kChoiceSeparator, begin), text.size());
        choices.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return choices;
}

void read_unknowns(const Hdf5Reader& reader, hid_t parameters, std::size_t k, int version,
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

/// In the child: checks the file and hands its contents over.
void send_dataset(const std::string& path, Answer& answer) {
    const QuietHdf5 quiet;
    const Hdf5Reader reader(path);
    const Hdf5Handle file = reader.open();
    if (H5Aexists(file.id(), "format_version") <= 0) {
        reader.fail(
            "expected an attribute format_version (a plain array is named as FILE.h5:/PATH)");
    }
    const int version = reader.number<int>(file.id(), "format_version", H5T_NATIVE_INT);
    if (version < kFormatWithoutChoices || version > kFormatVersion) {
        reader.fail(fmt::format("expected format_version {} or {}, found {}", kFormatWithoutChoices,
                                kFormatVersion, version));
    }

    Dataset dataset;
    const Hdf5Handle time = reader.dataset(file.id(), "time");
    const std::vector<hsize_t> time_shape = reader.dataset_shape(time.id());
    if (time_shape.size() != 1 || time_shape[0] == 0) {
        reader.fail(
            fmt::format("/time: expected shape (points), found {}", Hdf5Reader::text(time_shape)));
    }
    const hsize_t points = time_shape[0];
    const Hdf5Handle signal = reader.dataset(file.id(), "signal");
    const std::vector<hsize_t> signal_shape = reader.dataset_shape(signal.id());
    if (signal_shape.size() != 3 || signal_shape[1] != 2 || signal_shape[2] != points) {
        reader.fail(fmt::format("/signal: expected shape (n, 2, {}), found {}", points,
                                Hdf5Reader::text(signal_shape)));
    }
    const Hdf5Handle parameters = reader.dataset(file.id(), "parameters");
    const std::vector<hsize_t> parameters_shape = reader.dataset_shape(parameters.id());
    if (parameters_shape.size() != 2 ||
        (parameters_shape[0] != signal_shape[0] && parameters_shape[0] != 0)) {
        reader.fail(fmt::format("/parameters: expected shape ({}, k), found {}", signal_shape[0],
                                Hdf5Reader::text(parameters_shape)));
    }
    if (parameters_shape[1] > parameter_table().size()) {
        reader.fail(fmt::format("/parameters: expected at most {} unknowns, found {}",
                                parameter_table().size(), parameters_shape[1]));
    }
    read_unknowns(reader, parameters.id(), parameters_shape[1], version, dataset);

    dataset.time_us = reader.values<double>(time.id(), "time", time_shape);
    for (double& value : dataset.time_us) value /= kSecondsPerUs;
    if (!std::is_sorted(dataset.time_us.begin(), dataset.time_us.end(), std::less_equal<>())) {
        reader.fail("/time: expected times that ascend");
    }
    answer.number(dataset.unknowns.size());
    for (const PriorRange& range : dataset.unknowns) {
        answer.text(range.name);
        answer.array(std::vector<double>{range.low, range.high});
        answer.text(fmt::format("{}", fmt::join(range.choices, std::string(1, kChoiceSeparator))));
    }
    answer.array(dataset.time_us);
    reader.send_reals<float>(signal.id(), "signal", signal_shape, answer);
    reader.send_reals<double>(parameters.id(), "parameters", parameters_shape, answer);
    answer.text(reader.text(file.id(), "experiment"));
    answer.number(reader.number<std::uint64_t>(file.id(), "seed", H5T_NATIVE_UINT64));
    answer.number(reader.number<std::uint64_t>(file.id(), "first_index", H5T_NATIVE_UINT64));
    answer.text(reader.text(file.id(), "version"));
}

void take_dataset(Received& received, Dataset& dataset) {
    const std::uint64_t unknowns = received.number();
    if (unknowns > parameter_table().size()) received.fail("damaged");
    for (std::uint64_t i = 0; i < unknowns; ++i) {
        const std::string name = received.text();
        const std::vector<double> ends = received.array<double>();
        if (ends.size() != 2) received.fail("damaged");
        dataset.unknowns.push_back({name, ends[0], ends[1], split_choices(received.text())});
    }
    dataset.time_us = received.array<double>();
    dataset.signal = received.array<float>();
    dataset.parameters = received.array<double>();
    dataset.experiment_toml = received.text();
    dataset.seed = received.number();
    dataset.first_index = received.number();
    dataset.version = received.text();
    const std::size_t values = dataset.count() * dataset.unknowns.size();
    if (dataset.points() == 0 || dataset.signal.size() % (2 * dataset.points()) != 0 ||
        (!dataset.parameters.empty() && dataset.parameters.size() != values)) {
        received.fail("damaged");
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
    Dataset dataset;
    read_in_child(
        path, memory_allowance(Hdf5Reader(path).size()),
        [&](Answer& answer) { send_dataset(path, answer); },
        [&](Received& received) { take_dataset(received, dataset); });
    return dataset;
}

}  // namespace nmrsim
