#include "generator/backend/tile_contractions.h"

#include "generator/algorithm/machine_operations.h"
#include "generator/spec/error.h"

#include <optional>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;

/// A loop nest around one store, with what was defined on the way put in.
struct Nest {
    std::vector<const For *> loops;  ///< outermost first
    const Store *store = nullptr;
    std::vector<std::pair<std::string, Expr>> lets;

    Expr inlined(Expr e) const {
        for (auto let = lets.rbegin(); let != lets.rend(); ++let)
            e = substitute(let->first, let->second, e);
        return simplify(e);
    }
};

Nest nest_of(Stmt s) {
    Nest nest;
    while (true) {
        if (const auto *let = s.as<LetStmt>()) {
            nest.lets.emplace_back(let->name, let->value);
            s = let->body;
        } else if (const auto *loop = s.as<For>()) {
            nest.loops.push_back(loop);
            s = loop->body;
        } else {
            nest.store = s.as<Store>();
            return nest;
        }
    }
}

/// An access as base + stride * loop variable + …; strides in elements.
struct Access {
    std::string buffer;
    Halide::Type type;
    Expr base;
    std::vector<Expr> strides;  ///< a loop each
};

Access access_of(const Nest &nest, const std::string &buffer, const Halide::Type &type, const Expr &index) {
    Access access{buffer, type, nest.inlined(index), {}};
    for (const For *loop : nest.loops) {
        const Expr next = substitute(loop->name, Variable::make(Halide::Int(32), loop->name) + 1, access.base);
        access.strides.push_back(simplify(next - access.base));
        access.base = simplify(substitute(loop->name, loop->min, access.base));
    }
    return access;
}

/// The stride of loop `along`; the others, but for one of 1 or the unused ones, must be as a matrix has them.
Expr row_stride(const Access &access, size_t along, size_t dense, size_t unused) {
    if (!is_const_one(access.strides[dense]) || !is_const_zero(access.strides[unused]))
        throw internal_error("tile contraction", access.buffer + " is no matrix of dense rows");
    return simplify(access.strides[along] * access.type.bytes());
}

class ContractInTiles : public IRMutator {
    using IRMutator::visit;

    bool from_zero_ = false;

    static const Call *product_of(const Nest &nest) {
        if (nest.loops.size() != 3 || !nest.store)
            return nullptr;
        const auto *call = nest.store->value.as<Call>();
        return call && (call->name == dot_bf16_name || call->name == dot_i8_name) && call->type.is_scalar() ? call : nullptr;
    }

    Stmt contraction(const Nest &nest, const Call &product) const {
        std::vector<Access> loads;
        for (const Expr &argument : product.args) {
            const auto *load = argument.as<Load>();
            if (!load)
                throw internal_error("tile contraction", "an operand that is computed on the way");
            loads.push_back(access_of(nest, load->name, load->type, load->index));
        }
        enum { row, column, step };
        const Access &c = loads[0], &b = loads[1], &a = loads[2];
        std::vector<Expr> arguments;
        auto add = [&](const Access &matrix, const Expr &stride) {
            const Expr first = Variable::make(Halide::type_of<void *>(), matrix.buffer);
            arguments.insert(arguments.end(), {first, simplify(matrix.base * matrix.type.bytes()), stride});
        };
        add(c, row_stride(c, row, column, step));
        add(a, row_stride(a, row, step, column));
        add(b, row_stride(b, step, column, row));
        for (const For *loop : nest.loops)
            arguments.push_back(loop->extent);
        arguments.push_back(from_zero_ ? 1 : 0);
        const char *const name = product.name == dot_i8_name ? contract_i8_name : contract_bf16_name;
        return Evaluate::make(Call::make(Halide::Int(32), name, arguments, Call::Extern));
    }

    Stmt visit(const For *op) override {
        const Nest nest = nest_of(op);
        const Call *product = product_of(nest);
        return product ? contraction(nest, *product) : IRMutator::visit(op);
    }

    /// `s` fills `buffer` with zeros.
    static bool is_zero_fill(Stmt s, const std::string &buffer) {
        if (const auto *block = s.as<Block>())
            return is_zero_fill(block->first, buffer) && is_zero_fill(block->rest, buffer);
        const Nest nest = nest_of(s);
        if (!nest.store) {
            Stmt body = s;
            while (true) {
                if (const auto *loop = body.as<For>())
                    body = loop->body;
                else if (const auto *let = body.as<LetStmt>())
                    body = let->body;
                else
                    break;
            }
            return body.as<Block>() && is_zero_fill(body, buffer);
        }
        const auto *broadcast = nest.store->value.as<Broadcast>();
        return nest.store->name == buffer && is_const_zero(broadcast ? broadcast->value : nest.store->value);
    }

    Stmt visit(const ProducerConsumer *op) override {
        const auto *block = op->is_producer ? op->body.as<Block>() : nullptr;
        if (block) {
            // Zero fills first, the nest last.
            Stmt rest = op->body;
            while (const auto *more = rest.as<Block>()) {
                if (!is_zero_fill(more->first, op->name))
                    break;
                rest = more->rest;
            }
            const Nest nest = nest_of(rest);
            if (const Call *product = product_of(nest); product && nest.store->name == op->name) {
                from_zero_ = true;
                const Stmt body = contraction(nest, *product);
                from_zero_ = false;
                return ProducerConsumer::make(op->name, op->is_producer, body);
            }
        }
        return IRMutator::visit(op);
    }
};

}  // namespace

void contract_in_tiles(Halide::Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new ContractInTiles);
}

}  // namespace attune
