/// One item of a sequence's text, "pulse 90 x", word by word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/sequence_formula.h"
#include "nmrsim/experiment.h"

namespace nmrsim {

/// The four phases that have names: 0, 90, 180, 270 degrees.
inline constexpr const char* kPhaseNames[] = {"x", "y", "-x", "-y"};

/// Names of all items.
const std::vector<std::string>& item_names();

/// The words of one item, taken one by one; each Throws InputError that names the item.
class Item {
public:
    /// Args: names: that its formulas may have. checks: whether times are to be >= 0.
    Item(int number, std::vector<std::string_view> words, const std::vector<NamedQuantity>& names,
         bool checks)
        : number_(number), words_(std::move(words)), names_(names), checks_(checks) {}

    std::string_view keyword() const { return words_.front(); }
    bool has_more() const { return next_ < words_.size(); }
    bool has_names() const { return named_; }  ///< in the words taken so far

    [[noreturn]] void fail(const std::string& message) const;

    double angle(const char* name);
    double ratio(const char* name);
    double phase_deg(const char* name);
    double time_us(const char* name);  ///< [us]
    int count(const char* name);
    /// A whole `acquire`; `pulses` are before it.
    AcquisitionWindow window(std::size_t pulses);
    /// A whole `let`.
    NamedQuantity definition();

    void finish() const;

private:
    struct Expected {
        const char* format;  ///< with {} for the name
        const char* name;
        std::string text() const;
    };
    std::string_view take(const Expected& expected);
    [[noreturn]] void refuse(const Expected& expected, std::string_view found) const;
    Quantity quantity(const Expected& expected, std::string_view word);
    double plain(const Expected& expected);
    double time_of(const Expected& expected, std::string_view word);

    int number_;
    std::vector<std::string_view> words_;
    const std::vector<NamedQuantity>& names_;
    bool checks_;
    bool named_ = false;
    std::size_t next_ = 1;
};

}  // namespace nmrsim
