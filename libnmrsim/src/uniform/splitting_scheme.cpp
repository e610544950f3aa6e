#include "uniform/splitting_scheme.h"

namespace nmrsim {
namespace {

constexpr double kStrangCoupling[] = {0.5, 0.5};
constexpr double kStrangOffset[] = {1.0};

constexpr double kA4[] = {0.0792036964311957, 0.353172906049774, -0.0420650803577195};
constexpr double kA4Middle = 1.0 - 2.0 * (kA4[0] + kA4[1] + kA4[2]);
constexpr double kB4[] = {0.209515106613362, -0.143851773179818};
constexpr double kB4Middle = 0.5 - (kB4[0] + kB4[1]);
constexpr double kCoupling4[] = {kA4[0], kA4[1], kA4[2], kA4Middle, kA4[2], kA4[1], kA4[0]};
constexpr double kOffset4[] = {kB4[0], kB4[1], kB4Middle, kB4Middle, kB4[1], kB4[0]};

constexpr double kA6[] = {0.0502627644003922, 0.413514300428344, 0.0450798897943977,
                          -0.188054853819569, 0.541960678450780};
constexpr double kA6Middle = 1.0 - 2.0 * (kA6[0] + kA6[1] + kA6[2] + kA6[3] + kA6[4]);
constexpr double kB6[] = {0.148816447901042, -0.132385865767784, 0.067307604692185,
                          0.432666402578175};
constexpr double kB6Middle = 0.5 - (kB6[0] + kB6[1] + kB6[2] + kB6[3]);
constexpr double kCoupling6[] = {kA6[0], kA6[1], kA6[2], kA6[3], kA6[4], kA6Middle,
                                 kA6[4], kA6[3], kA6[2], kA6[1], kA6[0]};
constexpr double kOffset6[] = {kB6[0],    kB6[1], kB6[2], kB6[3], kB6Middle,
                               kB6Middle, kB6[3], kB6[2], kB6[1], kB6[0]};

}  // namespace

const SplittingScheme& strang_scheme() {
    static const SplittingScheme scheme{"Strang", 2, kStrangCoupling, kStrangOffset, 0.1, 0.5};
    return scheme;
}

const SplittingScheme& blanes_moan_4() {
    static const SplittingScheme scheme{"Blanes-Moan S6", 4, kCoupling4, kOffset4, 4e-4, 0.055};
    return scheme;
}

const SplittingScheme& blanes_moan_6() {
    static const SplittingScheme scheme{"Blanes-Moan S10", 6, kCoupling6, kOffset6, 2.5e-4, 6e-3};
    return scheme;
}

}  // namespace nmrsim
