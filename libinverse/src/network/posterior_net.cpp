#include "network/posterior_net.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "network/calibrated_anchors.h"

namespace nmrinverse {
namespace {

// Standard deviations are kept between these, in unit-box coordinates: the prior's own is 0.29.
constexpr double kLogSdLow = -9.0;
constexpr double kLogSdHigh = -0.5;

// Unknowns enter the densities of those after them as multiples of the standard deviation, none
// larger than this.
constexpr double kFarthest = 8.0;
// Numbers that each of them enters as.
constexpr int kNumbersBefore = 2;

Anchor of_unknown(const Anchor& anchors, int k) {
    return {anchors.mean.select(-1, k), anchors.sd.select(-1, k),
            anchors.levels.defined() ? anchors.levels.select(-2, k) : torch::Tensor()};
}

Anchor of_member(const Anchor& anchors, std::int64_t member) {
    return {anchors.mean[member], anchors.sd[member],
            anchors.levels.defined() ? anchors.levels[member] : torch::Tensor()};
}

NetworkAnswer member_of(const NetworkAnswer& answer, std::int64_t member) {
    return {answer.embedding[member], answer.mean[member], answer.log_sd[member],
            answer.marginals[member], answer.noise_position};
}

}  // namespace

NetworkAnswer NetworkAnswer::slice(std::int64_t begin, std::int64_t end) const {
    return {embedding.slice(1, begin, end), mean.slice(1, begin, end), log_sd.slice(1, begin, end),
            marginals.slice(1, begin, end),
            noise_position.defined() ? noise_position.slice(0, begin, end) : torch::Tensor()};
}

NetworkAnswer NetworkAnswer::repeated(std::int64_t times) const {
    return {
        embedding.repeat_interleave(times, 1), mean.repeat_interleave(times, 1),
        log_sd.repeat_interleave(times, 1), marginals.repeat_interleave(times, 1),
        noise_position.defined() ? noise_position.repeat_interleave(times, 0) : torch::Tensor()};
}

MemberNet::MemberNet(const NetworkOptions& options)
    : options_(options),
      embedding_(options.inputs, options.width, options.hidden, options.blocks,
                 options.convolutions, options.gates),
      estimate_(options.width, 2 * options.unknowns),
      marginals_(options.width, options.unknowns * options.density_parameters()) {
    for (int k = 1; k < options.unknowns; ++k) {
        before_.emplace_back(options.width + kNumbersBefore * k, options.joint);
        free_.emplace_back(options.joint, options.density_parameters());
    }
    // Starts at the prior's mean and, roughly, its standard deviation.
    torch::NoGradGuard no_grad;
    estimate_.weight.zero_();
    estimate_.bias.fill_(0.5);
    estimate_.bias.slice(0, options.unknowns).fill_(-1.2);
    marginals_.clear();
    for (Linear& layer : free_) layer.clear();
}

void MemberNet::name(const std::string& prefix, NamedWeights& weights) const {
    embedding_.name(prefix + ".embedding", weights);
    estimate_.name(prefix + ".estimate", weights);
    marginals_.name(prefix + ".marginals", weights);
    for (std::size_t k = 0; k < before_.size(); ++k) {
        before_[k].name(fmt::format("{}.before{}", prefix, k + 1), weights);
        free_[k].name(fmt::format("{}.free{}", prefix, k + 1), weights);
    }
}

NetworkAnswer MemberNet::operator()(const torch::Tensor& inputs) const {
    NetworkAnswer answer;
    answer.embedding = embedding_(inputs);
    const torch::Tensor estimate = estimate_(answer.embedding);
    answer.mean = estimate.slice(1, 0, options_.unknowns);
    answer.log_sd = estimate.slice(1, options_.unknowns).clamp(kLogSdLow, kLogSdHigh);
    answer.marginals =
        marginals_(answer.embedding)
            .reshape({inputs.size(0), options_.unknowns, options_.density_parameters()});
    return answer;
}

torch::Tensor MemberNet::conditional(const NetworkAnswer& answer,
                                     const torch::Tensor& before) const {
    const std::int64_t k = before.size(1);
    const torch::Tensor off = ((before - answer.mean.detach().slice(1, 0, k)) *
                               torch::exp(-answer.log_sd.detach().slice(1, 0, k)))
                                  .clamp(-kFarthest, kFarthest);
    const auto layer = static_cast<std::size_t>(k - 1);
    // Answers are kept on the CPU, wherever the layers are.
    const torch::Tensor inputs =
        torch::cat({answer.embedding, off, 2.0 * before - 1.0}, 1).to(free_[layer].weight.device());
    return free_[layer](torch::silu(before_[layer](inputs))).to(before.device());
}

PosteriorNet::PosteriorNet(const NetworkOptions& options) : options_(options) {
    options_.validate();
    for (int m = 0; m < options_.members; ++m) {
        members_.emplace_back(options_);
    }
}

NamedWeights PosteriorNet::weights() const {
    NamedWeights weights;
    for (std::size_t m = 0; m < members_.size(); ++m) {
        members_[m].name(fmt::format("member{}", m), weights);
    }
    return weights;
}

void PosteriorNet::to(const torch::Device& device) {
    for (auto& [name, weight] : weights()) weight.set_data(weight.to(device));
}

NetworkAnswer PosteriorNet::operator()(const torch::Tensor& inputs) const {
    std::vector<torch::Tensor> embedding, mean, log_sd, marginals;
    for (const MemberNet& member : members_) {
        const NetworkAnswer answer = member(inputs);
        embedding.push_back(answer.embedding);
        mean.push_back(answer.mean);
        log_sd.push_back(answer.log_sd);
        marginals.push_back(answer.marginals);
    }
    return {torch::stack(embedding), torch::stack(mean), torch::stack(log_sd),
            torch::stack(marginals)};
}

DensityValue PosteriorNet::density_of(int unknown, const torch::Tensor& free, const Anchor& anchor,
                                      const torch::Tensor& u) const {
    const int choices = options_.choices[static_cast<std::size_t>(unknown)];
    if (choices > 0) return cells_at(free.slice(-1, 0, choices), u);
    const torch::Tensor own = free.slice(-1, 0, options_.head.parameters());
    if (!anchor.levels.defined()) return density_at(options_.head, own, anchor, u);
    const auto wide = [](const torch::Tensor& tensor) { return tensor.to(torch::kFloat64); };
    const DensityValue value =
        bent(density_at(options_.head, wide(own), {wide(anchor.mean), wide(anchor.sd)}, wide(u)),
             anchor.levels);
    return {value.cumulative.to(u.scalar_type()), value.log_density.to(u.scalar_type())};
}

torch::Tensor PosteriorNet::quantile_of(int unknown, const torch::Tensor& free,
                                        const Anchor& anchor, const torch::Tensor& level) const {
    const int choices = options_.choices[static_cast<std::size_t>(unknown)];
    if (choices > 0) return cells_quantile(free.slice(-1, 0, choices), level);
    return density_quantile(options_.head, free.slice(-1, 0, options_.head.parameters()), anchor,
                            anchor.levels.defined() ? unbent(level, anchor.levels) : level);
}

JointDensity PosteriorNet::marginals_about(const Anchor& anchors, const NetworkAnswer& answer,
                                           const torch::Tensor& u) const {
    std::vector<torch::Tensor> density, cumulative;
    const std::int64_t members = answer.mean.size(0);
    for (int k = 0; k < options_.unknowns; ++k) {
        const DensityValue value =
            density_of(k, answer.marginals.select(2, k), of_unknown(anchors, k),
                       u.select(-1, k).unsqueeze(0).expand({members, u.size(0)}));
        density.push_back(value.log_density);
        cumulative.push_back(value.cumulative);
    }
    return {torch::stack(density, -1), torch::stack(cumulative, -1), {}};
}

JointDensity PosteriorNet::marginal_densities(const NetworkAnswer& answer,
                                              const Calibration& calibration,
                                              const torch::Tensor& u) const {
    return marginals_about(anchors_of(answer, calibration), answer, u);
}

JointDensity PosteriorNet::densities(const NetworkAnswer& answer, const Calibration& calibration,
                                     const torch::Tensor& u) const {
    const Anchor anchors = anchors_of(answer, calibration);
    JointDensity result = marginals_about(anchors, answer, u);
    std::vector<torch::Tensor> members;
    for (std::size_t m = 0; m < members_.size(); ++m) {
        const auto index = static_cast<std::int64_t>(m);
        const NetworkAnswer own = member_of(answer, index);
        const Anchor own_anchors = of_member(anchors, index);
        std::vector<torch::Tensor> each{result.marginal[index].select(-1, 0)};
        for (int k = 1; k < options_.unknowns; ++k) {
            const torch::Tensor free = members_[m].conditional(own, u.slice(1, 0, k));
            each.push_back(
                density_of(k, free, of_unknown(own_anchors, k), u.select(1, k)).log_density);
        }
        members.push_back(torch::stack(each, -1));
    }
    result.conditional = torch::stack(members);
    return result;
}

torch::Tensor PosteriorNet::marginal_quantiles(const NetworkAnswer& answer,
                                               const Calibration& calibration,
                                               const torch::Tensor& levels) const {
    torch::NoGradGuard no_grad;
    const std::int64_t members = answer.mean.size(0);
    const std::int64_t n = answer.mean.size(1);
    const std::int64_t m = levels.size(0);
    const Anchor anchors = anchors_of(answer, calibration);
    const torch::Tensor level = levels.to(torch::kFloat64).to(answer.mean.device());
    const bool plain = std::all_of(options_.choices.begin(), options_.choices.end(),
                                   [](int choices) { return choices == 0; });
    if (members == 1 && plain) {  // all unknowns at once
        return quantile_of(0, answer.marginals[0], of_member(anchors, 0),
                           level.expand({n, options_.unknowns, m}));
    }
    std::vector<torch::Tensor> each;
    for (int k = 0; k < options_.unknowns; ++k) {
        const torch::Tensor free = answer.marginals.select(2, k);
        const Anchor anchor = of_unknown(anchors, k);
        if (members == 1) {
            const torch::Tensor wide = level.expand({1, n, m});
            each.push_back(quantile_of(k, free, anchor, wide)[0]);
            continue;
        }
        const torch::Tensor wide =
            free.to(torch::kFloat64).unsqueeze(2).expand({members, n, m, free.size(2)});
        const Anchor wide_anchor{
            anchor.mean.to(torch::kFloat64).unsqueeze(2).expand({members, n, m}),
            anchor.sd.to(torch::kFloat64).unsqueeze(2).expand({members, n, m}),
            anchor.levels.defined() ? anchor.levels.unsqueeze(2).expand(
                                          {members, n, m, UnknownCalibration::kLevelKnots})
                                    : torch::Tensor()};
        each.push_back(bisected(
            [&](const torch::Tensor& u) {
                return density_of(k, wide, wide_anchor, u.unsqueeze(0).expand({members, n, m}))
                    .cumulative.mean(0);
            },
            level.expand({n, m})));
    }
    return torch::stack(each, 1);
}

torch::Tensor PosteriorNet::draw(const NetworkAnswer& answer, const Calibration& calibration,
                                 const torch::Tensor& uniform) const {
    torch::NoGradGuard no_grad;
    const std::int64_t unknowns = options_.unknowns;
    const auto member_count = static_cast<double>(members_.size());
    const torch::Tensor picked =
        (uniform.select(1, unknowns) * member_count).floor().clamp(0.0, member_count - 1.0);
    torch::Tensor draws =
        torch::empty({uniform.size(0), unknowns},
                     torch::TensorOptions(torch::kFloat64).device(uniform.device()));
    for (std::size_t m = 0; m < members_.size(); ++m) {
        const torch::Tensor rows = (picked == static_cast<double>(m)).nonzero().squeeze(1);
        if (rows.size(0) == 0) continue;
        NetworkAnswer own = member_of(answer, static_cast<std::int64_t>(m));
        own = {own.embedding.index_select(0, rows), own.mean.index_select(0, rows),
               own.log_sd.index_select(0, rows), own.marginals.index_select(0, rows),
               own.noise_position.defined() ? own.noise_position.index_select(0, rows)
                                            : torch::Tensor()};
        const Anchor anchors = anchors_of(own, calibration);
        const torch::Tensor levels = uniform.index_select(0, rows);
        std::vector<torch::Tensor> known;
        for (int k = 0; k < options_.unknowns; ++k) {
            const torch::Tensor free =
                k == 0 ? own.marginals.select(1, 0)
                       : members_[m].conditional(
                             own, torch::stack(known, 1).to(own.embedding.scalar_type()));
            const int choices = options_.choices[static_cast<std::size_t>(k)];
            const torch::Tensor level = levels.select(1, k).unsqueeze(1);
            torch::Tensor value = quantile_of(k, free, of_unknown(anchors, k), level);
            if (choices > 0) {  // the middle of its cell
                value = (value * choices).floor().clamp(0, choices - 1).add(0.5) / choices;
            }
            known.push_back(value.squeeze(1));
        }
        draws.index_copy_(0, rows, torch::stack(known, 1));
    }
    return draws;
}

torch::Tensor PosteriorNet::probabilities(const NetworkAnswer& answer, int unknown) const {
    const int choices = options_.choices[static_cast<std::size_t>(unknown)];
    return torch::softmax(answer.marginals.select(2, unknown).slice(-1, 0, choices), -1).mean(0);
}

Anchor combined(const NetworkAnswer& members) {
    const torch::Tensor variance = (2.0 * members.log_sd).exp();
    if (members.mean.size(0) == 1) return {members.mean[0], variance[0].sqrt()};
    const torch::Tensor mean = members.mean.mean(0);
    return {mean, ((members.mean - mean).square().mean(0) + variance.mean(0)).sqrt()};
}

}  // namespace nmrinverse
