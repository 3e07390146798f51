#include "generator/backend/kept_sums.h"

#include "generator/algorithm/machine_operations.h"
#include "generator/backend/tile_contractions.h"

#include <algorithm>
#include <set>
#include <vector>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;
using namespace contraction;

/// Contractions of a statement, and the buffers that something else reads or writes.
class Uses : public IRVisitor {
public:
    explicit Uses(const Stmt &s) { s.accept(this); }

    std::vector<const Call *> contractions;
    bool touches(const std::string &buffer) const { return touched_.count(buffer) > 0; }

private:
    using IRVisitor::visit;
    void visit(const Evaluate *op) override {
        if (const Call *call = contraction_of(op))
            contractions.push_back(call);
        else
            IRVisitor::visit(op);
    }
    void visit(const Load *op) override {
        touched_.insert(op->name);
        IRVisitor::visit(op);
    }
    void visit(const Store *op) override {
        touched_.insert(op->name);
        IRVisitor::visit(op);
    }

    std::set<std::string> touched_;
};

/// A contraction, and the first tile of its sums.
struct Kept {
    const Call *call;
    int first;
};

/// Contractions add to tiles.
class Add : public IRMutator {
public:
    explicit Add(const std::vector<Kept> &kept) : kept_(kept) {}

private:
    using IRMutator::visit;
    Stmt visit(const Evaluate *op) override {
        const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept &kept) { return kept.call == contraction_of(op); });
        return found == kept_.end() ? op : kept_sums(*found->call, KeptSums::add, found->first);
    }
    const std::vector<Kept> &kept_;
};

class Keep : public IRMutator {
    using IRMutator::visit;

    static bool adds(const Call &call) {
        return is_const_zero(call.args[from_zero]) && is_const_one(call.args[parts]) && as_const_int(call.args[steps]) &&
               as_const_int(call.args[c_offset]) && as_const_int(call.args[c_stride]);
    }

    Stmt visit(const For *op) override {
        const Uses inside(op->body);
        std::vector<Kept> kept;
        int tiles = 0;
        for (const Call *call : inside.contractions) {
            if (!adds(*call) || inside.touches(call->args[c].as<Variable>()->name))
                return IRMutator::visit(op);
            kept.push_back({call, tiles});
            tiles += tiles_of_sums(*call);
        }
        if (op->for_type != ForType::Serial || tiles == 0 || tiles > most_kept_tiles)
            return IRMutator::visit(op);
        std::vector<Stmt> begin, end;
        for (const auto &[call, first] : kept) {
            begin.push_back(kept_sums(*call, KeptSums::begin, first));
            end.push_back(kept_sums(*call, KeptSums::end, first));
        }
        const Stmt body = Add(kept).mutate(op->body);
        const Stmt loop = For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api, body);
        return Block::make({Block::make(begin), loop, Block::make(end)});
    }
};

}  // namespace

void keep_sums_in_tiles(Halide::Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new Keep);
}

}  // namespace attune
