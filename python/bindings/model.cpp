// Trained models and what they say about curves.

#include "nmrinverse/model.h"

#include <fmt/format.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bindings.h"
#include "curves.h"
#include "fit.h"
#include "interrupt.h"
#include "nmrinverse/posterior.h"
#include "pickles.h"
#include "refine.h"

namespace nmrpython {
namespace {

/// Draws of a posterior that make good starts; as many as nmr-fit --refine takes.
constexpr std::size_t kStarts = 256;

using nmrinverse::Model;
using nmrinverse::Posterior;
using nmrinverse::Predictions;

Posterior posterior_of(const Model& model, const py::object& signal,
                       const std::optional<Input<double>>& noise, int threads) {
    const Curves curves = curves_of(signal, model.experiment());
    if (!noise) {
        return without_gil(
            [&] { return model.posterior(curves.values(), curves.count, std::nullopt, threads); });
    }
    const std::vector<double> levels = noise_of(*noise, curves.count);
    return without_gil(
        [&] { return model.posterior(curves.values(), curves.count, levels, threads); });
}

Predictions fit(const Model& model, const py::object& signal,
                const std::optional<Input<double>>& noise, int threads) {
    const Posterior posterior = posterior_of(model, signal, noise, threads);
    return without_gil([&] { return posterior.summary(); });
}

nmrinverse::Refinement refined(const Model& model, const py::object& signal, double noise,
                               bool fit_gain, bool fit_phase, bool fit_time_zero,
                               double time_zero_range_us, std::uint64_t seed, int threads) {
    const Curves curve = one_curve_of(signal, model.experiment());
    const nmrinverse::RefineOptions options = refine_options(
        noise, fit_gain, fit_phase, fit_time_zero, time_zero_range_us, seed, threads);
    return without_gil([&] {
        // A search does not rest on the network's idea of noise.
        const double told = std::min(noise, model.largest_noise());
        const std::vector<double> starts =
            model.posterior(curve.values(), 1, told, threads).sample(kStarts, seed);
        return nmrinverse::refine(model.experiment(), curve.values(), starts, options);
    });
}

py::dict record_of(const Model& model) {
    const nmrinverse::TrainingRecord& record = model.record();
    py::dict all;
    all["version"] = record.version;
    all["curves_seen"] = record.curves_seen;
    all["epochs"] = record.epochs;
    all["seconds"] = record.seconds;
    all["device"] = record.device;
    all["weights"] = record.weights;
    all["head"] = record.head;
    all["held_out_loss"] = record.held_out_loss;
    all["held_out_log_density"] = record.held_out_log_density;
    all["held_out_mse"] = record.held_out_mse;
    return all;
}

/// A file in a folder that goes away.
class PassingFile {
public:
    PassingFile() {
        std::string pattern = (std::filesystem::temp_directory_path() / "nmrsim-XXXXXX").string();
        if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder " + pattern);
        folder_ = pattern;
    }
    ~PassingFile() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    PassingFile(const PassingFile&) = delete;
    PassingFile& operator=(const PassingFile&) = delete;
    std::string path() const { return folder_ + "/pickled.safetensors"; }

private:
    std::string folder_;
};

/// How something pickles that is saved as a file and loaded from one.
template <typename Object>
auto pickled_as_file(void (*save)(const Object&, const std::string&),
                     Object (*load)(const std::string&)) {
    return py::pickle(
        [=](const Object& object) {
            const PassingFile file;
            save(object, file.path());
            std::ifstream stream(file.path(), std::ios::binary);
            return py::bytes(std::string{std::istreambuf_iterator<char>(stream), {}});
        },
        [=](const py::bytes& bytes) {
            const PassingFile file;
            std::ofstream(file.path(), std::ios::binary) << bytes.cast<std::string_view>();
            return load(file.path());
        });
}

void bind_posterior(py::module_& module) {
    py::class_<Posterior>(module, "Posterior",
                          R"(The joint posterior of n curves on the prior's box.

It answers in closed form, but for sample().)")
        .def(
            "summary",
            [](const Posterior& posterior) {
                return without_gil([&] { return posterior.summary(); });
            },
            "Mean, standard deviation and quantiles of each unknown: Estimates.")
        .def(
            "quantiles",
            [](const Posterior& posterior, const Input<double>& levels) {
                const auto asked = numbers(levels);
                auto values = without_gil([&] { return posterior.quantiles(asked); });
                return taken(std::move(values), {extent(posterior.count()),
                                                 extent(posterior.unknowns()), levels.size()});
            },
            py::arg("levels"),
            R"(Quantiles of each unknown, (n, k, m).

Args: levels: (m), each in [0, 1].)")
        .def(
            "sample",
            [](const Posterior& posterior, std::size_t draws, std::uint64_t seed,
               std::uint64_t first_index) {
                auto values =
                    without_gil([&] { return posterior.sample(draws, seed, first_index); });
                return taken(std::move(values), {extent(posterior.count()), extent(draws),
                                                 extent(posterior.unknowns())});
            },
            py::arg("draws"), py::arg("seed"), py::arg("first_index") = 0,
            R"(Draws of the joint posterior, (n, draws, k).

Curve c's are made from random numbers of (seed, first_index + c): curves that are asked for one by
one need indices of their own, or their draws err alike.)")
        .def(
            "log_prob",
            [](const Posterior& posterior, const Input<double>& parameters) {
                const py::ssize_t n = extent(posterior.count());
                const py::ssize_t k = extent(posterior.unknowns());
                if (parameters.ndim() != 3 || parameters.shape(0) != n ||
                    parameters.shape(2) != k) {
                    throw py::value_error(
                        fmt::format("parameters must have the shape ({}, m, {}), got {}", n, k,
                                    py::str(parameters.attr("shape")).cast<std::string>()));
                }
                const auto at = numbers(parameters);
                auto values = without_gil([&] { return posterior.log_prob(at); });
                return taken(std::move(values), {n, parameters.shape(1)});
            },
            py::arg("parameters"),
            R"(Logarithm of the joint density, (n, m); minus infinity outside the prior.

Args: parameters: (n, m, k), in the unknowns' units.)")
        .def(
            "distance",
            [](const Posterior& posterior) {
                return taken(posterior.distance(), {extent(posterior.count())});
            },
            R"(How unlike the training's curves each one looks, (n).

The share of held-out curves that look more usual: 1 is stranger than all of them.)")
        .def("__len__", &Posterior::count)
        .def(pickled_as_file(&nmrinverse::save_posterior, &nmrinverse::load_posterior));
}

}  // namespace

void bind_model(py::module_& module) {
    bind_posterior(module);
    py::class_<Model>(module, "Model", "A trained network and what it was trained for.")
        .def_property_readonly(
            "experiment", [](const Model& model) { return model.experiment(); },
            "A copy of the experiment it was trained for; its prior names the unknowns.")
        .def_property_readonly(
            "unknowns", [](const Model& model) { return names_of(model.experiment().prior); },
            "Names of the columns of estimates.")
        .def_property_readonly("record", &record_of, "How it came to be: a dict.")
        .def_property_readonly("largest_noise", &Model::largest_noise,
                               R"(Largest noise it was trained for [units of M].

On noisier curves its intervals would be too narrow.)")
        .def("fit", &fit, py::arg("signal"), py::arg("noise") = py::none(), py::arg("threads") = 0,
             R"(Estimates of curves sampled at experiment.time_us.

Args:
    signal: a Signal or a list of them; complex M (points) or (n, points); or Mx and My, (2, points)
        or (n, 2, points). One curve is n = 1.
    noise: standard deviation on each of Mx and My [units of M]: one number or (n). None: what
        estimated_noise() says of each curve, where the model asks for it. Above largest_noise by
        more than 5%, estimated by more than half, it is a ValueError.
    threads: 0 for all cores.
Returns: Estimates, arrays (n, k). Releases the GIL.)")
        .def("posterior", &posterior_of, py::arg("signal"), py::arg("noise") = py::none(),
             py::arg("threads") = 0,
             "The joint posterior of the same curves: samples, quantiles, densities.")
        .def("refine", &refined, py::arg("signal"), py::arg("noise"), py::kw_only(),
             py::arg("fit_gain") = false, py::arg("fit_phase") = false,
             py::arg("fit_time_zero") = false, py::arg("time_zero_range_us") = 1.0,
             py::arg("seed") = 0, py::arg("threads") = 0,
             R"(The best fit of one curve, followed down from draws of its posterior: Refinement.

Args: as nmrsim.inverse.refine(), with the starts drawn by seed. Releases the GIL.)")
        .def(
            "gradient",
            [](const Model& model, const py::object& signal, std::optional<double> noise) {
                const Curves curve = one_curve_of(signal, model.experiment());
                auto values = without_gil([&] { return model.gradient(curve.values(), noise); });
                const Shape shape{extent(model.experiment().prior.size()), 2,
                                  extent(nmrsim::sample_count(model.experiment()))};
                return taken(std::move(values), shape);
            },
            py::arg("signal"), py::arg("noise") = py::none(),
            "d estimate / d sample of one curve, (k, 2, points), in the unknowns' units.")
        .def(pickled_as_file(&nmrinverse::save_model, &nmrinverse::load_model));
    module.def(
        "fit_by_model",
        [](const Model& model, const py::object& curves, const py::object& time_us,
           const py::dict& options) {
            return fitted(model.experiment(), curves, time_us, options,
                          [&](std::span<const nmrinverse::InputCurves> inputs,
                              const nmrinverse::FitOptions& how) {
                              return nmrinverse::fit(model, inputs, how);
                          });
        },
        "The fields of nmrsim.Fit.");
    module.def(
        "load_file",
        [](const std::filesystem::path& path) { return nmrinverse::load_model(path.string()); },
        py::arg("path"), py::call_guard<py::gil_scoped_release>(), "A model from its file.");
}

}  // namespace nmrpython
