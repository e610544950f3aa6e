/// What is unknown, and in which range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nmrsim/random.h"

namespace nmrsim {

struct Experiment;

/// One unknown; `name` is a row of the parameter table.
///
/// Real-valued: uniform in [low, high]. Categorical, with `choices`: each equally likely, and the
/// value is the index of the choice plus 1/2, with low = 0 and high = the number of choices, so
/// that (value - low) / (high - low) is the middle of the choice's cell of the unit interval.
struct PriorRange {
    std::string name;
    double low = 0.0;
    double high = 1.0;
    std::vector<std::string> choices = {};  ///< empty for a real-valued unknown

    bool categorical() const { return !choices.empty(); }
};

using Prior = std::vector<PriorRange>;

/// A categorical unknown with its range: categorical_unknown("kernel", names).
PriorRange categorical_unknown(std::string name, std::vector<std::string> choices);

/// Index of the choice that `value` of a categorical unknown stands for; a value outside
/// [low, high] is the choice at that end.
std::size_t choice_of(const PriorRange& range, double value);

/// The value that stands for choice `index`: index + 1/2.
double choice_value(std::size_t index);

/// The prior's categorical unknown, of which there is at most one; nullptr where there is none.
const PriorRange* find_categorical(const Prior& prior);

/// The unknowns' names, (unknowns).
std::vector<std::string> names_of(const Prior& prior);

/// Throws std::invalid_argument for an unknown name, a name given twice, a range that is empty or
/// outside the parameter's bounds, or choices that are unknown, given twice or fewer than two. The
/// uniform kernel is no choice beside others: it needs no lattice, and its curves no draw.
void validate_prior(const Prior& prior);

/// Draw `index` of the prior with `seed`, a function of these two and `stream` alone; (unknowns) in
/// the prior's order.
std::vector<double> draw_parameters(const Prior& prior, std::uint64_t seed, std::uint64_t index,
                                    RandomStream stream = RandomStream::parameters);

/// Draws first_index ... first_index + count - 1, (count, unknowns).
std::vector<double> draw_many(const Prior& prior, std::size_t count, std::uint64_t seed,
                              std::uint64_t first_index = 0);

/// `experiment` with the unknowns of its prior set to `values`, (unknowns) in the prior's order.
///
/// A kernel among them is set first, as other_kernel() says: it keeps xi, which the other kernels
/// share, and has the default of what else the experiment's own kernel lacks. Unknowns that do not
/// apply to the kernel drawn (the exponent of a gaussian) are passed over: a curve tells nothing of
/// them, so that their posterior is their prior.
Experiment with_parameters(const Experiment& experiment, std::span<const double> values);

/// Whether an unknown applies to the experiment or, where the kernel is unknown, to one of its
/// choices. Throws: std::invalid_argument for a name that is no row.
bool applies_to_draws(const Experiment& experiment, std::string_view name);

}  // namespace nmrsim
