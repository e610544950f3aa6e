/// Matched filters: curves of draws of the prior, and where in records each fits best.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <complex>
#include <span>
#include <utility>
#include <vector>

#include "nmrinverse/measured_echo.h"
#include "nmrinverse/measured_record.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// From the second attempt on so many times more draws of the prior, and looks of the network.
inline constexpr int kMoreDraws = 4;

/// A window may lie so many clock ranges outside a record.
inline constexpr double kOutside = 2.0;

/// A draw with the shift and the factor that fit it best.
struct Candidate {
    std::vector<double> parameters;
    double shift_us = 0.0;
    std::complex<double> factor = 1.0;
    double explained = 0.0;  ///< share of the energy of the records there
};

class EchoBank {
public:
    /// Args: covered: the records cover the experiment's windows where it is looked for; otherwise
    /// these may reach beyond them.
    EchoBank(const nmrsim::Experiment& experiment, const EchoOptions& options, bool covered);

    std::size_t records() const { return sparse_times_.size(); }

    /// Of a record's noise, at samples this far apart.
    static double sigma(const MeasuredRecord& record, double spacing_us) {
        return record.noise.white() * std::sqrt(record.spacing_us() / spacing_us);
    }

    /// Draws of the prior, (count, unknowns); more of them from the second attempt on.
    std::vector<double> drawn(int attempt) const;

    /// Draws about the best candidates, nearer in each round, (count, unknowns).
    std::vector<double> about(std::span<const Candidate> best, int round, int attempt) const;

    /// The best lag and factor of each draw: those that explain the largest share of what the
    /// records hold there, however much that is.
    std::vector<Candidate> matched(std::span<const double> draws,
                                   std::span<const MeasuredRecord> records) const;
    std::vector<Candidate> matched_first(std::span<const MeasuredRecord> records) const {
        return matched(first_filters_, first_draws_, records);
    }

    /// The draws that fit best if they may turn evenly besides, best first: alpha_z does little
    /// else (nmrsim/alpha_z_aliases.h), so that a draw need only have the other unknowns right.
    /// None where there is no such symmetry or the receiver's phase is known.
    std::vector<Candidate> turned(int attempt, std::span<const MeasuredRecord> records) const;

    double range_us(std::span<const MeasuredRecord> records) const;  ///< clock_range_us(), the most

private:
    /// A record at the sparse spacing: sample i lies where the window's first one has the lag
    /// `first` + i.
    struct Sparse {
        Eigen::Index first = 0;
        Eigen::VectorXcf y;    ///< 0 where no sample counts
        Eigen::VectorXf live;  ///< 1 where they count, 0 elsewhere; empty: all do

        Eigen::Index past() const { return first + y.size(); }
    };

    /// Sums over the rows of each record that meet it at a lag.
    struct Sums {
        std::vector<std::complex<double>> first;  ///< (records)
        std::vector<double> second;
    };
    /// What the records hold at one lag.
    struct Place {
        Eigen::Index lag = 0;
        Sums window;
        std::vector<double> rows;  ///< (records) that meet it
        double energy = 0.0;
        bool whole = true;  ///< all rows of the filters meet it
    };
    /// What a product of filters and windows says once a constant is taken out of both.
    struct Centred {
        std::complex<double> product;
        double filter = 0.0;  ///< energies
        double window = 0.0;
    };

    Eigen::MatrixXcf simulated(std::span<const double> draws) const;
    /// What the records hold at each lag, (rows, lags): 0 where there is nothing.
    Eigen::MatrixXcf windows_of(const std::vector<Sparse>& sparse,
                                const std::vector<Eigen::Index>& lags) const;
    /// The records with a clock that is `base_us` late.
    std::vector<Sparse> at_spacing(std::span<const MeasuredRecord> measured, double base_us) const;
    /// Lags at which the windows lie in the records, or outside by less than is allowed.
    std::vector<Eigen::Index> lags(const std::vector<Sparse>& sparse, double outside_us) const;
    /// The rows of record r's filter that meet the record at a lag.
    std::pair<Eigen::Index, Eigen::Index> met(const Sparse& sparse, std::size_t r,
                                              Eigen::Index lag) const;
    Sums sums_of(const Eigen::Ref<const Eigen::VectorXcf>& column,
                 const std::vector<Sparse>& sparse, Eigen::Index lag) const;
    /// Each record's mean taken out, where its offset is not known.
    Centred centred(std::complex<double> product, const Sums& filter, const Sums& window,
                    const std::vector<double>& rows) const;
    Place place_at(const Eigen::VectorXcf& window, const std::vector<Sparse>& sparse,
                   Eigen::Index lag) const;
    std::vector<Candidate> matched(const Eigen::MatrixXcf& filters, std::span<const double> draws,
                                   std::span<const MeasuredRecord> records) const;

    EchoOptions options_;
    bool covered_;
    nmrsim::Experiment sparse_;  ///< at few times, the same spacing in all records
    std::vector<std::vector<double>> sparse_times_;  ///< (records)
    std::vector<Eigen::Index> first_row_;            ///< (records + 1): of a filter
    double spacing_us_ = 0.0;
    std::vector<double> first_draws_;  ///< (bank, unknowns)
    Eigen::MatrixXcf first_filters_;   ///< (rows, bank)
};

}  // namespace nmrinverse
