#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace attune::autotune {

/// Part `index` of `count`, from 1: "2/3". Any scheduler can hand out the parts; each part knows its jobs without the others.
struct Shard {
    size_t index = 1, count = 1;
};
/// Throws Error(usage) unless the text is i/n with 1 <= i <= n.
Shard parse_shard(const std::string &text);

/// Every count-th job, from the index-th: parts differ by one job at most, and together are the list.
template <class Job>
std::vector<Job> jobs_of(const std::vector<Job> &jobs, Shard shard) {
    std::vector<Job> mine;
    for (size_t i = shard.index - 1; i < jobs.size(); i += shard.count)
        mine.push_back(jobs[i]);
    return mine;
}

}  // namespace attune::autotune
