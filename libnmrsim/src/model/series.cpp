#include "nmrsim/series.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "model/derived_rows.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/parameters.h"
#include "text/text_numbers.h"

namespace nmrsim {

namespace {

constexpr std::string_view kBesideRows[] = {"acquisition.points", "acquisition.origin",
                                            "lattice.seed"};

/// The rows that a record may set.
std::vector<const Parameter*> rows_of(const Experiment& experiment) {
    std::vector<const Parameter*> rows = sequence_rows(experiment);
    for (const Parameter& row : parameter_table()) {
        const std::string_view table = row.table, name = row.name;
        if (table != "accuracy" && name != "noise" && !row.categorical) rows.push_back(&row);
    }
    return rows;
}

/// Which setting comes when: what others follow from first.
int stage(const std::string& key) {
    const std::string name = key.substr(key.find('.') + 1);
    for (const Parameter& row : parameter_table()) {
        if (name == row.name && row.derived) return 2;
    }
    return key == "acquisition.points" ? 0 : 1;
}

/// Throws std::invalid_argument for a key that a record cannot have of its own.
void require_own(const Experiment& experiment, const std::string& key) {
    if (std::find(std::begin(kBesideRows), std::end(kBesideRows), key) != std::end(kBesideRows)) {
        return;
    }
    std::vector<std::string> known(std::begin(kBesideRows), std::end(kBesideRows));
    for (const Parameter* row : rows_of(experiment)) {
        known.push_back(fmt::format("{}.{}", row->table, row->name));
        if (key != known.back()) continue;
        for (const PriorRange& range : experiment.prior) {
            if (plain_row(range.name) == plain_row(row->name)) {
                throw std::invalid_argument(
                    fmt::format("{} is an unknown, which the records have in common", key));
            }
        }
        return;
    }
    const std::vector<std::string> all = setting_keys();
    if (std::find(all.begin(), all.end(), key) != all.end() || key.starts_with("prior.")) {
        throw std::invalid_argument(fmt::format("the records must have {} in common", key));
    }
    throw std::invalid_argument(fmt::format("unknown key {}{}", key, did_you_mean(key, known)));
}

Experiment record_at(const Experiment& shared, const Experiment& whole, std::size_t i) {
    Experiment record = shared;
    std::vector<std::string> seen;
    for (const int now : {0, 1, 2}) {
        for (const auto& [key, value] : whole.series[i].settings) {
            if (stage(key) != now) continue;
            require_own(whole, key);
            if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
                throw std::invalid_argument(fmt::format("{} is given twice", key));
            }
            seen.push_back(key);
            apply_setting(record, fmt::format("{} = {}", key, value));
        }
    }
    return record;
}

}  // namespace

std::vector<Experiment> series_records(const Experiment& experiment) {
    if (experiment.series.empty()) return {experiment};
    Experiment shared = experiment;
    shared.series.clear();
    std::vector<Experiment> records;
    for (std::size_t i = 0; i < experiment.series.size(); ++i) {
        try {
            records.push_back(record_at(shared, experiment, i));
        } catch (const std::exception& error) {
            throw std::invalid_argument(fmt::format("series[{}]: {}", i, error.what()));
        }
    }
    return records;
}

void set_window(SeriesRecord& record, const Acquisition& window) {
    std::erase_if(record.settings, [](const auto& setting) {
        constexpr std::string_view kOwn[] = {"start_us", "stop_us", "dwell_us", "points", "origin"};
        return std::any_of(std::begin(kOwn), std::end(kOwn), [&](std::string_view name) {
            return setting.first == fmt::format("acquisition.{}", name);
        });
    });
    const std::string_view origin = window.origin == TimeOrigin::start   ? "start"
                                    : window.origin == TimeOrigin::pulse ? "pulse"
                                                                         : "echo";
    for (const auto& [name, value] : {std::pair{"points", fmt::format("{}", window.points)},
                                      std::pair{"origin", fmt::format("\"{}\"", origin)},
                                      std::pair{"start_us", fmt::format("{}", window.start_us)},
                                      std::pair{"stop_us", fmt::format("{}", window.stop_us)}}) {
        record.settings.emplace_back(fmt::format("acquisition.{}", name), value);
    }
}

Experiment with_later_samples(Experiment experiment, double later_us) {
    if (later_us == 0.0) return experiment;
    const std::vector<Experiment> records = series_records(experiment);
    for (std::size_t r = 0; r < records.size(); ++r) {
        Acquisition later = counted_from_start(records[r], later_us);
        later.start_us = std::max(0.0, later.start_us);
        if (experiment.series.empty()) {
            experiment.acquisition = later;
        } else {
            set_window(experiment.series[r], later);
        }
    }
    return experiment;
}

std::vector<SeriesRecord> read_series(const std::string& path) {
    constexpr std::size_t kMostRecords = 100'000;
    LineReader reader(path);
    std::vector<std::string> keys;
    std::vector<SeriesRecord> records;
    while (reader.next()) {
        std::string_view line = trimmed(reader.line());
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (keys.empty() && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
        if (line.empty() || line.front() == '#') continue;
        const std::vector<std::string_view> fields = split(line, ',');
        if (keys.empty()) {
            keys.assign(fields.begin(), fields.end());
            for (const std::string& key : keys) {
                if (key == "file" || key.find('.') != std::string::npos) continue;
                throw InputError(
                    fmt::format("{}: expected keys such as sequence.tau_us, or file, found \"{}\"",
                                reader.place(), printable(key)));
            }
            continue;
        }
        if (fields.size() != keys.size()) {
            throw InputError(fmt::format("{}: expected {} values, found {}", reader.place(),
                                         keys.size(), fields.size()));
        }
        if (records.size() == kMostRecords) {
            throw InputError(
                fmt::format("{}: expected at most {} records", reader.place(), kMostRecords));
        }
        SeriesRecord record;
        for (std::size_t k = 0; k < keys.size(); ++k) {
            if (fields[k].empty() || fields[k].find_first_of("\"\\") != std::string_view::npos) {
                throw InputError(fmt::format("{}: expected a value of {}, found \"{}\"",
                                             reader.place(), keys[k], printable(fields[k])));
            }
            if (keys[k] == "file") {
                const auto folder = std::filesystem::path(path).parent_path();
                record.file = (folder / std::string(fields[k])).string();
            } else {
                const bool number = is_number(fields[k]);
                record.settings.emplace_back(
                    keys[k], number ? std::string(fields[k]) : fmt::format("\"{}\"", fields[k]));
            }
        }
        records.push_back(std::move(record));
    }
    if (records.empty()) {
        throw InputError(fmt::format("{}: expected a line of keys and one for each record", path));
    }
    return records;
}

Signal record_of(const Signal& signal, const std::vector<Experiment>& records, std::size_t record) {
    std::size_t first = 0;
    for (std::size_t i = 0; i < record; ++i) first += sample_count(records[i]);
    const auto count = static_cast<std::ptrdiff_t>(sample_count(records[record]));
    if (first + static_cast<std::size_t>(count) > signal.points()) {
        throw std::invalid_argument(fmt::format("record {} ends at sample {}, the signal has {}",
                                                record + 1, first + static_cast<std::size_t>(count),
                                                signal.points()));
    }
    const auto part = [&](const std::vector<double>& all) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
        return std::vector<double>(begin, begin + count);
    };
    return {part(signal.time_us), part(signal.mx), part(signal.my), part(signal.mz),
            signal.estimated_error};
}

}  // namespace nmrsim
