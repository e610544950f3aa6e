// One curve.

#include "nmrsim/signal.h"

#include <fmt/format.h>
#include <pybind11/complex.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <complex>
#include <filesystem>
#include <optional>

#include "arrays.h"
#include "bindings.h"
#include "nmrsim/curve_file.h"
#include "nmrsim/file_output.h"
#include "pickles.h"

namespace nmrpython {
namespace {

using nmrsim::Signal;

Signal signal_from_arrays(const Input<double>& time_us, const Input<double>& mx,
                          const Input<double>& my, const std::optional<Input<double>>& mz) {
    const auto column = [&](const char* name, const Input<double>& array) {
        if (array.ndim() != 1 || array.size() != time_us.size()) {
            throw py::value_error(fmt::format("{} must have the shape ({},) of time_us, got {}",
                                              name, time_us.size(),
                                              py::str(array.attr("shape")).cast<std::string>()));
        }
        const auto values = numbers(array);
        return std::vector<double>(values.begin(), values.end());
    };
    Signal signal;
    signal.time_us = column("time_us", time_us);
    signal.mx = column("mx", mx);
    signal.my = column("my", my);
    if (mz) {
        signal.mz = column("mz", *mz);
    } else {
        signal.mz.assign(signal.points(), 0.0);
    }
    return signal;
}

template <std::vector<double> Signal::*field>
py::array_t<double> column(const py::object& self) {
    const std::vector<double>& values = self.cast<const Signal&>().*field;
    return view(values, {extent(values.size())}, self);
}

}  // namespace

void bind_signal(py::module_& module) {
    py::class_<Signal>(module, "Signal", R"(A curve: ensemble means of (Ix, Iy, Iz), 1/2 at most.

The arrays, (points) float64, are the Signal's own memory and keep it alive.)")
        .def(py::init(&signal_from_arrays), py::arg("time_us"), py::arg("mx"), py::arg("my"),
             py::arg("mz") = py::none(), "A curve from arrays (points), copied; mz is 0 if None.")
        .def_property_readonly("time_us", &column<&Signal::time_us>,
                               "From the start of the sequence, (points) [us].")
        .def_property_readonly("mx", &column<&Signal::mx>, "Mean of Ix, (points).")
        .def_property_readonly("my", &column<&Signal::my>, "Mean of Iy, (points).")
        .def_property_readonly("mz", &column<&Signal::mz>, "Mean of Iz, (points).")
        .def_property_readonly(
            "m",
            [](const Signal& signal) {
                std::vector<std::complex<double>> m;
                for (std::size_t k = 0; k < signal.points(); ++k) {
                    m.emplace_back(signal.mx[k], signal.my[k]);
                }
                const Shape shape{extent(m.size())};
                return taken(std::move(m), shape);
            },
            "Mx + i My, a new array (points) complex128.")
        .def_readonly("estimated_error", &Signal::estimated_error,
                      "Estimated largest error of M, as a share of the largest |M|.")
        .def(
            "with_noise",
            [](Signal signal, double sigma, std::uint64_t seed, std::uint64_t index) {
                nmrsim::add_noise(signal, sigma, seed, index);
                return signal;
            },
            py::arg("sigma"), py::arg("seed"), py::arg("index") = 0,
            R"(A copy with independent Gaussian noise on Mx and My.

Args: sigma: standard deviation [units of M], >= 0. index: with the same seed, generate_dataset()
    adds the same noise to its curve of this index.)")
        .def("to_csv", py::overload_cast<const Signal&>(&nmrsim::curve_to_csv),
             "Text with the header time_us,mx,my,mz and 9 significant digits.")
        .def("__len__", &Signal::points)
        .def(pickled(&Signal::time_us, &Signal::mx, &Signal::my, &Signal::mz,
                     &Signal::estimated_error))
        .def("__repr__", [](const Signal& signal) {
            if (signal.points() == 0) return std::string("<Signal: no points>");
            return fmt::format("<Signal: {} points, {:g} to {:g} us>", signal.points(),
                               signal.time_us.front(), signal.time_us.back());
        });
    module.def(
        "read_curve",
        [](const std::filesystem::path& path) { return nmrsim::read_curve(path.string()); },
        py::arg("path"), py::call_guard<py::gil_scoped_release>(),
        R"(One curve from a text file: columns by the header's names, or time, Re, Im, Mz without one.

Times without a unit in the header are microseconds. See docs/formats.md.
Raises: InputError, "echo.csv:17: expected 3 numbers, found 2".)");
    module.def(
        "write_curve",
        [](const Signal& signal, const std::filesystem::path& path) {
            nmrsim::write_whole_file(path.string(), nmrsim::curve_to_csv(signal));
        },
        py::arg("signal"), py::arg("path"), py::call_guard<py::gil_scoped_release>(),
        "Writes Signal.to_csv() to a file, which appears under its name only when whole.");
    module.def("largest_difference", &nmrsim::largest_difference, py::arg("a"), py::arg("b"),
               "Largest |M - M'| of two curves over their window.");
}

}  // namespace nmrpython
