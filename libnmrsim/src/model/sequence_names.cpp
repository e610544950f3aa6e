#include "model/sequence_names.h"

#include <cmath>
#include <deque>
#include <mutex>

namespace nmrsim {

namespace {

constexpr double kMost = 1e9;

/// A row with the texts that it points to.
struct KeptRow {
    SequenceName name;
    Parameter row;
};

/// Rows outlive the experiments that had them: a report names them long after.
struct Rows {
    std::mutex mutex;
    std::deque<KeptRow> kept;  ///< the latest of a name last
};

Rows& rows() {
    static Rows all;
    return all;
}

KeptRow* find(std::deque<KeptRow>& kept, std::string_view name) {
    for (auto row = kept.rbegin(); row != kept.rend(); ++row) {
        if (row->name.name == name) return &*row;
    }
    return nullptr;
}

}  // namespace

void add_row(const SequenceName& name) {
    Rows& all = rows();
    const std::lock_guard lock(all.mutex);
    const KeptRow* known = find(all.kept, name.name);
    if (known && known->name.unit == name.unit) return;
    KeptRow& added = all.kept.emplace_back();
    added.name = name;
    added.row = {added.name.name.c_str(),
                 "sequence",
                 added.name.name.c_str(),
                 added.name.unit.c_str(),
                 -kMost,
                 kMost,
                 "a name of the sequence",
                 nullptr,
                 nullptr,
                 nullptr,
                 false};
}

const Parameter* find_row(std::string_view name) {
    Rows& all = rows();
    const std::lock_guard lock(all.mutex);
    const KeptRow* known = find(all.kept, name);
    return known ? &known->row : nullptr;
}

void set_windows(Acquisition& acquisition, std::vector<AcquisitionWindow> windows) {
    acquisition.windows = std::move(windows);
    if (acquisition.windows.empty()) return;
    acquisition.points = 0;
    for (const AcquisitionWindow& window : acquisition.windows) acquisition.points += window.points;
}

double added_phase(double phase_deg, double change_deg) {
    return change_deg == 0.0 ? phase_deg : std::remainder(phase_deg + change_deg, 360.0);
}

}  // namespace nmrsim
