#include "fit_flags.h"

#include <filesystem>
#include <stdexcept>
#include <utility>

#include "nmrsim/experiment_file.h"
#include "nmrsim/file_output.h"
#include "nmrsim/output_checks.h"
#include "nmrsim/series.h"

namespace nmrapps {
namespace {

/// A flag that answers yes or, negated, no.
void add_answer(CLI::App& app, const char* name, std::optional<bool>& answer, const char* help) {
    app.add_flag_function(
        name, [&answer](std::int64_t count) { answer = count > 0; }, help);
}

}  // namespace

void add_fit_flags(CLI::App& app, FitFlags& flags) {
    add_common_options(app, flags.common,
                       "nmr-fit model.safetensors echo1.csv echo2.csv --out fit.csv");
    app.add_option("MODEL", flags.model,
                   "Model file, or the name of one that ships; or an experiment, TOML file or "
                   "name, fitted without a network (implies --refine); left out with --tau")
        ->required()
        ->type_name("");
    app.add_option("INPUT", flags.inputs,
                   "Curves (CSV and other text, .npy, .npz, FILE.h5:/PATH), HDF5 data sets or "
                   "challenge folders; with --series: those of its column file")
        ->type_name("");
    app.add_option("--tau", flags.words.tau,
                   "In place of MODEL: a Hahn echo with this time between its pulses, such as 80us")
        ->type_name("TIME");
    app.add_option("--line", flags.words.line, "Its line and half width, such as lorentzian:60kHz")
        ->type_name("SHAPE:WIDTH");
    app.add_option("--pulses", flags.words.pulses,
                   "Its pulses' angles in degrees, such as 45,90; unknown within a fifth")
        ->type_name("ANGLE,ANGLE");
    app.add_option(
           "--set", flags.settings,
           "Change one value of the experiment, such as \"prior.gamma3_per_s=[0,2e4]\"; may "
           "be repeated")
        ->allow_extra_args(false)
        ->type_name("table.key=value");
    app.add_option(
           "--series", flags.series,
           "Records of one material that differ in some settings: a table whose columns are "
           "keys, such as sequence.tau_us, and file")
        ->type_name("records.csv");
    app.add_option("--save-experiment", flags.save_experiment,
                   "File for the experiment that is fitted")
        ->type_name("own.toml");
    app.add_option("--noise", flags.fit.noise,
                   "Standard deviation of the noise on each of Mx and My")
        ->check(no_negative_number())
        ->type_name("SIGMA");
    app.add_option("--out", flags.out, "File for the estimates (default: standard output)")
        ->type_name("fit.csv");
    app.add_option("--format", flags.format, "csv or challenge")
        ->check(CLI::IsMember({"csv", "challenge"}))
        ->type_name("NAME");
    app.add_option("--plot", flags.plot, "Folder for a picture of each curve and report.html")
        ->type_name("DIR");
    app.add_option("--picture", flags.picture, "With --plot: svg or png (default: svg)")
        ->check(CLI::IsMember({"svg", "png"}))
        ->type_name("NAME");
    add_answer(app, "--check,!--no-check", flags.fit.check,
               "Fit each curve to judge the network's answer, which is left as it "
               "is; uniform kernel only (default: up to 64 curves)");
    app.add_flag("--refine", flags.fit.refine,
                 "Follow the network's estimate down to the best fit of the simulated curve; needs "
                 "--noise, uniform kernel only");
    add_answer(app, "--fit-gain", flags.fit.fit_gain,
               "With --refine: the receiver's gain is unknown");
    add_answer(app, "--fit-phase", flags.fit.fit_phase, "With --refine: so is its phase");
    app.add_option("--fit-time-zero", flags.fit.time_zero_range_us,
                   "With --refine: the clock is off by up to US microseconds")
        ->check(positive_number())
        ->type_name("US");
    app.add_flag("--measured", flags.fit.measured,
                 "The curves are measured: find the echo, take the noise from the record, fit "
                 "gain, receiver phase, offset and time zero with the rest (implies --refine)");
    app.add_flag("!--no-align", flags.fit.align,
                 "With --measured: the files' times count from the first pulse");
    add_answer(app, "!--no-gain", flags.fit.fit_gain,
               "With --measured: the curves are in units of M, gain 1");
    add_answer(app, "!--no-phase", flags.fit.fit_phase,
               "With --measured: the receiver's phase is 0");
    add_answer(app, "!--no-offset", flags.fit.fit_offset,
               "With --measured: the receiver adds no constant");
    app.add_flag("--joint", flags.fit.joint,
                 "One fit of all curves, of one material: common unknowns are one for all (implies "
                 "--refine)");
    flags.per_curve = app.add_option("--per-curve", flags.fit.per_curve,
                                     "With --joint: unknowns that each curve has its own of "
                                     "(default: flip_deg)")
                          ->delimiter(',')
                          ->type_name("NAME,...");
    app.add_option("--compare", flags.compare,
                   "In place of estimates: the odds, by evidence, of the experiment as it is "
                   "(uniform), without coupling (none) and with other lines (gaussian, ...)")
        ->delimiter(',')
        ->type_name("uniform,none,...");
    add_reading_options(app, flags.reading);
    app.add_option("--samples", flags.samples,
                   "Also write N draws of each curve's posterior, beside --out as *.samples.csv")
        ->check(CLI::Range(1, 1000000))
        ->type_name("N");
}

FitSource FitFlags::source() const {
    const bool changed = !settings.empty() || !series.empty();
    if (!in_words() && !(changed && names_experiment(model))) {
        if (changed || !save_experiment.empty()) {
            throw std::invalid_argument(
                "--set, --series and --save-experiment need an experiment, not a model");
        }
        return load_fit_source(model);
    }
    nmrsim::Experiment experiment =
        in_words() ? nmrsim::echo_from_words(words) : nmrsim::load_experiment(model);
    for (const std::string& setting : settings) nmrsim::apply_setting(experiment, setting);
    if (!series.empty()) experiment.series = nmrsim::read_series(series);
    experiment.validate();
    if (!save_experiment.empty()) {
        nmrsim::write_whole_file(save_experiment, nmrsim::experiment_to_toml(experiment));
    }
    return fit_source_of(experiment);
}

std::vector<std::string> FitFlags::files_of_records() const {
    const bool own = series.empty() && !in_words() && names_experiment(model);
    if (series.empty() && !own) return {};
    const std::filesystem::path folder =
        own ? std::filesystem::path(model).parent_path() : std::filesystem::path();
    std::vector<std::string> files;
    for (const nmrsim::SeriesRecord& record :
         own ? nmrsim::load_experiment(model).series : nmrsim::read_series(series)) {
        if (!record.file.empty()) files.push_back((folder / record.file).string());
    }
    return files;
}

void FitFlags::settle() {
    if (in_words()) inputs.insert(inputs.begin(), std::exchange(model, ""));
    if (inputs.empty()) inputs = files_of_records();
    if (inputs.empty()) throw std::invalid_argument("INPUT is required: curves to fit");
    const bool alone = in_words() || names_experiment(model);
    fit.refine = fit.refine || alone;
    const auto refuse = [](const char* what) { throw std::invalid_argument(what); };
    const auto known = [](const std::optional<bool>& unknown) { return unknown == false; };
    if (!fit.measured &&
        (!fit.align || known(fit.fit_gain) || known(fit.fit_phase) || known(fit.fit_offset))) {
        refuse("--no-align, --no-gain, --no-phase and --no-offset need --measured");
    }
    if (!per_curve->empty() && !fit.joint) refuse("--per-curve needs --joint");
    if (fit.refines() && !fit.measured && !(fit.noise > 0.0)) {
        refuse(fit.joint ? "--joint needs --noise SIGMA > 0, or --measured"
               : alone   ? "a fit without a network needs --noise SIGMA > 0"
                         : "--refine needs --noise SIGMA > 0");
    }
    if (fit.refines() && fit.check == true) {
        refuse("--check judges a network's answer: without --refine");
    }
    if (!fit.refines() && (fit.fit_gain || fit.fit_phase || fit.time_zero_range_us)) {
        refuse("--fit-gain, --fit-phase and --fit-time-zero need --refine");
    }
    if (samples > 0 && (out.empty() || fit.joint)) {
        refuse(
            "--samples draws from each curve's posterior into a file beside --out: it needs "
            "--out, and no --joint");
    }
    fit.fit_time_zero = fit.time_zero_range_us.has_value();
    fit.samples = static_cast<std::size_t>(samples);
    fit.judge = format != "challenge" || !plot.empty();  // a challenge's answers have no verdicts
    fit.threads = common.threads;
    for (std::string& input : inputs) input = input_path(input);
    nmrsim::check_output_folder("--out", out);
}

std::string FitFlags::beside_out(const char* extension) const {
    return std::filesystem::path(out).replace_extension(extension).string();
}

}  // namespace nmrapps
