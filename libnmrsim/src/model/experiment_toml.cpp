#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "model/acquisition.h"
#include "model/line_shape.h"
#include "model/sequence_names.h"
#include "model/site_keys.h"
#include "model/toml_values.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"

namespace nmrsim {

namespace {

/// Tables of plain values, as they are written; phase cycle, prior and challenge follow.
constexpr const char* kValueTables[] = {"interaction", "lattice",  "line",        "relaxation",
                                        "start",       "sequence", "acquisition", "accuracy"};

std::string toml_seed(std::uint64_t seed) {
    const bool fits = seed <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return fits ? fmt::format("{}", seed) : fmt::format("\"{}\"", seed);
}

std::string toml_events(const std::vector<Event>& events) {
    std::string text = "events = [\n";
    for (const Event& event : events) {
        if (const auto* pulse = std::get_if<Pulse>(&event)) {
            text += fmt::format("    {{pulse_deg = {}, phase_deg = {}, duration_us = {}}},\n",
                                toml_real(pulse->flip_deg), toml_real(pulse->phase_deg),
                                toml_real(pulse->duration_us));
        } else {
            text += fmt::format("    {{delay_us = {}}},\n",
                                toml_real(std::get<Delay>(event).duration_us));
        }
    }
    return text + "]\n";
}

std::string toml_strengths(const std::vector<PulseStrength>& strengths) {
    if (strengths.empty()) return "";
    std::string text = "strengths = [\n";
    for (const PulseStrength& one : strengths) {
        text += fmt::format("    [{}, {}],\n", toml_real(one.strength), toml_real(one.weight));
    }
    return text + "]\n";
}

std::string toml_sites(const std::vector<Site>& sites) {
    if (sites.empty()) return "";
    std::string text = "sites = [\n";
    for (const Site& site : sites) {
        std::vector<std::string> items;
        for (const SiteKey& key : site_keys()) {
            const std::optional<double> value = key.get(site);
            if (value) items.push_back(fmt::format("{} = {}", key.name, toml_real(*value)));
        }
        text += fmt::format("    {{{}}},\n", fmt::join(items, ", "));
    }
    return text + "]\n";
}

std::string toml_cycle(const PhaseCycle& cycle) {
    if (cycle.empty()) return "";
    std::string pulses, receiver;
    for (const PhaseCycleStep& step : cycle.steps) {
        std::string row;
        for (const double phase : step.pulse_deg) {
            row += (row.empty() ? "" : ", ") + toml_real(phase);
        }
        pulses += fmt::format("{}[{}]", pulses.empty() ? "" : ", ", row);
        receiver += (receiver.empty() ? "" : ", ") + toml_real(step.receiver_deg);
    }
    return fmt::format("\n[phase_cycle]\npulses = [{}]\nreceiver = [{}]\n", pulses, receiver);
}

/// [{start_us = ..., ...}, ...]
std::string toml_windows(const std::vector<AcquisitionWindow>& windows) {
    std::string text = "windows = [\n";
    for (const AcquisitionWindow& window : windows) {
        text += fmt::format("    {{start_us = {}, stop_us = {}, points = {}, origin = \"{}\"",
                            toml_real(window.start_us), toml_real(window.stop_us), window.points,
                            time_origin_names()[static_cast<std::size_t>(window.origin)]);
        if (window.pulses != kAllPulses) text += fmt::format(", pulses = {}", window.pulses);
        text += "},\n";
    }
    return text + "]\n";
}

/// Keys of a table that are no rows.
std::string other_keys(const Experiment& e, std::string_view table) {
    if (table == "interaction") {
        return fmt::format("kernel = \"{}\"\nnormalize = {}\n", kernel_name(e.interaction.kernel),
                           e.interaction.normalize);
    }
    if (table == "lattice") {
        return fmt::format("nx = {}\nny = {}\nnz = {}\nseed = {}\n", e.lattice.nx, e.lattice.ny,
                           e.lattice.nz, toml_seed(e.lattice.seed));
    }
    if (table == "line") {
        std::string text = fmt::format("shape = \"{}\"\nrenormalize = {}\nspins = {}\n",
                                       shape_of(e.line).name, e.line.renormalize, e.line.spins);
        if (!e.line.table.empty()) text += "table = [\n";
        for (const LinePoint& point : e.line.table) {
            text += fmt::format("    [{}, {}],\n", toml_real(point.offset_khz),
                                toml_real(point.weight));
        }
        if (!e.line.table.empty()) text += "]\n";
        return text + toml_sites(e.sites);
    }
    if (table == "sequence") {
        if (!e.sequence.names.empty()) {
            return fmt::format("program = {}\n", toml_text(text_with_names(e.sequence))) +
                   toml_strengths(e.sequence.strengths);
        }
        const auto* events = std::get_if<std::vector<Event>>(&e.sequence.program);
        return (events ? toml_events(*events) : "") + toml_strengths(e.sequence.strengths);
    }
    if (table == "acquisition") {
        const std::vector<AcquisitionWindow>& windows = e.acquisition.windows;
        if (!windows.empty()) return says_windows(e.sequence) ? "" : toml_windows(windows);
        std::string text = fmt::format("points = {}\n", e.acquisition.points);
        // Left out where it is as in files that say nothing of it.
        if (e.acquisition.origin != TimeOrigin::start) {
            text +=
                fmt::format("origin = \"{}\"\n",
                            time_origin_names()[static_cast<std::size_t>(e.acquisition.origin)]);
        }
        return text;
    }
    if (table == "accuracy") {
        const char* precisions[] = {"auto", "single", "double"};
        const auto& [tolerance, nodes, steps, order, frame, precision] = e.accuracy;
        return fmt::format(
            "nodes = {}\nsteps_per_point = {}\nmagnus_order = {}\nframe = \"{}\"\n"
            "precision = \"{}\"\n",
            nodes ? fmt::format("{}", *nodes) : "\"auto\"", steps ? toml_real(*steps) : "\"auto\"",
            order, frame == Frame::laboratory ? "laboratory" : "rotating",
            precisions[static_cast<int>(precision)]);
    }
    return "";
}

}  // namespace

std::string experiment_to_toml(const Experiment& experiment) {
    std::string text = fmt::format("name = {}\n", toml_text(experiment.name));
    for (const std::string_view table : kValueTables) {
        text += fmt::format("\n[{}]\n{}", table, other_keys(experiment, table));
        for (const Parameter& row : parameter_table()) {
            if (table != row.table || row.derived || row.categorical) continue;
            if (!row.applies(experiment)) continue;
            const bool unset =
                std::string_view(row.name) == "alpha_y_khz" && !experiment.interaction.alpha_y_khz;
            if (!unset) text += fmt::format("{} = {}\n", row.name, toml_real(row.get(experiment)));
        }
    }
    text += toml_cycle(experiment.phase_cycle);
    if (!experiment.prior.empty()) text += "\n[prior]\n";
    for (const PriorRange& range : experiment.prior) {
        std::vector<std::string> items;
        for (const std::string& choice : range.choices) items.push_back(toml_text(choice));
        if (!range.categorical()) items = {toml_real(range.low), toml_real(range.high)};
        text += fmt::format("{} = [{}]\n", range.name, fmt::join(items, ", "));
    }
    const ChallengeScore& score = experiment.score;
    const bool scored = score.scale != ScoreScale::none;
    if (scored || !experiment.challenge.empty()) text += "\n[challenge]\n";
    if (scored) {
        text += fmt::format("score = \"{}\"\nscore_curves = {}\n",
                            score.scale == ScoreScale::range ? "range" : "variance", score.curves);
    }
    if (!experiment.challenge.empty()) {
        text += "columns = [\n";
        for (const ChallengeColumn& column : experiment.challenge) {
            text += fmt::format("    {{name = {}, parameter = {}, scale = {}}},\n",
                                toml_text(column.name), toml_text(column.parameter),
                                toml_real(column.scale));
        }
        text += "]\n";
    }
    for (const SeriesRecord& record : experiment.series) {
        text += "\n[[series]]\n";
        if (!record.file.empty()) text += fmt::format("file = {}\n", toml_text(record.file));
        for (const auto& [key, value] : record.settings) {
            text += fmt::format("{} = {}\n", toml_text(key), value);
        }
    }
    return text;
}

}  // namespace nmrsim
