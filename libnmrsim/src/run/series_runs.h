/// Records of a series run one by one, their samples put together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "nmrsim/series.h"
#include "nmrsim/stop.h"

namespace nmrsim {

/// The curve of a series: each record's samples after the one's before; the largest of their
/// estimated errors.
void append(const Signal& record, Signal& series);

/// A record among those of a batch.
struct RecordPlace {
    std::size_t first = 0;   ///< of its samples in a curve
    std::size_t points = 0;  ///< of its samples
    std::size_t all = 0;     ///< samples of a curve

    /// Copies rows of a record, (rows, 2, points), into those of the series, (rows, 2, all).
    void put(std::span<const float> record, std::span<float> series) const;
};

/// Calls run(record, place) for each record. Returns: whether all runs returned true.
template <class Run>
bool for_each_record(const Experiment& experiment, const Run& run) {
    const std::vector<Experiment> records = series_records(experiment);
    RecordPlace place;
    for (const Experiment& record : records) place.all += sample_count(record);
    for (std::size_t r = 0; r < records.size(); ++r) {
        place.points = sample_count(records[r]);
        if (!run(records[r], r, place)) return false;
        place.first += place.points;
    }
    return true;
}

}  // namespace nmrsim
