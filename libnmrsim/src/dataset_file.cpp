#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "dataset_format.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/errors.h"
#include "nmrsim/manifest.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"
#include "open_dataset.h"

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

}  // namespace

OpenDataset::OpenDataset(const std::string& path)
    : reader_(path), file_(reader_.open()), signal_(closed()), parameters_(closed()) {
    const Hdf5Reader& reader = reader_;
    const Hdf5Handle& file = file_;
    Dataset& dataset = description_;
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
    signal_ = reader.dataset(file.id(), "signal");
    const std::vector<hsize_t> signal_shape = reader.dataset_shape(signal_.id());
    if (signal_shape.size() != 3 || signal_shape[1] != 2 || signal_shape[2] != points) {
        reader.fail(fmt::format("/signal: expected shape (n, 2, {}), found {}", points,
                                Hdf5Reader::text(signal_shape)));
    }
    parameters_ = reader.dataset(file.id(), "parameters");
    const std::vector<hsize_t> parameters_shape = reader.dataset_shape(parameters_.id());
    if (parameters_shape.size() != 2 ||
        (parameters_shape[0] != signal_shape[0] && parameters_shape[0] != 0)) {
        reader.fail(fmt::format("/parameters: expected shape ({}, k), found {}", signal_shape[0],
                                Hdf5Reader::text(parameters_shape)));
    }
    read_unknowns(reader, parameters_.id(), parameters_shape[1], version, dataset);

    dataset.time_us = reader.values<double>(time.id(), "time", time_shape);
    for (double& value : dataset.time_us) value /= kSecondsPerUs;
    if (!std::is_sorted(dataset.time_us.begin(), dataset.time_us.end(), std::less_equal<>())) {
        reader.fail("/time: expected times that ascend");
    }
    reader.require_reals(signal_.id(), "signal");
    reader.checked_total(signal_.id(), "signal", signal_shape);
    reader.require_reals(parameters_.id(), "parameters");
    reader.checked_total(parameters_.id(), "parameters", parameters_shape);
    count_ = signal_shape[0];
    labelled_ = parameters_shape[0] == count_;
    dataset.experiment_toml = reader.text(file.id(), "experiment");
    dataset.seed = reader.number<std::uint64_t>(file.id(), "seed", H5T_NATIVE_UINT64);
    dataset.first_index = reader.number<std::uint64_t>(file.id(), "first_index", H5T_NATIVE_UINT64);
    dataset.version = reader.text(file.id(), "version");
    quiet_.reset();
}

void OpenDataset::read(std::size_t first, std::size_t count, Dataset& to) const {
    const QuietHdf5 quiet;
    const std::size_t points = description_.points(), unknowns = description_.unknowns.size();
    reader_.append_rows(signal_.id(), "signal", {count_, 2, points}, first, count, to.signal);
    if (!labelled_) return;
    reader_.append_rows(parameters_.id(), "parameters", {count_, unknowns}, first, count,
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
