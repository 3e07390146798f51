#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

namespace attune {

namespace {

template <class Parameters>
std::string changed_parameter(const KernelPlan &a, const KernelPlan &b, const std::vector<ScheduleParameter<Parameters>> &declared) {
    for (size_t i = 0; i < declared.size(); i++)
        if (declared[i].row_bits == RowBits::changed && a.parameters[i].second != b.parameters[i].second)
            return fmt::format("{} is {} and {}", declared[i].name, a.parameters[i].second, b.parameters[i].second);
    return "";
}

/// A task of whole groups of heads that are whole strips: else strips begin at other rows where block_q is another, and what a strip sees of a
/// chunk, all or some of it, decides how its rows are summed.
std::string unaligned_strips(const KernelPlan &plan) {
    const attune_kernel_variant sizes = planned_sizes(plan);
    return sizes.block_q * sizes.fold % sizes.strip_rows == 0
               ? ""
               : fmt::format("block_q holds {} positions of {} heads, which are no whole strips of {} rows", sizes.block_q, sizes.fold,
                             sizes.strip_rows);
}

}  // namespace

std::string parameters_text(const KernelPlan &plan) {
    std::string text;
    for (const auto &[name, value] : plan.parameters)
        text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
    return text;
}

std::string difference_in_bits(const KernelPlan &a, const KernelPlan &b) {
    if (a.schedule != b.schedule)
        return fmt::format("the family is {} and {}", a.schedule, b.schedule);
    if (a.spec.decode)
        return changed_parameter(a, b, cpu_split_parameters());
    const bool keys_in_lanes = has_keys_in_lanes(a.spec, *a.target);
    const std::string changed =
        keys_in_lanes ? changed_parameter(a, b, cpu_key_lanes_parameters()) : changed_parameter(a, b, cpu_parameters());
    if (!changed.empty())
        return changed;
    if (planned_sizes(a).block_q == planned_sizes(b).block_q)
        return "";
    // LLVM fuses other products with sums where there are other numbers of strips, which the last bit shows: on avx2 those of the online algorithm's
    // rescaling (head_dim 20, block_q 96), with AVX-512 of full rows and of the exact kernel behind a fixed reference too.
    constexpr int lanes_of_avx512 = 16;
    const bool is_online = softmax_algorithm(a.spec) == Algorithm::online;
    if (is_online || a.target->vector == lanes_of_avx512)
        return fmt::format("block_q is {} and {} with {}", planned_sizes(a).block_q, planned_sizes(b).block_q,
                           is_online ? std::string("algorithm online") : fmt::format("target {}", a.target->name));
    const std::string unaligned = unaligned_strips(a);
    return unaligned.empty() ? unaligned_strips(b) : unaligned;
}

std::vector<KernelPlan> plan_schedules(const AttentionSpec &spec, const CpuTarget &target, const ScheduleParameters &overrides,
                                       const std::vector<ScheduleRule> &rules) {
    std::vector<KernelPlan> plans;
    for (const ScheduleRule &rule : rules) {
        for (const KernelPlan &earlier : plans)
            if (earlier.calls.covers(rule.calls))
                throw Error(
                    {.argument = "a schedule's calls",
                     .value = rule.calls.text(),
                     .expected = "calls that no rule before it takes",
                     .cure = "write the narrower rule first",
                     .problem = fmt::format("the schedule \"{}\" is never taken after \"{}\"", rule.calls.text(), earlier.calls.text())});
        if (rule.calls.is_any())
            throw Error({.argument = "a schedule's calls",
                         .value = "any",
                         .expected = "a bound of seq_len_q or seq_len_kv, as the schedule for all other calls stands last",
                         .cure = "give most_seq_len_q or most_seq_len_kv"});
        plans.push_back(plan_kernel(spec, target, rule.parameters));
        plans.back().calls = rule.calls;
    }
    plans.push_back(plan_kernel(spec, target, overrides));
    return plans;
}

}  // namespace attune
