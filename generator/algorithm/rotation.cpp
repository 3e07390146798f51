#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

/// The element that element d is turned with; itself where it is not turned.
static Expr partner(const RopeSpec &rope, const Expr &d) {
    const int half = rope.dims / 2;
    const Expr other = rope.style == RopeSpec::Style::half ? select(d < half, d + half, d - half) : d + 1 - d % 2 * 2;
    return select(d < rope.dims, other, d);
}

Expr rotated(const AttentionTask &task, const Expr &d, const Expr &position, const std::function<Expr(Expr)> &element) {
    const RopeSpec &rope = task.spec.rope;
    const Expr plain = cast<float>(element(d));
    if (rope.style == RopeSpec::Style::none)
        return plain;
    const Expr other = unsafe_promise_clamped(partner(rope, d), 0, task.spec.head_dim - 1);
    const ImageParam &rotation = task.args.rotation;
    return plain * rotation(d, 0, position) + cast<float>(element(other)) * rotation(d, 1, position);
}

}  // namespace attune
