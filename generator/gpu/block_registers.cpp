#include "generator/gpu/block_registers.h"
#include "generator/gpu/enclosing_lets.h"
#include "generator/gpu/integer_value.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <vector>

namespace attune {

using namespace Halide;
using namespace Halide::Internal;

namespace {

[[noreturn]] void fail(const std::string &allocation, const std::string &what) {
    throw internal_error("registers of " + allocation, what);
}

/// An access's elements: base, base + stride, … of `lanes` lanes.
struct Lanes {
    Expr base;
    int lanes = 1;
    int64_t stride = 0;
};
Lanes lanes_of(const std::string &name, const Expr &index) {
    const Ramp *ramp = index.as<Ramp>();
    if (!ramp) {
        if (index.type().lanes() != 1)
            fail(name, "a gather");
        return {index};
    }
    const auto stride = as_const_int(ramp->stride);
    if (!stride)
        fail(name, "a stride that is no constant");
    return {ramp->base, ramp->lanes, *stride};
}

class VariableNames : public IRVisitor {
public:
    std::set<std::string> names;

private:
    using IRVisitor::visit;
    void visit(const Variable *op) override { names.insert(op->name); }
};

/// The threads of a block: the loops and their extents.
class ThreadLoops : public IRVisitor {
public:
    std::map<std::string, int64_t> extents;

private:
    using IRVisitor::visit;
    void visit(const For *op) override {
        if (op->for_type == ForType::GPUThread || op->for_type == ForType::GPULane) {
            const auto extent = as_const_int(op->extent);
            if (!extent)
                fail(op->name, "threads whose number is no constant");
            extents[op->name] = *extent;
        }
        IRVisitor::visit(op);
    }
};

/// What is known of one allocation.
struct Owned {
    std::vector<std::optional<int64_t>> thread_part;  ///< T of each thread that takes part
    std::map<int64_t, int> slots;                     ///< r -> register
    int64_t last_replica = 0;                         ///< of thread 0
};

/// A kernel's registers: Accesses collects them on its first walk and looks them up on its second.
class Kernel {
public:
    Kernel(const Stmt &body, const std::map<std::string, int> &replicated) : replicated_(replicated) {
        ThreadLoops loops;
        body.accept(&loops);
        threads_ = {{}};
        for (const auto &[name, extent] : loops.extents) {
            std::vector<std::map<std::string, int64_t>> more;
            for (const auto &ids : threads_)
                for (int64_t id = 0; id < extent; id++) {
                    more.push_back(ids);
                    more.back()[name] = id;
                }
            threads_ = std::move(more);
        }
    }

    std::map<std::string, Owned> owned;

    /// The element of each thread.
    const std::vector<int64_t> &elements(const std::string &name, const Expr &base) {
        std::ostringstream text;
        text << name << ' ' << base;
        auto [known, is_new] = elements_.try_emplace(text.str());
        if (is_new)
            known->second = evaluated(name, base);
        return known->second;
    }
    /// Element r of the one dimension that is kept.
    int64_t folded(const std::string &name, int64_t element) const {
        const int inner = inner_extent(name);
        return inner ? element % inner : element;
    }
    int64_t replica(const std::string &name, int64_t element) const {
        const int inner = inner_extent(name);
        return inner ? element / inner : 0;
    }
    /// An access by the threads for which the conditions around it hold.
    void collect(const std::string &name, const Lanes &access, const std::vector<Expr> &conditions) {
        const std::vector<int64_t> &all = elements(name, access.base);
        Owned &o = owned[name];
        o.last_replica = std::max(o.last_replica, replica(name, all[0]));
        o.thread_part.resize(all.size());
        const int64_t first = folded(name, all[0]);
        for (size_t thread = 0; thread < all.size(); thread++) {
            if (!is_active(thread, conditions))
                continue;
            const int64_t part = folded(name, all[thread]) - first;
            if (o.thread_part[thread].value_or(part) != part)
                fail(name, "threads that read each other's elements");
            o.thread_part[thread] = part;
        }
        for (int lane = 0; lane < access.lanes; lane++)
            o.slots[folded(name, first + lane * access.stride)] = 0;
    }
    void number_slots() {
        for (auto &[name, o] : owned) {
            int next = 0;
            for (auto &[r, slot] : o.slots)
                slot = next++;
            std::set<int64_t> seen;
            for (const std::optional<int64_t> &t : o.thread_part)
                for (const auto &[r, slot] : o.slots)
                    if (t && !inner_extent(name) && !seen.insert(*t + r).second)
                        fail(name, "two threads that own one element");
        }
    }
    Expr index(const std::string &name, const Lanes &access) {
        const std::map<int64_t, int> &slots = owned.at(name).slots;
        const int64_t first = folded(name, elements(name, access.base)[0]);
        auto slot = [&](int lane) { return slots.at(folded(name, first + lane * access.stride)); };
        if (access.lanes == 1)
            return slot(0);
        const int step = slot(1) - slot(0);
        for (int lane = 2; lane < access.lanes; lane++)
            if (slot(lane) != slot(0) + lane * step)
                fail(name, "a vector whose registers are not in a row");
        return step == 0 ? Broadcast::make(slot(0), access.lanes) : Ramp::make(slot(0), step, access.lanes);
    }

private:
    /// No condition on its ids alone keeps the thread out. The first is never kept out: conditions are "id below some number".
    bool is_active(size_t thread, const std::vector<Expr> &conditions) const {
        return std::all_of(conditions.begin(), conditions.end(),
                           [&](const Expr &c) { return integer_value(c, threads_[thread]).value_or(1) != 0; });
    }
    int inner_extent(const std::string &name) const {
        for (const auto &[prefix, extent] : replicated_)
            if (name.compare(0, prefix.size() + 1, prefix + ".") == 0)
                return extent;
        return 0;
    }
    /// Block ids, counters and parameters must not matter; index arithmetic is affine, with divisions by tile sizes, so a few values show it.
    std::vector<int64_t> evaluated(const std::string &name, const Expr &base) const {
        VariableNames variables;
        base.accept(&variables);
        std::vector<int64_t> all;
        for (const auto &ids : threads_) {
            std::set<int64_t> values;
            for (const int64_t other : {0, 1, 2, 5, 1023}) {
                std::map<std::string, int64_t> at = ids;
                int64_t step = 1;
                for (const std::string &variable : variables.names) {
                    if (at.try_emplace(variable, other * step).second)
                        step += 2;
                }
                const auto value = integer_value(base, at);
                if (!value)
                    fail(name, "an index that is more than integer arithmetic");
                values.insert(*value);
            }
            if (values.size() != 1) {
                std::ostringstream text;
                text << "an index that depends on more than the thread: " << base;
                fail(name, text.str());
            }
            all.push_back(*values.begin());
        }
        return all;
    }

