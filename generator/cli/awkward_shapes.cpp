#include "generator/cli/awkward_shapes.h"

#include "generator/cli/schedule_text.h"

namespace attune::cli {

std::vector<AwkwardShape> awkward_shapes(const KernelPlan &plan) {
    const int64_t group = plan.spec.group > 0 ? plan.spec.group : 3;
    const int64_t vector = plan.target ? plan.target->vector : 32, block_q = parameter(plan, "block_q", 64), block_kv = parameter(plan, "block_kv", 64);
    const auto row = [&](int64_t batch, int64_t num_kv_heads, int64_t seq_len_q, int64_t seq_len_kv, const char *reason) {
        return AwkwardShape{{batch, num_kv_heads * group, num_kv_heads, seq_len_q, seq_len_kv}, reason};
    };
    std::vector<AwkwardShape> shapes = {
        row(1, 1, 1, 1, "one pair"),
        row(1, 2, 1, 37, "one query; keys are no multiple of a vector"),
        row(2, 1, 4, 0, "no key: output 0, lse -inf"),
        row(2, 1, 0, 5, "no query"),
        row(0, 1, 5, 5, "no sequence"),
        row(1, 1, 9, 4, "more queries than keys: causal hides rows"),
    };
    const auto add = [&](const std::vector<AwkwardShape> &more) { shapes.insert(shapes.end(), more.begin(), more.end()); };
    if (plan.spec.decode) {
        const int64_t chunk = parameter(plan, "split_kv", 512);
        add({row(1, 1, 1, chunk, "exactly one chunk"), row(2, 1, 2, chunk + 1, "one over a chunk"),
             row(1, 2, 3, 4 * chunk - 1, "parts of several chunks"), row(2, 2, 16, 2 * chunk + 5, "the most rows")});
        if (const int64_t page = plan.spec.cache.page_size; page > 0)
            add({row(2, 1, 1, page, "exactly one page"), row(2, 1, 2, page + 1, "one over a page")});
        return shapes;
    }
    add({
        row(1, 1, vector - 1, vector + 1, "either side of a vector"),
        row(2, 2, 37, 53, "tails both ways, several heads and sequences"),
        row(1, 1, block_q, block_kv, "exactly one block"),
        row(1, 1, block_q + 1, block_kv + 1, "one over a block"),
        row(1, 1, block_q - 1, 2 * block_kv - 1, "one under a block"),
        row(1, 1, 2 * block_q + 5, 2 * block_q + 5, "several blocks, square: the diagonal crosses blocks"),
        row(1, 2, 100, 300, "cross-attention: fewer queries than keys"),
        row(1, 1, 300, 100, "cross-attention: more queries than keys"),
        row(1, 1, 3, 4099, "a long row: sums in two levels"),
        row(3, 3, 65, 65, "three sequences, three key/value heads"),
    });
    if (plan.spec.group == 0) {
        shapes.push_back({{1, 4, 4, 33, 33}, "a ratio of 1 at run time"});
        shapes.push_back({{1, 7, 1, 33, 33}, "a ratio of 7 at run time"});
    }
    return shapes;
}

}  // namespace attune::cli
