#include "model/sequence_formula.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/time_units.h"

namespace nmrsim {

namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Of a unit: the micro sign has no ASCII.
bool is_unit_letter(char c) {
    return is_letter(c) || static_cast<unsigned char>(c) >= 0x80;
}

class Formula {
public:
    Formula(std::string_view text, const std::vector<NamedQuantity>& names)
        : text_(text), names_(names) {}

    FormulaValue value() {
        std::optional<Quantity> whole = sum();
        if (at_ < text_.size() || (whole && !std::isfinite(whole->value))) whole.reset();
        return {whole, unknown_};
    }

private:
    // Deeper than anyone means; each level calls itself.
    static constexpr int kDeepest = 32;

    bool take(char c) {
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    std::string_view run(bool (*belongs)(char)) {
        const std::size_t begin = at_;
        while (at_ < text_.size() && belongs(text_[at_])) ++at_;
        return text_.substr(begin, at_ - begin);
    }

    std::optional<Quantity> sum() {
        std::optional<Quantity> left = product();
        while (left) {
            const double sign = take('+') ? 1.0 : take('-') ? -1.0 : 0.0;
            if (sign == 0.0) break;
            const std::optional<Quantity> right = product();
            // A 0 may be one of anything.
            const auto is_zero = [](const Quantity& q) { return q.value == 0.0 && !q.named; };
            if (!right || (right->time != left->time && !is_zero(*left) && !is_zero(*right))) {
                return {};
            }
            left = Quantity{left->value + sign * right->value,
                            is_zero(*left) ? right->time : left->time,
                            left->degrees || right->degrees, left->named || right->named};
        }
        return left;
    }

    std::optional<Quantity> product() {
        std::optional<Quantity> left = factor();
        while (left) {
            const bool times = take('*');
            if (!times && !take('/')) break;
            const std::optional<Quantity> right = factor();
            if (!right) return {};
            left->value = times ? left->value * right->value : left->value / right->value;
            left->time += times ? right->time : -right->time;
            left->degrees = left->degrees || right->degrees;
            left->named = left->named || right->named;
        }
        return left;
    }

    std::optional<Quantity> factor() {
        if (++depth_ > kDeepest) return {};
        std::optional<Quantity> result;
        if (take('-')) {
            result = factor();
            if (result) result->value = -result->value;
        } else if (take('+')) {
            result = factor();
        } else if (take('(')) {
            result = sum();
            if (result && !take(')')) result.reset();
        } else if (at_ < text_.size() && is_letter(text_[at_])) {
            result = name();
        } else {
            result = number();
        }
        --depth_;
        return result;
    }

    std::optional<Quantity> name() {
        const std::string_view word = run([](char c) { return is_letter(c) || is_digit(c); });
        const auto found = std::find_if(names_.begin(), names_.end(),
                                        [&](const NamedQuantity& one) { return one.name == word; });
        if (found == names_.end()) {
            if (unknown_.empty()) unknown_ = word;
            return {};
        }
        Quantity result = found->quantity;
        result.named = true;
        return result;
    }

    std::optional<Quantity> number() {
        Quantity result;
        const char* begin = text_.data() + at_;
        const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), result.value);
        if (error != std::errc() || !std::isfinite(result.value)) return {};
        at_ += static_cast<std::size_t>(end - begin);
        const std::string_view unit = run(is_unit_letter);
        if (unit.empty()) return result;
        if (unit == "deg") {
            result.degrees = true;
            return result;
        }
        const TimeUnit* time = find_time_unit(unit);
        if (!time) return {};
        result.value = result.value * time->factor / time->divisor;
        result.time = 1;
        return result;
    }

    std::string_view text_;
    const std::vector<NamedQuantity>& names_;
    std::size_t at_ = 0;
    int depth_ = 0;
    std::string_view unknown_;
};

}  // namespace

FormulaValue formula_value(std::string_view text, const std::vector<NamedQuantity>& names) {
    return Formula(text, names).value();
}

bool is_name(std::string_view text) {
    return !text.empty() && is_letter(text.front()) && text.front() != '_' &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_letter(c) || is_digit(c); });
}

}  // namespace nmrsim
