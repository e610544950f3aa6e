// Series of records, and what is read off them.

#include "nmrsim/series.h"

#include <pybind11/complex.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <complex>
#include <filesystem>

#include "arrays.h"
#include "bindings.h"
#include "nmrsim/observables.h"
#include "series.h"
#include "toml_value.h"

namespace nmrpython {

using nmrsim::Experiment;
using nmrsim::SeriesRecord;
using nmrsim::Signal;

py::list series_of(const Experiment& experiment) {
    const py::object loads = py::module_::import("tomllib").attr("loads");
    py::list series;
    for (const SeriesRecord& record : experiment.series) {
        py::dict settings;
        for (const auto& [key, value] : record.settings) {
            settings[key.c_str()] = loads("value = " + value)["value"];
        }
        if (!record.file.empty()) settings["file"] = record.file;
        series.append(settings);
    }
    return series;
}

void set_series(Experiment& experiment, const py::list& records) {
    std::vector<SeriesRecord> series;
    for (const py::handle& settings : records) {
        SeriesRecord& record = series.emplace_back();
        for (const auto& [key, value] : settings.cast<py::dict>()) {
            const auto name = key.cast<std::string>();
            if (name == "file") {
                record.file = value.cast<std::string>();
            } else {
                record.settings.emplace_back(name, toml_value(value));
            }
        }
    }
    Experiment with = experiment;
    with.series = series;
    nmrsim::series_records(with);
    experiment.series = std::move(series);
}

void bind_series(py::module_& module) {
    module.def(
        "read_series",
        [](const std::filesystem::path& path) {
            Experiment records;
            records.series = nmrsim::read_series(path.string());
            return series_of(records);
        },
        py::arg("path"),
        R"(Records from a CSV table whose header names their keys, for Experiment.series.

Raises: InputError, "records.csv:3: expected 2 values, found 1".)");
    module.def("series_records", &nmrsim::series_records, py::arg("experiment"),
               "The experiment of each record; the experiment alone where it has no series.");
    module.def(
        "records_of",
        [](const Experiment& experiment, const Signal& signal) {
            const std::vector<Experiment> records = nmrsim::series_records(experiment);
            std::vector<Signal> parts;
            for (std::size_t r = 0; r < records.size(); ++r) {
                parts.push_back(nmrsim::record_of(signal, records, r));
            }
            return parts;
        },
        py::arg("experiment"), py::arg("signal"),
        "The Signal of each record of a series' curve, in order.");
    module.def(
        "echo_integrals",
        [](const Experiment& experiment, const Signal& signal) {
            std::vector<double> time_us;
            std::vector<std::complex<double>> integral;
            for (const nmrsim::EchoIntegral& one : nmrsim::echo_integrals(experiment, signal)) {
                time_us.push_back(one.time_us);
                integral.push_back(one.integral);
            }
            const Shape shape{extent(time_us.size())};
            return py::make_tuple(taken(std::move(time_us), shape),
                                  taken(std::move(integral), shape));
        },
        py::arg("experiment"), py::arg("signal"),
        R"(The integral of M+ over each window of each record, in the order of the samples.

Returns: (time_us, integral): the windows' middles [us] float64, the integrals [us] complex128.)");
    module.def(
        "spectra",
        [](const Experiment& experiment, const Signal& signal, double lorentzian_khz,
           double gaussian_khz) {
            py::list all;
            for (nmrsim::Spectrum& one :
                 nmrsim::spectra(experiment, signal, {lorentzian_khz, gaussian_khz})) {
                const Shape shape{extent(one.s.size())};
                all.append(py::make_tuple(taken(std::move(one.frequency_khz), shape),
                                          taken(std::move(one.s), shape)));
            }
            return all;
        },
        py::arg("experiment"), py::arg("signal"), py::kw_only(), py::arg("lorentzian_khz") = 0.0,
        py::arg("gaussian_khz") = 0.0,
        R"(The spectrum of each window of each record; spins of the offset f show at +f.

Phases count from the echo where a window has the last pulse's in it, else from its first sample.

Args: lorentzian_khz, gaussian_khz: full widths that the lines get [kHz].
Returns: for each, (frequency_khz float64, integral of M+ exp(2 pi i f t) dt [us] complex128).)");
}

}  // namespace nmrpython
