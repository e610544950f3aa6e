// Data sets.

#include "nmrsim/dataset.h"

#include <fmt/format.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <mutex>
#include <optional>

#include "arrays.h"
#include "bindings.h"
#include "interrupt.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/version.h"
#include "pickles.h"

namespace nmrpython {
namespace {

using nmrsim::Dataset;
using nmrsim::Experiment;

/// HDF5 as Debian builds it is for one thread at a time.
std::mutex& hdf5() {
    static std::mutex mutex;
    return mutex;
}

Dataset from_arrays(const Experiment& experiment, const Input<float>& signal,
                    const std::optional<Input<double>>& parameters) {
    const auto shape_of = [](const py::array& array) {
        return py::str(array.attr("shape")).cast<std::string>();
    };
    const py::ssize_t points = extent(nmrsim::sample_count(experiment));
    const auto unknowns = extent(experiment.prior.size());
    if (signal.ndim() != 3 || signal.shape(1) != 2 || signal.shape(2) != points) {
        throw py::value_error(
            fmt::format("signal must have the shape (n, 2, {}), got {}", points, shape_of(signal)));
    }
    if (parameters && (parameters->ndim() != 2 || parameters->shape(0) != signal.shape(0) ||
                       parameters->shape(1) != unknowns)) {
        throw py::value_error(fmt::format("parameters must have the shape ({}, {}), got {}",
                                          signal.shape(0), unknowns, shape_of(*parameters)));
    }
    Dataset dataset;
    dataset.unknowns = experiment.prior;
    dataset.time_us = nmrsim::acquisition_times_us(experiment);
    dataset.signal.assign(signal.data(), signal.data() + signal.size());
    if (parameters) {
        dataset.parameters.assign(parameters->data(), parameters->data() + parameters->size());
    }
    dataset.experiment_toml = nmrsim::experiment_to_toml(experiment);
    dataset.version = nmrsim::kVersion;
    return dataset;
}

Dataset generated(Experiment experiment, std::size_t count, std::uint64_t seed,
                  std::uint64_t first_index, int threads) {
    return without_gil([&] {
        return nmrsim::generate_dataset(experiment, count, seed, first_index, threads,
                                        stop_on_signal());
    });
}

}  // namespace

void bind_dataset(py::module_& module) {
    py::class_<Dataset>(module, "Dataset",
                        R"(Curves of one experiment with the parameters that made them.

The arrays are the Dataset's own memory, not copies, and keep it alive.)")
        .def(py::init(&from_arrays), py::arg("experiment"), py::arg("signal"),
             py::arg("parameters") = py::none(),
             R"(A data set from arrays, copied.

Args: signal: (n, 2, points), Mx and My at the experiment's times. parameters: (n, unknowns) of
    the experiment's prior, or None where unknown.)")
        .def_property_readonly(
            "signal",
            [](const py::object& self) {
                const auto& set = self.cast<const Dataset&>();
                return view(set.signal, {extent(set.count()), 2, extent(set.points())}, self);
            },
            "Mx and My of each curve, (n, 2, points) float32.")
        .def_property_readonly(
            "parameters",
            [](const py::object& self) {
                const auto& set = self.cast<const Dataset&>();
                const std::size_t rows = set.parameters.empty() ? 0 : set.count();
                return view(set.parameters, {extent(rows), extent(set.unknowns.size())}, self);
            },
            "The unknowns of each curve, (n, unknowns) float64; no rows where nobody knows them.")
        .def_property_readonly(
            "time_us",
            [](const py::object& self) {
                const auto& set = self.cast<const Dataset&>();
                return view(set.time_us, {extent(set.points())}, self);
            },
            "Times of the samples, (points) float64 [us].")
        .def_property_readonly(
            "unknowns", [](const Dataset& set) { return names_of(set.unknowns); },
            "Names of the columns of parameters.")
        .def_property_readonly(
            "experiment",
            [](const Dataset& set) {
                return nmrsim::parse_experiment(set.experiment_toml, "data set");
            },
            "The experiment the curves were made of, as read from the set.")
        .def_readonly("seed", &Dataset::seed, "Seed of the draws.")
        .def_readonly("first_index", &Dataset::first_index,
                      "Index of the first curve under the seed.")
        .def_readonly("version", &Dataset::version, "Version of the library that made it.")
        .def("__len__", &Dataset::count)
        .def(pickled(&Dataset::unknowns, &Dataset::time_us, &Dataset::parameters, &Dataset::signal,
                     &Dataset::experiment_toml, &Dataset::seed, &Dataset::first_index,
                     &Dataset::version))
        .def("__repr__", [](const Dataset& set) {
            return fmt::format("<Dataset: {} curves of {} points, {} unknowns>", set.count(),
                               set.points(), set.unknowns.size());
        });
    module.def("generate_dataset", &generated, py::arg("experiment"), py::arg("count"),
               py::arg("seed"), py::arg("first_index") = 0, py::arg("threads") = 0,
               R"(Draws the prior and simulates a curve for each, noise added. Releases the GIL.

Curve i depends on (experiment, seed, first_index + i) alone. Ctrl-C ends it.
Args: threads: 0 for all cores. Raises: ValueError for an experiment without a prior.)");
    module.def(
        "read_dataset",
        [](const std::filesystem::path& path) {
            const std::lock_guard lock(hdf5());
            return nmrsim::read_dataset(path.string());
        },
        py::arg("path"), py::call_guard<py::gil_scoped_release>(),
        "A data set from an HDF5 file. Releases the GIL. Raises: InputError that names the file.");
    module.def(
        "write_dataset",
        [](const Dataset& dataset, const std::filesystem::path& path) {
            const std::lock_guard lock(hdf5());
            nmrsim::write_dataset(dataset, path.string());
        },
        py::arg("dataset"), py::arg("path"), py::call_guard<py::gil_scoped_release>(),
        "Writes HDF5; the file appears under its name only when whole. Releases the GIL.");
    module.def(
        "read_challenge",
        [](const std::filesystem::path& path, Experiment experiment) {
            const py::gil_scoped_release release;
            return nmrsim::read_challenge(path.string(), experiment);
        },
        py::arg("path"), py::arg("experiment"),
        "A challenge folder (echos_r.txt, echos_i.txt, mat_info.txt) as curves of experiment.");
    module.def(
        "write_challenge",
        [](const Dataset& dataset, Experiment experiment, const std::filesystem::path& path) {
            const py::gil_scoped_release release;
            nmrsim::write_challenge(dataset, experiment, path.string());
        },
        py::arg("dataset"), py::arg("experiment"), py::arg("path"),
        "Writes the three files of a challenge folder.");
}

}  // namespace nmrpython
