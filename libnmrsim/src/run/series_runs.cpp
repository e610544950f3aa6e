#include "run/series_runs.h"

namespace nmrsim {

void append(const Signal& record, Signal& series) {
    const auto add = [](const std::vector<double>& from, std::vector<double>& to) {
        to.insert(to.end(), from.begin(), from.end());
    };
    add(record.time_us, series.time_us);
    add(record.mx, series.mx);
    add(record.my, series.my);
    add(record.mz, series.mz);
    series.estimated_error = std::max(series.estimated_error, record.estimated_error);
}

void RecordPlace::put(std::span<const float> record, std::span<float> series) const {
    for (std::size_t row = 0; row * points < record.size(); ++row) {
        std::copy_n(&record[row * points], points, &series[row * all + first]);
    }
}

}  // namespace nmrsim
