#include "generator/cli/check_shape.h"

#include "generator/cli/problem.h"
#include "generator/cli/run_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attune::cli {

int64_t ring_slots(const AttentionSpec &spec, const Shape &shape) {
    return spec.cache.layout == KvLayout::ring ? std::max<int64_t>(shape.seq_len_kv * 2 / 3, 1) : 0;
}

Shares check_shape(const LoadedKernel &kernel, const Shape &shape, InputKind kind, uint64_t seed, const CallParams &params) {
    const AttentionSpec &spec = kernel.plan().spec;
    const Problem problem(spec, shape, kind, seed, params, ring_slots(spec, shape));
    const bool with_pairs = spec.pairs_output != PairsOutput::none;
    KernelCall call(kernel, problem.call(), 0, {.lse = spec.lse, .pairs = with_pairs});
    call.run();
    const std::vector<float> lse = spec.lse ? std::vector<float>(call.lse(), call.lse() + call.rows()) : std::vector<float>();
    const Precision precision = precision_of(spec.types(), kernel.plan().rounds_weights);
    const ReferenceResult expected = reference_attention(problem.reference);
    Shares shares{error_share(problem.reference, expected, decode(call.output(), spec.dtype), lse, precision)};
    if (with_pairs)
        shares.pairs = pairs_share(expected, decode(call.pairs(), spec.dtype), precision);
    return shares;
}

double finite(double x) {
    return std::isfinite(x) ? x : std::numeric_limits<double>::max();
}
double Shares::worst() const {
    return std::max({finite(output), finite(lse), finite(pairs)});
}

}  // namespace attune::cli
