// Experiments, their settings and priors, and the table of parameters.

#include "nmrsim/experiment.h"

#include <fmt/format.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <string>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "nmrsim/echo_in_words.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/experiment_warnings.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sequence_text.h"
#include "series.h"
#include "toml_value.h"

namespace nmrpython {
namespace {

using nmrsim::Experiment;
using nmrsim::Parameter;

void set_value(Experiment& experiment, const std::string& key, py::handle value) {
    nmrsim::apply_setting(experiment, key + " = " + toml_value(value));
}

Experiment loaded(const std::filesystem::path& name_or_path, const py::dict& settings) {
    Experiment experiment = nmrsim::load_experiment(name_or_path.string());
    for (const auto& [key, value] : settings) {
        set_value(experiment, key.cast<std::string>(), value);
    }
    experiment.validate();
    return experiment;
}

py::dict to_dict(const Experiment& experiment) {
    return py::module_::import("tomllib").attr("loads")(nmrsim::experiment_to_toml(experiment));
}

/// The value of "table.key", a whole table as a dict, or the name.
py::object value_of(const Experiment& experiment, const std::string& key) {
    const auto dot = key.find('.');
    std::vector<std::string> known;
    for (const Parameter& row : nmrsim::parameter_table()) {
        const std::string full = fmt::format("{}.{}", row.table, row.name);
        known.push_back(full);
        if (key == full && !row.categorical && row.applies(experiment)) {
            return py::float_(row.get(experiment));
        }
    }
    for (const Parameter* row : nmrsim::sequence_rows(experiment)) {
        known.push_back(fmt::format("sequence.{}", row->name));
        if (key == known.back()) return py::float_(row->get(experiment));
    }
    const py::dict tables = to_dict(experiment);
    const std::string table = key.substr(0, dot);
    if (tables.contains(table)) {
        const py::object found = tables[table.c_str()];
        if (dot == std::string::npos) return found;
        const std::string inner = key.substr(dot + 1);
        if (py::isinstance<py::dict>(found) && found.contains(inner)) return found[inner.c_str()];
    }
    throw py::key_error(fmt::format("{} is unknown or does not apply to this experiment{}", key,
                                    nmrsim::did_you_mean(key, known)));
}

py::dict prior_of(const Experiment& experiment) {
    py::dict prior;
    for (const nmrsim::PriorRange& range : experiment.prior) {
        prior[range.name.c_str()] = range.categorical()
                                        ? py::object(py::cast(range.choices))
                                        : py::object(py::make_tuple(range.low, range.high));
    }
    return prior;
}

void set_prior(Experiment& experiment, const py::dict& ranges) {
    nmrsim::Prior prior;
    for (const auto& [key, value] : ranges) {
        const auto name = key.cast<std::string>();
        const auto values = py::reinterpret_steal<py::list>(PySequence_List(value.ptr()));
        if (!values) throw py::error_already_set();
        if (!values.empty() && py::isinstance<py::str>(values[0])) {
            prior.push_back(
                nmrsim::categorical_unknown(name, values.cast<std::vector<std::string>>()));
        } else if (values.size() == 2) {
            prior.push_back({name, values[0].cast<double>(), values[1].cast<double>()});
        } else {
            throw py::value_error(
                fmt::format("prior.{} must be (low, high) or a list of names, got {} values", name,
                            values.size()));
        }
    }
    nmrsim::validate_prior(prior);
    experiment.prior = std::move(prior);
}

std::string description(const Experiment& experiment) {
    std::string unknowns;
    for (const nmrsim::PriorRange& range : experiment.prior) {
        unknowns += (unknowns.empty() ? "" : ", ") + range.name;
    }
    return fmt::format("<Experiment '{}': kernel {}, {} points, {:g} to {:g} us, unknowns [{}]>",
                       experiment.name, nmrsim::kernel_name(experiment.interaction.kernel),
                       nmrsim::sample_count(experiment), nmrsim::first_sample_us(experiment),
                       nmrsim::last_sample_us(experiment), unknowns);
}

void bind_parameter(py::module_& module) {
    py::class_<Parameter>(module, "Parameter", "A row of the table of parameters.")
        .def_readonly("name", &Parameter::name,
                      "Key in its table and name of columns: \"alpha_x_khz\".")
        .def_readonly("table", &Parameter::table, "Table of the experiment: \"interaction\".")
        .def_readonly("symbol", &Parameter::symbol, "As the theory page writes it: \"alpha_x\".")
        .def_readonly("unit", &Parameter::unit, "\"kHz\"; empty where dimensionless.")
        .def_readonly("lower", &Parameter::lower, "Smallest value allowed.")
        .def_readonly("upper", &Parameter::upper, "Largest value allowed.")
        .def_readonly("help", &Parameter::help, "One line.")
        .def("__repr__", [](const Parameter& row) {
            return fmt::format("<Parameter {}.{}{}: {}>", row.table, row.name,
                               *row.unit ? fmt::format(" [{}]", row.unit) : "", row.help);
        });
    module.def(
        "parameters",
        [] {
            py::list rows;
            for (const Parameter& row : nmrsim::parameter_table()) {
                rows.append(py::cast(&row, py::return_value_policy::reference));
            }
            return rows;
        },
        "All parameters an experiment may have: name, table, unit, bounds, one line of help.");
    module.def("shipped_experiments", &nmrsim::shipped_experiments,
               "Names of the experiments that ship.");
    module.def("shipped_experiment_summary", &nmrsim::shipped_experiment_summary, py::arg("name"),
               "One line about a shipped experiment.");
}

}  // namespace

void bind_experiment(py::module_& module) {
    bind_parameter(module);
    py::class_<Experiment>(module, "Experiment",
                           R"(Everything that one simulation needs, as plain numbers.

    experiment = nmrsim.Experiment("challenge-2021", {"interaction.alpha_x_khz": 60.0})
    experiment["sequence.flip_deg"] = 90.0

Keys are those of the TOML file, "table.key", and carry their unit.)")
        .def(py::init(&loaded), py::arg("name_or_path"), py::arg("settings") = py::dict(),
             R"(The experiment that ships under this name, or that of a TOML file.

Args: settings: "table.key" to value, set in order; the whole is checked after the last.
Raises: InputError for an unknown name or key (naming the nearest) or a bad file.)")
        .def_static("from_toml", &nmrsim::parse_experiment, py::arg("text"),
                    py::arg("origin") = "text",
                    "An experiment from TOML text; origin stands before \":line:\" in errors.")
        .def_static(
            "from_words",
            [](const std::string& tau, const std::string& line, const std::string& pulses) {
                return nmrsim::echo_from_words({tau, line, pulses});
            },
            py::arg("tau"), py::arg("line"), py::arg("pulses"),
            R"(A Hahn echo in words: from_words("80us", "lorentzian:60kHz", "45,90").

Uniform kernel; unknown are alpha_x within 5 half widths, alpha_z within 10, and the first pulse's
angle within a fifth, the second's ratio to it kept.)")
        .def("to_toml", &nmrsim::experiment_to_toml,
             "The whole experiment as TOML, every key written; from_toml() gives the same back.")
        .def("to_dict", &to_dict, "The same as nested dicts.")
        .def("set", &set_value, py::arg("key"), py::arg("value"),
             R"(Sets "table.key"; experiment[key] = value is the same.

Args: value: bool, number, text, sequence or dict, as TOML has them.
Raises: InputError for an unknown key or a value out of range; what several keys must
    fulfil together is checked by validate(), and before each simulation.)")
        .def("__setitem__", &set_value, py::arg("key"), py::arg("value"))
        .def("__getitem__", &value_of, py::arg("key"),
             "The value of \"table.key\", or of a whole table as a dict. Raises: KeyError.")
        .def_readwrite("name", &Experiment::name, "A name for files and reports.")
        .def_property("prior", &prior_of, &set_prior,
                      R"(The unknowns, in order: name to (low, high), or to a list of choices.

A copy: assign a whole dict to change it.)")
        .def_property_readonly(
            "unknowns", [](const Experiment& experiment) { return names_of(experiment.prior); },
            "Names of the prior's unknowns, in order: the columns of parameters.")
        .def_property_readonly(
            "time_us",
            [](const Experiment& experiment) {
                std::vector<double> times = nmrsim::acquisition_times_us(experiment);
                const Shape shape{extent(times.size())};
                return taken(std::move(times), shape);
            },
            "Times of the samples, (points) float64 [us].")
        .def_property(
            "sequence",
            [](const Experiment& experiment) {
                return nmrsim::sequence_to_text(experiment.sequence);
            },
            &nmrsim::replace_sequence,
            R"(The pulse sequence as text; one that says acquire sets the window too.

Unknowns of the prior that mean nothing to a new sequence are dropped.)")
        .def_property("series", &series_of, &set_series,
                      R"(The records of a series: for each a dict, "table.key" to value, and "file".

A copy: assign a whole list to change it.)")
        .def("validate", &Experiment::validate,
             "Raises: ValueError that names the key, the inequality and the value.")
        .def("warnings", &nmrsim::experiment_warnings,
             "One line for each setting that is valid but looks wrong.")
        .def(
            "copy", [](const Experiment& experiment) { return experiment; }, "An independent copy.")
        .def("__copy__", [](const Experiment& experiment) { return experiment; })
        .def("__deepcopy__",
             [](const Experiment& experiment, const py::dict&) { return experiment; })
        .def("__repr__", &description)
        .def(
            "__eq__",
            [](const Experiment& a, const Experiment& b) {
                return nmrsim::experiment_to_toml(a) == nmrsim::experiment_to_toml(b);
            },
            py::is_operator())
        .def(py::pickle(&nmrsim::experiment_to_toml, [](const std::string& text) {
            return nmrsim::parse_experiment(text, "pickle");
        }));
}

}  // namespace nmrpython
