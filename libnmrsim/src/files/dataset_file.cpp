#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "files/dataset_format.h"
#include "files/hdf5_reader.h"
#include "files/open_dataset.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
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

/// Whether the curves are those of a series, whose records begin anew. Of an experiment that this
/// version reads its sequence's names are known from here on; of another nothing is asked.
bool is_series(const std::string& experiment_toml) {
    try {
        return !parse_experiment(experiment_toml, "experiment").series.empty();
    } catch (const std::exception&) {
        return false;
    }
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

}  // namespace

/// The file and what of it is read later.
struct OpenDataset::Sets {
    explicit Sets(const std::string& path)
        : reader(path),
          file(reader.open()),
          signal(H5I_INVALID_HID, H5Dclose),
          parameters(H5I_INVALID_HID, H5Dclose) {}

    Hdf5Reader reader;
    Hdf5Handle file;
    Hdf5Handle signal;
    Hdf5Handle parameters;
    std::vector<hsize_t> signal_shape;
    std::vector<hsize_t> parameters_shape;
};

OpenDataset::OpenDataset(const std::string& path) {
    const QuietHdf5 quiet;
    sets_ = std::make_unique<Sets>(path);
    const Hdf5Reader& reader = sets_->reader;
    const hid_t file = sets_->file.id();
    if (H5Aexists(file, "format_version") <= 0) {
        reader.fail(
            "expected an attribute format_version (a plain array is named as FILE.h5:/PATH)");
    }
    const int version = reader.number<int>(file, "format_version", H5T_NATIVE_INT);
    if (version < kFormatWithoutChoices || version > kFormatVersion) {
        reader.fail(fmt::format("expected format_version {} or {}, found {}", kFormatWithoutChoices,
                                kFormatVersion, version));
    }
    const Hdf5Handle time = reader.dataset(file, "time");
    const std::vector<hsize_t> time_shape = reader.dataset_shape(time.id());
    if (time_shape.size() != 1 || time_shape[0] == 0) {
        reader.fail(
            fmt::format("/time: expected shape (points), found {}", Hdf5Reader::text(time_shape)));
    }
    const hsize_t points = time_shape[0];
    sets_->signal = reader.dataset(file, "signal");
    const hid_t signal = sets_->signal.id();
    const std::vector<hsize_t>& curves = sets_->signal_shape = reader.dataset_shape(signal);
    if (curves.size() != 3 || curves[1] != 2 || curves[2] != points) {
        reader.fail(fmt::format("/signal: expected shape (n, 2, {}), found {}", points,
                                Hdf5Reader::text(curves)));
    }
    sets_->parameters = reader.dataset(file, "parameters");
    const hid_t parameters = sets_->parameters.id();
    const std::vector<hsize_t>& labels = sets_->parameters_shape = reader.dataset_shape(parameters);
    if (labels.size() != 2 || (labels[0] != curves[0] && labels[0] != 0)) {
        reader.fail(fmt::format("/parameters: expected shape ({}, k), found {}", curves[0],
                                Hdf5Reader::text(labels)));
    }
    if (labels[1] > parameter_table().size()) {
        reader.fail(fmt::format("/parameters: expected at most {} unknowns, found {}",
                                parameter_table().size(), labels[1]));
    }
    description_.experiment_toml = reader.text(file, "experiment");
    const bool series = is_series(description_.experiment_toml);
    read_unknowns(reader, parameters, labels[1], version, description_);

    reader.append(time.id(), "time", time_shape, {}, description_.time_us);
    for (double& value : description_.time_us) value /= kSecondsPerUs;
    if (!series && !std::is_sorted(description_.time_us.begin(), description_.time_us.end(),
                                   std::less_equal<>())) {
        reader.fail("/time: expected times that ascend");
    }
    reader.require_reals(signal, "signal");
    reader.require_reals(parameters, "parameters");
    reader.checked_total(signal, "signal", curves, sizeof(float));
    reader.checked_total(parameters, "parameters", labels, sizeof(double));

    description_.seed = reader.number<std::uint64_t>(file, "seed", H5T_NATIVE_UINT64);
    description_.first_index = reader.number<std::uint64_t>(file, "first_index", H5T_NATIVE_UINT64);
    description_.version = reader.text(file, "version");
    count_ = curves[0];
    labelled_ = labels[0] == count_;
}

OpenDataset::~OpenDataset() = default;

void OpenDataset::read(std::size_t first, std::size_t count, Dataset& to) const {
    const QuietHdf5 quiet;
    const Hdf5Rows rows{first, count};
    sets_->reader.append(sets_->signal.id(), "signal", sets_->signal_shape, rows, to.signal);
    sets_->reader.append(sets_->parameters.id(), "parameters", sets_->parameters_shape, rows,
                         to.parameters);
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
