#include "nmrsim/random.h"

#include <Random123/philox.h>

#include <cmath>

#include "nmrsim/units.h"

namespace nmrsim {

CounterRandom::CounterRandom(std::uint64_t seed, std::uint64_t index, RandomStream stream)
    : counter_{0, static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(index),
               static_cast<std::uint32_t>(index >> 32)},
      key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      block_{0, 0} {}

void CounterRandom::refill() {
    const r123::Philox4x32::ctr_type counter = {
        {counter_[0], counter_[1], counter_[2], counter_[3]}};
    const r123::Philox4x32::key_type key = {{key_[0], key_[1]}};
    const r123::Philox4x32::ctr_type out = r123::Philox4x32()(counter, key);
    block_[0] = out[0] | (static_cast<std::uint64_t>(out[1]) << 32);
    block_[1] = out[2] | (static_cast<std::uint64_t>(out[3]) << 32);
    left_ = 2;
    ++counter_[0];
}

std::uint64_t CounterRandom::bits() {
    if (left_ == 0) refill();
    return block_[2 - left_--];
}

double CounterRandom::uniform() {
    // 52 bits and a half: with 53 the largest value would round to 1.
    return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52;
}

double CounterRandom::normal() {
    if (has_spare_) {
        has_spare_ = false;
        return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    const double angle = kTwoPi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
}

}  // namespace nmrsim
