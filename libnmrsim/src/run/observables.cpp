#include "nmrsim/observables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include "model/acquisition.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/series.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

using Complex = std::complex<double>;

/// One window's samples.
struct Piece {
    std::size_t record = 0, window = 0;
    const Experiment* experiment = nullptr;
    std::size_t pulses = 0;  ///< before it
    std::vector<double> time_us;
    std::vector<Complex> m;
};

/// Args: records: of the experiment.
std::vector<Piece> pieces_of(const std::vector<Experiment>& records, const Signal& signal) {
    std::size_t count = 0;
    for (const Experiment& record : records) count += sample_count(record);
    if (signal.points() != count) {
        throw std::invalid_argument(
            fmt::format("the signal has {} samples, the experiment {}", signal.points(), count));
    }
    std::vector<Piece> pieces;
    std::size_t k = 0;
    for (std::size_t r = 0; r < records.size(); ++r) {
        const std::vector<AcquisitionWindow> windows = windows_of(records[r].acquisition);
        for (std::size_t w = 0; w < windows.size(); ++w) {
            Piece piece{r, w, &records[r], windows[w].pulses, {}, {}};
            for (int i = 0; i < windows[w].points; ++i, ++k) {
                piece.time_us.push_back(signal.time_us[k]);
                piece.m.emplace_back(signal.mx[k], signal.my[k]);
            }
            pieces.push_back(std::move(piece));
        }
    }
    return pieces;
}

/// Weights of the trapezoidal rule [us].
std::vector<double> weights(const std::vector<double>& time_us) {
    const std::size_t n = time_us.size();
    std::vector<double> weight(n, n == 1 ? 1.0 : 0.0);
    for (std::size_t i = 0; i + 1 < n; ++i) {
        const double half = 0.5 * (time_us[i + 1] - time_us[i]);
        weight[i] += half;
        weight[i + 1] += half;
    }
    return weight;
}

/// Where the phases of a piece count from.
double centre_us(const Piece& piece) {
    const Sequence& sequence = piece.experiment->sequence;
    if (std::min(piece.pulses, pulse_count(sequence)) >= 2) {
        const double echo = echo_us(sequence, piece.pulses);
        if (echo >= piece.time_us.front() && echo <= piece.time_us.back()) return echo;
    }
    return piece.time_us.front();
}

Spectrum spectrum_of(const Piece& piece, const Apodisation& apodisation) {
    constexpr int kFinerThanResolved = 4;
    const std::size_t n = piece.time_us.size();
    if (n < 2) throw std::invalid_argument("a spectrum takes 2 samples or more of a window, got 1");
    Spectrum spectrum;
    spectrum.centre_us = centre_us(piece);
    std::vector<Complex> m = piece.m;
    const std::vector<double> weight = weights(piece.time_us);
    for (std::size_t i = 0; i < n; ++i) {
        const double time_ms = 1e-3 * (piece.time_us[i] - spectrum.centre_us);
        const double of_gaussian = kPi * apodisation.gaussian_khz * time_ms;
        m[i] *= weight[i] * std::exp(-kPi * apodisation.lorentzian_khz * std::abs(time_ms) -
                                     of_gaussian * of_gaussian / (4.0 * std::log(2.0)));
    }
    const double spacing_us =
        (piece.time_us.back() - piece.time_us.front()) / static_cast<double>(n - 1);
    const auto half = static_cast<long>(kFinerThanResolved * n / 2);
    const double step_khz = 1e3 / (kFinerThanResolved * static_cast<double>(n) * spacing_us);
    for (long f = -half; f < half; ++f) {
        const double frequency_khz = static_cast<double>(f) * step_khz;
        const auto phasor = [&](double time_us) {
            return std::polar(1.0, kTwoPi * 1e-3 * frequency_khz * time_us);
        };
        // Even samples: a product in place of each sine.
        Complex turn = phasor(piece.time_us.front() - spectrum.centre_us), sum = 0.0;
        const Complex step = phasor(spacing_us);
        for (std::size_t i = 0; i < n; ++i) {
            sum += m[i] * turn;
            turn *= step;
        }
        spectrum.frequency_khz.push_back(frequency_khz);
        spectrum.s.push_back(sum);
    }
    return spectrum;
}

/// The settings of which records have more than one value, and a text of each record's.
struct Differences {
    std::string header;               ///< "sequence.tau_us,"
    std::vector<std::string> values;  ///< (records) "20,"
};

