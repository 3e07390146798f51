#include "generator/backend/running_sums.h"

#include <optional>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;

/// The first element of a dense vector or a scalar; undefined for others.
Expr first_element(const Expr &index) {
    const auto *ramp = index.as<Ramp>();
    if (!ramp)
        return index.type().is_scalar() ? index : Expr();
    return is_const_one(ramp->stride) ? ramp->base : Expr();
}

int lanes_of(const Expr &index) {
    return index.type().lanes();
}

/// What a loop adds up.
struct Summation {
    std::string terms, sums;
    int width = 0;
};

/// `for x: { sums[r] += terms[x * width + r]; … }` for all elements r of sums.
std::optional<Summation> summation_of(const For *loop) {
    Summation found;
    std::vector<const Store *> stores;
    for (Stmt rest = loop->body; rest.defined();) {
        const auto *block = rest.as<Block>();
        const auto *store = (block ? block->first : rest).as<Store>();
        if (!store)
            return {};
        stores.push_back(store);
        found.width += lanes_of(store->index);
        rest = block ? block->rest : Stmt();
    }
    const Expr x = Variable::make(Halide::Int(32), loop->name);
    for (const Store *store : stores) {
        const auto *add = store->value.as<Add>();
        const auto *sum = add ? add->a.as<Load>() : nullptr, *term = add ? add->b.as<Load>() : nullptr;
        if (!sum || !term || sum->name != store->name || !equal(sum->index, store->index))
            return {};
        const Expr to = first_element(store->index), from = first_element(term->index);
        if (!to.defined() || !from.defined() || !is_const_zero(simplify(from - x * found.width - to)))
            return {};
        if (!found.sums.empty() && (found.sums != store->name || found.terms != term->name))
            return {};
        found.sums = store->name;
        found.terms = term->name;
    }
    return found;
}

class Find : public IRVisitor {
public:
    explicit Find(std::string terms) : terms_(std::move(terms)) {}

    /// All that reads the terms.
    std::optional<Summation> found() const { return found_ && loads_ == lanes_ ? found_ : std::nullopt; }

private:
    using IRVisitor::visit;
    void visit(const For *op) override {
        const auto summation = summation_of(op);
        if (summation && summation->terms == terms_) {
            found_ = summation;
            lanes_ += summation->width;
        }
        IRVisitor::visit(op);
    }
    void visit(const Load *op) override {
        if (op->name == terms_)
            loads_ += op->type.lanes();
        IRVisitor::visit(op);
    }

    std::string terms_;
    std::optional<Summation> found_;
    int loads_ = 0, lanes_ = 0;
};

/// Inside the allocation of the terms, which becomes that of the sums.
class SumOnTheWay : public IRMutator {
public:
    SumOnTheWay(Summation summation, Halide::Type type) : s_(std::move(summation)), type_(type) {}

private:
    using IRMutator::visit;

    class Stores : public IRVisitor {
    public:
        explicit Stores(std::string name) : name_(std::move(name)) {}
        bool found = false;

    private:
        using IRVisitor::visit;
        void visit(const Store *op) override {
            found |= op->name == name_;
            IRVisitor::visit(op);
        }
        std::string name_;
    };
    bool stores_terms(const Stmt &s) const {
        Stores stores(s_.terms);
        s.accept(&stores);
        return stores.found;
    }

    Stmt zeros() const {
        const Expr index = Ramp::make(0, 1, s_.width);
        return Store::make(s_.terms, make_zero(type_.with_lanes(s_.width)), index, Halide::Parameter(), const_true(s_.width),
                           ModulusRemainder());
    }

    Stmt visit(const ProducerConsumer *op) override {
        if (op->is_producer && op->name == s_.sums)
            return Evaluate::make(0);
        if (op->is_producer && stores_terms(op->body))
            return ProducerConsumer::make(op->name, true, Block::make(zeros(), mutate(op->body)));
        return IRMutator::visit(op);
    }
    Stmt visit(const Store *op) override {
        if (op->name != s_.terms)
            return IRMutator::visit(op);
        const int lanes = lanes_of(op->index);
        Expr element = simplify(first_element(op->index) % s_.width);
        const Expr index = lanes > 1 ? Ramp::make(element, 1, lanes) : element;
        const Expr sum =
            Load::make(op->value.type(), s_.terms, index, Halide::Buffer<>(), Halide::Parameter(), const_true(lanes), ModulusRemainder());
        // Of the whole term: LLVM would add up what it is made of in another order, and each loop in its own.
        const Expr next = Call::make(op->value.type(), Call::strict_add, {sum, mutate(op->value)}, Call::PureIntrinsic);
        return Store::make(s_.terms, next, index, op->param, op->predicate, ModulusRemainder());
    }
    Expr visit(const Load *op) override {
        if (op->name != s_.sums)
            return IRMutator::visit(op);
        return Load::make(op->type, s_.terms, mutate(op->index), op->image, op->param, op->predicate, op->alignment);
    }
    Stmt visit(const Allocate *op) override { return op->name == s_.sums ? mutate(op->body) : IRMutator::visit(op); }
    Stmt visit(const Free *op) override {
        if (op->name == s_.terms)
            return Evaluate::make(0);
        return op->name == s_.sums ? Free::make(s_.terms) : Stmt(op);
    }

    Summation s_;
    Halide::Type type_;
};

class Pass : public IRMutator {
    using IRMutator::visit;
    Stmt visit(const Allocate *op) override {
        Find find(op->name);
        op->body.accept(&find);
        const auto found = find.found();
        if (!found)
            return IRMutator::visit(op);
        const Stmt body = SumOnTheWay(*found, op->type).mutate(op->body);
        return Allocate::make(op->name, op->type, Halide::MemoryType::Stack, {found->width}, op->condition, body);
    }
};

}  // namespace

void take_running_sums(Halide::Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new Pass);
}

}  // namespace attune
