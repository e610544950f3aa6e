#include "nmrinverse/curve_figures.h"

#include <fmt/format.h>

#include <cmath>

#include "nmrsim/series.h"

namespace nmrinverse {
namespace {

std::vector<double> magnitude(const nmrsim::Signal& signal) {
    std::vector<double> m(signal.points());
    for (std::size_t i = 0; i < signal.points(); ++i) {
        m[i] = std::hypot(signal.mx[i], signal.my[i]);
    }
    return m;
}

}  // namespace

Figure curve_figure(const std::string& title, const nmrsim::Signal& signal) {
    Figure figure;
    figure.title = title;
    figure.x_label = "time (us)";
    figure.y_label = "magnetization";
    figure.series = {{"|M|", signal.time_us, magnitude(signal), {}},
                     {"Mx", signal.time_us, signal.mx, {}},
                     {"My", signal.time_us, signal.my, {}},
                     {"Mz", signal.time_us, signal.mz, {}}};
    figure.width = 800;
    figure.height = 450;
    return figure;
}

Figure curve_figure(const nmrsim::Experiment& experiment, const nmrsim::Signal& signal) {
    Figure figure = curve_figure(experiment.name, signal);
    if (experiment.series.empty()) return figure;
    figure.y_label = "|M|";
    figure.series.clear();
    const std::vector<nmrsim::Experiment> records = nmrsim::series_records(experiment);
    for (std::size_t r = 0; r < records.size(); ++r) {
        const nmrsim::Signal record = nmrsim::record_of(signal, records, r);
        figure.series.push_back(
            {fmt::format("record {}", r + 1), record.time_us, magnitude(record), {}});
    }
    return figure;
}

Figure sweep_figure(const std::string& title, const nmrsim::SweepRange& range,
                    const std::vector<nmrsim::Signal>& curves) {
    Figure figure;
    figure.title = title;
    figure.x_label = "time (us)";
    figure.y_label = "|M|";
    for (std::size_t i = 0; i < curves.size(); ++i) {
        figure.series.push_back({fmt::format("{}={:.6g}", range.parameter, range.values[i]),
                                 curves[i].time_us,
                                 magnitude(curves[i]),
                                 {}});
    }
    figure.width = 800;
    figure.height = 450;
    return figure;
}

}  // namespace nmrinverse