    const std::map<std::string, int> &replicated_;
    std::vector<std::map<std::string, int64_t>> threads_;
    std::map<std::string, std::vector<int64_t>> elements_;
};

/// Walks a kernel's accesses of block-level registers, with what encloses them put in place of names.
class Accesses : public EnclosingLets {
public:
    explicit Accesses(Kernel &kernel, bool collecting) : kernel_(kernel), collecting_(collecting) {}

private:
    using EnclosingLets::visit;

    Lanes access(const std::string &name, const Expr &index) const { return lanes_of(name, simplify(expanded(index))); }

    Stmt visit(const For *op) override {
        const bool threads = op->for_type == ForType::GPUThread || op->for_type == ForType::GPULane;
        thread_depth_ += threads;
        const Stmt result = EnclosingLets::visit(op);
        thread_depth_ -= threads;
        return result;
    }
    Stmt visit(const IfThenElse *op) override {
        const Expr condition = mutate(op->condition);
        conditions_.push_back(simplify(expanded(op->condition)));
        const Stmt then_case = mutate(op->then_case);
        conditions_.back() = !conditions_.back();
        const Stmt else_case = op->else_case.defined() ? mutate(op->else_case) : Stmt();
        conditions_.pop_back();
        return IfThenElse::make(condition, then_case, else_case);
    }
    Stmt visit(const Allocate *op) override {
        if (op->memory_type != MemoryType::Register || thread_depth_ > 0)
            return EnclosingLets::visit(op);
        candidates_.insert(op->name);
        const Stmt body = mutate(op->body);
        candidates_.erase(op->name);
        const int size = collecting_ ? 1 : static_cast<int>(kernel_.owned.at(op->name).slots.size());
        return Allocate::make(op->name, op->type, op->memory_type, {size}, op->condition, body);
    }
    Expr visit(const Load *op) override {
        if (!candidates_.contains(op->name))
            return EnclosingLets::visit(op);
        const Lanes lanes = access(op->name, op->index);
        if (collecting_) {
            kernel_.collect(op->name, lanes, conditions_);
            return op;
        }
        return Load::make(op->type, op->name, kernel_.index(op->name, lanes), op->image, op->param, mutate(op->predicate),
                          ModulusRemainder());
    }
    Stmt visit(const Store *op) override {
        if (!candidates_.contains(op->name))
            return EnclosingLets::visit(op);
        const Lanes lanes = access(op->name, op->index);
        const Expr value = mutate(op->value);
        if (collecting_) {
            kernel_.collect(op->name, lanes, conditions_);
            return op;
        }
        if (kernel_.replica(op->name, kernel_.elements(op->name, lanes.base)[0]) != kernel_.owned.at(op->name).last_replica)
            return Evaluate::make(0);
        return Store::make(op->name, value, kernel_.index(op->name, lanes), op->param, mutate(op->predicate), ModulusRemainder());
    }

    Kernel &kernel_;
    const bool collecting_;
    std::vector<Expr> conditions_;
    std::set<std::string> candidates_;
    int thread_depth_ = 0;
};

class KeepInRegisters : public IRMutator {
public:
    explicit KeepInRegisters(std::map<std::string, int> replicated) : replicated_(std::move(replicated)) {}

private:
    using IRMutator::visit;
    Stmt visit(const For *op) override {
        if (op->for_type != ForType::GPUBlock)
            return IRMutator::visit(op);
        Kernel kernel(op, replicated_);
        Accesses(kernel, true).mutate(op->body);
        kernel.number_slots();
        const Stmt body = Accesses(kernel, false).mutate(op->body);
        return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api, body);
    }

    const std::map<std::string, int> replicated_;
};

}  // namespace

void keep_in_registers(Pipeline &pipeline, const std::map<std::string, int> &replicated) {
    pipeline.add_custom_lowering_pass(new KeepInRegisters(replicated));
}

}  // namespace attune
