#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

#include "files/dataset_format.h"
#include "files/guarded_read.h"
#include "files/hdf5_reader.h"
#include "files/memory_allowance.h"
#include "files/open_dataset.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/errors.h"
#include "nmrsim/manifest.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

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

/// What the child says of a set of numbers beside its extent: where they begin in the file, where
/// they lie there one behind the other and as they are in memory, else kElsewhere.
constexpr std::uint64_t kElsewhere = ~std::uint64_t{0};

std::uint64_t place_of(hid_t set, hid_t type_in_memory) {
    const Hdf5Handle type(H5Dget_type(set), H5Tclose);
    if (H5Tequal(type.id(), type_in_memory) <= 0) return kElsewhere;
    const haddr_t at = H5Dget_offset(set);  // undefined for chunks and where nothing is stored
    return at == HADDR_UNDEF ? kElsewhere : at;
}

/// A file and its sets, checked but for the curves' numbers.
struct CheckedFile {
    explicit CheckedFile(const std::string& path) : reader(path), file(reader.open()) {}

    Hdf5Reader reader;
    Hdf5Handle file;
    Hdf5Handle signal{H5I_INVALID_HID, H5Dclose};
    Hdf5Handle parameters{H5I_INVALID_HID, H5Dclose};
    std::vector<hsize_t> signal_shape;
    std::vector<hsize_t> parameters_shape;
};

/// In the child: checks the file and says what is in it beside the curves. Returns: the file.
CheckedFile send_description(const std::string& path, Answer& answer) {
    CheckedFile checked(path);
    const Hdf5Reader& reader = checked.reader;
    const Hdf5Handle& file = checked.file;
    Dataset dataset;
    if (H5Aexists(file.id(), "format_version") <= 0) {
        reader.fail(
            "expected an attribute format_version (a plain array is named as FILE.h5:/PATH)");
    }
    const int version = reader.number<int>(file.id(), "format_version", H5T_NATIVE_INT);
    if (version < kFormatWithoutChoices || version > kFormatVersion) {
        reader.fail(fmt::format("expected format_version {} or {}, found {}", kFormatWithoutChoices,
                                kFormatVersion, version));
    }
    const Hdf5Handle time = reader.dataset(file.id(), "time");
    const std::vector<hsize_t> time_shape = reader.dataset_shape(time.id());
    if (time_shape.size() != 1 || time_shape[0] == 0) {
        reader.fail(
            fmt::format("/time: expected shape (points), found {}", Hdf5Reader::text(time_shape)));
    }
    const hsize_t points = time_shape[0];
    checked.signal = reader.dataset(file.id(), "signal");
    checked.signal_shape = reader.dataset_shape(checked.signal.id());
    if (checked.signal_shape.size() != 3 || checked.signal_shape[1] != 2 ||
        checked.signal_shape[2] != points) {
        reader.fail(fmt::format("/signal: expected shape (n, 2, {}), found {}", points,
                                Hdf5Reader::text(checked.signal_shape)));
    }
    checked.parameters = reader.dataset(file.id(), "parameters");
    checked.parameters_shape = reader.dataset_shape(checked.parameters.id());
    if (checked.parameters_shape.size() != 2 ||
        (checked.parameters_shape[0] != checked.signal_shape[0] &&
         checked.parameters_shape[0] != 0)) {
        reader.fail(fmt::format("/parameters: expected shape ({}, k), found {}",
                                checked.signal_shape[0],
                                Hdf5Reader::text(checked.parameters_shape)));
    }
    if (checked.parameters_shape[1] > parameter_table().size()) {
        reader.fail(fmt::format("/parameters: expected at most {} unknowns, found {}",
                                parameter_table().size(), checked.parameters_shape[1]));
    }
    read_unknowns(reader, checked.parameters.id(), checked.parameters_shape[1], version, dataset);

    dataset.time_us = reader.values<double>(time.id(), "time", time_shape);
    for (double& value : dataset.time_us) value /= kSecondsPerUs;
    if (!std::is_sorted(dataset.time_us.begin(), dataset.time_us.end(), std::less_equal<>())) {
        reader.fail("/time: expected times that ascend");
    }
    reader.require_reals(checked.signal.id(), "signal");
    reader.require_reals(checked.parameters.id(), "parameters");
    reader.checked_total(checked.signal.id(), "signal", checked.signal_shape, sizeof(float));
    reader.checked_total(checked.parameters.id(), "parameters", checked.parameters_shape,
                         sizeof(double));

    answer.number(dataset.unknowns.size());
    for (const PriorRange& range : dataset.unknowns) {
        answer.text(range.name);
        answer.array(std::vector<double>{range.low, range.high});
        answer.text(fmt::format("{}", fmt::join(range.choices, std::string(1, kChoiceSeparator))));
    }
    answer.array(dataset.time_us);
    answer.text(reader.text(file.id(), "experiment"));
    answer.number(reader.number<std::uint64_t>(file.id(), "seed", H5T_NATIVE_UINT64));
    answer.number(reader.number<std::uint64_t>(file.id(), "first_index", H5T_NATIVE_UINT64));
    answer.text(reader.text(file.id(), "version"));
    answer.number(checked.signal_shape[0]);
    answer.number(checked.parameters_shape[0]);
    answer.number(place_of(checked.signal.id(), H5T_NATIVE_FLOAT));
    answer.number(place_of(checked.parameters.id(), H5T_NATIVE_DOUBLE));
    return checked;
}

