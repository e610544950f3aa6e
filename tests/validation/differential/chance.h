/// Chance that is the same on every machine and with every standard library.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

namespace differential {

class Chance {
public:
    Chance(std::uint64_t seed, std::uint64_t index) {
        // All 128 bits count.
        std::seed_seq words = {
            static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
            static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32)};
        engine_.seed(words);
    }

    double uniform(double low, double high) {
        return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
    }
    /// Its logarithm is uniform; 0 < low.
    double scaled(double low, double high) {
        return std::exp(uniform(std::log(low), std::log(high)));
    }
    int whole(int low, int high) {
        return low + static_cast<int>(uniform(0.0, 1.0) * (high - low + 1));
    }
    bool with(double probability) { return uniform(0.0, 1.0) < probability; }
    double sign() { return with(0.5) ? 1.0 : -1.0; }
    template <class T>
    T one_of(std::initializer_list<T> list) {
        return list.begin()[whole(0, static_cast<int>(list.size()) - 1)];
    }
    std::uint64_t bits() { return engine_(); }

private:
    std::mt19937_64 engine_;
};

}  // namespace differential