Differences differences_of(const Experiment& experiment) {
    Differences result;
    result.values.resize(std::max<std::size_t>(1, experiment.series.size()));
    std::vector<std::string> keys;
    for (const SeriesRecord& record : experiment.series) {
        for (const auto& [key, value] : record.settings) {
            if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
        }
    }
    for (const std::string& key : keys) {
        std::vector<std::string> values;
        for (const SeriesRecord& record : experiment.series) {
            values.emplace_back();
            for (const auto& [name, value] : record.settings) {
                if (name != key) continue;
                values.back() = value;
                std::erase(values.back(), '"');
            }
        }
        if (std::count(values.begin(), values.end(), values.front()) ==
            static_cast<std::ptrdiff_t>(values.size())) {
            continue;
        }
        result.header += key + ",";
        for (std::size_t r = 0; r < values.size(); ++r) result.values[r] += values[r] + ",";
    }
    return result;
}

void validate(const Apodisation& apodisation) {
    for (const double width : {apodisation.lorentzian_khz, apodisation.gaussian_khz}) {
        if (!(width >= 0.0) || !std::isfinite(width)) {
            throw std::invalid_argument(
                fmt::format("apodisation must be finite and >= 0 kHz, got {}", width));
        }
    }
}

}  // namespace

std::vector<EchoIntegral> echo_integrals(const Experiment& experiment, const Signal& signal) {
    const std::vector<Experiment> records = series_records(experiment);
    std::vector<EchoIntegral> integrals;
    for (const Piece& piece : pieces_of(records, signal)) {
        EchoIntegral one{piece.record, piece.window,
                         0.5 * (piece.time_us.front() + piece.time_us.back()), 0.0};
        const std::vector<double> weight = weights(piece.time_us);
        for (std::size_t i = 0; i < weight.size(); ++i) one.integral += weight[i] * piece.m[i];
        integrals.push_back(one);
    }
    return integrals;
}

std::vector<Spectrum> spectra(const Experiment& experiment, const Signal& signal,
                              const Apodisation& apodisation) {
    validate(apodisation);
    const std::vector<Experiment> records = series_records(experiment);
    std::vector<Spectrum> result;
    for (const Piece& piece : pieces_of(records, signal)) {
        result.push_back(spectrum_of(piece, apodisation));
    }
    return result;
}

const std::vector<std::string>& observable_names() {
    static const std::vector<std::string> names = {"echo-integral", "spectrum", "decay"};
    return names;
}

std::string observable_to_csv(const std::string& name, const Experiment& experiment,
                              const Signal& signal, const Apodisation& apodisation) {
    const std::vector<std::string>& names = observable_names();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
        throw std::invalid_argument(fmt::format("observable must be one of {}, got {}{}",
                                                fmt::join(names, ", "), name,
                                                did_you_mean(name, names)));
    }
    const Differences own = differences_of(experiment);
    const std::vector<EchoIntegral> integrals = echo_integrals(experiment, signal);
    std::string text = own.header;
    const auto out = std::back_inserter(text);
    if (name != "spectrum") {
        const bool decay = name == "decay";
        text += decay ? "time_us,magnitude,relative\n" : "time_us,re,im,magnitude\n";
        const double first = std::abs(integrals.front().integral);
        for (const EchoIntegral& one : integrals) {
            const Complex m = one.integral;
            fmt::format_to(out, "{}{:.9g},", own.values[one.record], one.time_us);
            if (decay) {
                fmt::format_to(out, "{:.9g},{:.9g}\n", std::abs(m), std::abs(m) / first);
            } else {
                fmt::format_to(out, "{:.9g},{:.9g},{:.9g}\n", m.real(), m.imag(), std::abs(m));
            }
        }
        return text;
    }
    const std::vector<Spectrum> all = spectra(experiment, signal, apodisation);
    const bool several = std::any_of(integrals.begin(), integrals.end(),
                                     [](const EchoIntegral& one) { return one.window > 0; });
    text += several ? "time_us,frequency_khz,re,im,magnitude\n" : "frequency_khz,re,im,magnitude\n";
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::string lead = own.values[integrals[i].record];
        if (several) lead += fmt::format("{:.9g},", integrals[i].time_us);
        for (std::size_t f = 0; f < all[i].s.size(); ++f) {
            const Complex s = all[i].s[f];
            fmt::format_to(out, "{}{:.9g},{:.9g},{:.9g},{:.9g}\n", lead, all[i].frequency_khz[f],
                           s.real(), s.imag(), std::abs(s));
        }
    }
    return text;
}

}  // namespace nmrsim