void take_description(Received& received, Dataset& dataset) {
    const std::uint64_t unknowns = received.number();
    if (unknowns > parameter_table().size()) received.fail("damaged");
    for (std::uint64_t i = 0; i < unknowns; ++i) {
        const std::string name = received.text();
        const std::vector<double> ends = received.array<double>();
        if (ends.size() != 2) received.fail("damaged");
        dataset.unknowns.push_back({name, ends[0], ends[1], split_choices(received.text())});
    }
    dataset.time_us = received.array<double>();
    dataset.experiment_toml = received.text();
    dataset.seed = received.number();
    dataset.first_index = received.number();
    dataset.version = received.text();
    if (dataset.points() == 0) received.fail("damaged");
}

/// Appends `count` numbers of a set that begins at `place`, from number `first` on.
template <typename Real>
void append(BinaryFile& file, const Hdf5Reader& reader, const char* name, std::uint64_t place,
            std::size_t first, std::size_t count, std::size_t row, std::vector<Real>& to) {
    const std::size_t before = to.size();
    to.resize(before + count);
    Real* added = to.data() + before;
    file.read(place + first * sizeof(Real), count * sizeof(Real), reinterpret_cast<char*>(added));
    reader.require_finite(added, count, name, first / row, row);
}

}  // namespace

OpenDataset::OpenDataset(const std::string& path) : path_(path) {
    const std::uint64_t file_bytes = Hdf5Reader(path).size();
    std::uint64_t signal_at = kElsewhere, parameters_at = kElsewhere, rows = 0;
    read_in_child(
        path, memory_allowance(file_bytes),
        [&](Answer& answer) {
            const QuietHdf5 quiet;
            send_description(path, answer);
        },
        [&](Received& received) {
            take_description(received, description_);
            count_ = received.number();
            rows = received.number();
            signal_at = received.number();
            parameters_at = received.number();
            if (rows != 0 && rows != count_) received.fail("damaged");
        });
    labelled_ = rows == count_;
    // Where a set is empty, it lies nowhere.
    if (count_ == 0) signal_at = parameters_at = 0;
    if (rows == 0) parameters_at = 0;
    const auto fits = [&](std::uint64_t at, std::uint64_t numbers, std::uint64_t width) {
        return at != kElsewhere && at <= file_bytes && numbers <= (file_bytes - at) / width;
    };
    if (std::endian::native != std::endian::little ||
        !fits(signal_at, count_ * 2 * description_.points(), sizeof(float)) ||
        !fits(parameters_at, rows * description_.unknowns.size(), sizeof(double))) {
        return;
    }
    bytes_ = std::make_unique<BinaryFile>(path);
    signal_at_ = signal_at;
    parameters_at_ = parameters_at;
}

void OpenDataset::read(std::size_t first, std::size_t count, Dataset& to) const {
    if (count == 0) return;
    const std::size_t row = 2 * description_.points(), unknowns = description_.unknowns.size();
    const Hdf5Reader reader(path_);
    if (bytes_) {
        append(*bytes_, reader, "signal", signal_at_, first * row, count * row, row, to.signal);
        if (labelled_) {
            append(*bytes_, reader, "parameters", parameters_at_, first * unknowns,
                   count * unknowns, unknowns, to.parameters);
        }
        return;
    }
    read_in_child(
        path_, memory_allowance(reader.size()),
        [&](Answer& answer) {
            const QuietHdf5 quiet;
            const CheckedFile file = send_description(path_, answer);
            const Hdf5Rows rows{first, count};
            file.reader.send_reals<float>(file.signal.id(), "signal", file.signal_shape, answer,
                                          rows);
            file.reader.send_reals<double>(file.parameters.id(), "parameters",
                                           file.parameters_shape, answer, rows);
        },
        [&](Received& received) {
            Dataset same;
            take_description(received, same);
            for (int i = 0; i < 4; ++i) received.number();
            const std::vector<float> signal = received.array<float>();
            const std::vector<double> parameters = received.array<double>();
            if (signal.size() != count * row ||
                parameters.size() != (labelled_ ? count * unknowns : 0)) {
                received.fail("changed while it was read");
            }
            to.signal.insert(to.signal.end(), signal.begin(), signal.end());
            to.parameters.insert(to.parameters.end(), parameters.begin(), parameters.end());
        });
}

Dataset read_dataset(const std::string& path) {
    if (is_manifest(path)) {
        const DatasetReader reader({path});
        return reader.rows(0, reader.count());
    }
    const OpenDataset open(path);
    Dataset dataset = open.description();
    open.read(0, open.count(), dataset);
    return dataset;
}

}  // namespace nmrsim
