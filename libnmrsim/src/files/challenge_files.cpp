#include "nmrsim/challenge_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>

#include "model/derived_rows.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/file_output.h"
#include "nmrsim/parameters.h"
#include "text/text_numbers.h"

namespace nmrsim {

namespace {

/// A text file, mostly of tab-separated numbers.
class TableFile {
public:
    /// Args: path: what errors name. file: where it is written.
    TableFile(std::string path, const std::string& file)
        : path_(std::move(path)), file_(file, std::ios::binary) {}

    template <typename Numbers>
    void line(const Numbers& numbers, int digits) {
        line_.clear();
        for (const auto value : numbers) {
            if (!line_.empty()) line_ += '\t';
            fmt::format_to(std::back_inserter(line_), "{:.{}g}", value, digits);
        }
        line_ += '\n';
        text(line_);
    }

    void text(std::string_view text) { file_ << text; }

    void close() {
        file_.close();
        if (file_) return;
        throw std::runtime_error(
            fmt::format("{}: cannot be written: {}", path_, std::strerror(errno ? errno : EIO)));
    }

private:
    std::string path_;
    std::ofstream file_;
    std::string line_;
};

/// All lines of `path`, each of `columns` numbers; (lines, columns), row-major. Empty lines at the
/// end are let pass.
template <typename Real, typename Check>
std::vector<Real> read_rows(const std::string& path, std::size_t columns, const Check& check) {
    LineReader reader(path);
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    std::vector<Real> numbers;
    // A number takes two characters; a vector that grows takes up to three times its numbers.
    if (!error) {
        const std::size_t most = size / 2 + 1;
        const std::size_t lines = lines_in(path, 2 * std::max<std::size_t>(columns, 1) - 1);
        numbers.reserve(lines > most / std::max<std::size_t>(columns, 1) ? most : lines * columns);
    }
    std::string empty_at;
    while (reader.next()) {
        const std::size_t before = numbers.size();
        const std::size_t found = append_numbers(reader.line(), reader.place(), columns, numbers);
        if (found == 0 && empty_at.empty()) empty_at = reader.place();
        if (found == 0) continue;
        if (!empty_at.empty()) {
            throw InputError(fmt::format("{}: expected {} numbers, found 0", empty_at, columns));
        }
        if (found != columns) {
            throw InputError(
                fmt::format("{}: expected {} numbers, found {}", reader.place(), columns, found));
        }
        check(std::span<const Real>(numbers).subspan(before), reader.place());
    }
    return numbers;
}

/// The unknowns that one line of mat_info.txt stands for: (unknowns).
std::vector<double> unknowns_of(const Experiment& experiment, std::span<const double> columns,
                                const std::string& place) {
    try {
        if (experiment.challenge.empty()) {
            with_parameters(experiment, columns);  // throws for values out of bounds
            return {columns.begin(), columns.end()};
        }
        Experiment result = experiment;
        // A derived row is a function of the plain ones, so it comes after all of them.
        for (const bool derived : {false, true}) {
            for (std::size_t i = 0; i < columns.size(); ++i) {
                const ChallengeColumn& column = experiment.challenge[i];
                if (parameter(column.parameter).derived != derived) continue;
                set_parameter(result, column.parameter, columns[i] / column.scale);
            }
        }
        std::vector<double> unknowns;
        for (const PriorRange& range : experiment.prior) {
            unknowns.push_back(parameter(range.name).get(result));
        }
        return unknowns;
    } catch (const std::invalid_argument& error) {
        throw InputError(fmt::format("{}: {}", place, error.what()));
    }
}

/// A column that is missing would leave an unknown at the experiment's own value.
void require_columns_for_unknowns(const Experiment& experiment, const std::string& path) {
    if (experiment.challenge.empty()) return;
    for (const PriorRange& range : experiment.prior) {
        const bool found = std::any_of(
            experiment.challenge.begin(), experiment.challenge.end(), [&](const auto& column) {
                return plain_row(column.parameter) == plain_row(range.name);
            });
        if (!found) {
            throw InputError(fmt::format("{}: no column of experiment {} tells {}", path,
                                         experiment.name, range.name));
        }
    }
}

}  // namespace

std::vector<double> challenge_values(const Experiment& experiment,
                                     std::span<const double> unknowns) {
    const Experiment drawn = with_parameters(experiment, unknowns);
    if (experiment.challenge.empty()) return {unknowns.begin(), unknowns.end()};
    std::vector<double> values;
    for (const ChallengeColumn& column : experiment.challenge) {
        values.push_back(parameter(column.parameter).get(drawn) * column.scale);
    }
    return values;
}

namespace {

/// Args: piece_from: the curves from an index on; they stay until the next are asked for.
void write_files(const Experiment& experiment, std::size_t count,
                 const std::function<const Dataset&(std::size_t first)>& piece_from,
                 const std::string& path, const std::string& experiment_toml) {
    make_folder(path);
    std::vector<std::string> paths;
    for (const char* name : {"echos_r.txt", "echos_i.txt", "mat_info.txt", "experiment.toml"}) {
        paths.push_back((std::filesystem::path(path) / name).string());
        remove_unfinished(paths.back());
    }
    if (experiment_toml.empty()) paths.pop_back();
    const std::size_t k = experiment.prior.size();
    const auto points = sample_count(experiment);
    write_whole_files(paths, [&](const std::vector<std::string>& names) {
        errno = 0;
        std::deque<TableFile> files;
        for (std::size_t i = 0; i < paths.size(); ++i) files.emplace_back(paths[i], names[i]);
        for (std::size_t done = 0; done < count;) {
            const Dataset& piece = piece_from(done);
            const std::size_t held = piece.count();
            if (held == 0 || held > count - done || piece.points() != points ||
                piece.parameters.size() != held * k) {
                throw std::invalid_argument(fmt::format(
                    "a data set of {} curves must have {} parameters for mat_info.txt, got {}",
                    held, held * k, piece.parameters.size()));
            }
            for (std::size_t i = 0; i < held; ++i) {
                const auto curve = std::span(piece.signal).subspan(2 * i * points, 2 * points);
                files[0].line(curve.first(points), 9);  // 9 digits hold every float
                files[1].line(curve.last(points), 9);
                const auto unknowns = std::span(piece.parameters).subspan(i * k, k);
                files[2].line(challenge_values(experiment, unknowns), 12);
            }
            done += held;
        }
        if (!experiment_toml.empty()) files[3].text(experiment_toml);
        for (TableFile& file : files) file.close();
    });
}

}  // namespace

void write_challenge(const Experiment& experiment, std::size_t count, const DatasetPieces& pieces,
                     const std::string& path, const std::string& experiment_toml) {
    Dataset held;
    write_files(
        experiment, count,
        [&](std::size_t first) -> const Dataset& { return held = pieces(first); }, path,
        experiment_toml);
}

void write_challenge(const Dataset& dataset, const Experiment& experiment, const std::string& path,
                     const std::string& experiment_toml) {
    const std::size_t values = dataset.count() * experiment.prior.size();
    if (dataset.parameters.size() != values) {
        throw std::invalid_argument(
            fmt::format("a data set of {} curves must have {} parameters for mat_info.txt, got {}",
                        dataset.count(), values, dataset.parameters.size()));
    }
    write_files(
        experiment, dataset.count(), [&](std::size_t) -> const Dataset& { return dataset; }, path,
        experiment_toml);
}

Dataset read_challenge(const std::string& path, const Experiment& experiment) {
    const std::filesystem::path folder(path);
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) {
        throw InputError(
            fmt::format("{}: expected a folder with echos_r.txt and echos_i.txt", path));
    }
    Dataset dataset;
    dataset.unknowns = experiment.prior;
    dataset.time_us = acquisition_times_us(experiment);
    dataset.experiment_toml = experiment_to_toml(experiment);
    const std::size_t points = dataset.points();
    const std::string imaginary_path = (folder / "echos_i.txt").string();
    const auto any = [](std::span<const float>, const std::string&) {};
    const auto real = read_rows<float>((folder / "echos_r.txt").string(), points, any);
    const auto imaginary = read_rows<float>(imaginary_path, points, any);
    const std::size_t count = real.size() / points;
    if (imaginary.size() != real.size()) {
        throw InputError(fmt::format("{}: expected {} lines, as echos_r.txt has, found {}",
                                     imaginary_path, count, imaginary.size() / points));
    }
    if (count == 0) throw InputError(fmt::format("{}: expected curves, found none", path));
    dataset.signal.resize(2 * real.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto from = static_cast<std::ptrdiff_t>(i * points);
        const auto length = static_cast<std::ptrdiff_t>(points);
        const auto to = dataset.signal.begin() + 2 * from;
        std::copy_n(real.begin() + from, length, to);
        std::copy_n(imaginary.begin() + from, length, to + length);
    }

    const std::string info_path = (folder / "mat_info.txt").string();
    if (!std::filesystem::exists(info_path, error)) return dataset;
    require_columns_for_unknowns(experiment, info_path);
    const std::size_t columns =
        experiment.challenge.empty() ? experiment.prior.size() : experiment.challenge.size();
    const auto take = [&](std::span<const double> line, const std::string& place) {
        const std::vector<double> unknowns = unknowns_of(experiment, line, place);
        dataset.parameters.insert(dataset.parameters.end(), unknowns.begin(), unknowns.end());
    };
    const std::size_t lines =
        read_rows<double>(info_path, columns, take).size() / std::max<std::size_t>(columns, 1);
    if (lines != count) {
        throw InputError(fmt::format("{}: expected {} lines, as echos_r.txt has, found {}",
                                     info_path, count, lines));
    }
    return dataset;
}

}  // namespace nmrsim
