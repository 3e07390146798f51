#include "generator/backend/tile_contractions.h"

#include "generator/algorithm/machine_operations.h"
#include "generator/backend/loop_nest.h"
#include "generator/spec/error.h"

#include <map>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;

/// An access as a matrix of elements.
struct Access {
    std::string buffer;
    Halide::Type type;
    Expr base;
    std::vector<Expr> strides;  ///< a loop each
};

/// The loads of 16 or 8 bits of an expression, in their order.
class PartLoads : public IRVisitor {
    using IRVisitor::visit;

    void visit(const Load *op) override {
        if (op->type.bits() < 32)
            found.push_back(op);
    }

public:
    std::vector<const Load *> found;
};

Access access_of(const LoopNest &nest, const Load &load) {
    const StridedAccess access = strided_access(nest, load.index);
    return {load.name, load.type, access.base, access.strides};
}

/// The stride of loop `along`; the others, but for one of 1 or the unused ones, must be as a matrix has them.
Expr row_stride(const Access &access, size_t along, size_t dense, size_t unused) {
    const int elements = 4 / access.type.bytes();  // of a pair
    if (!is_const(access.strides[dense], elements) || !is_const_zero(access.strides[unused]))
        throw internal_error("tile contraction", access.buffer + " is no matrix of dense rows");
    return simplify(access.strides[along] * access.type.bytes());
}

/// The contraction that a product is one step of; null: none.
const char *contraction_name(const std::string &product) {
    static const std::map<std::string, const char *> names = {
        {dot_bf16_name, contract_bf16_name}, {dot_i8_name, contract_i8_name}, {dot_signed_i8_name, contract_signed_i8_name}};
    const auto found = names.find(product);
    return found == names.end() ? nullptr : found->second;
}

class ContractInTiles : public IRMutator {
public:
    explicit ContractInTiles(TileAsks asks) : asks_(std::move(asks)) {}

private:
    using IRMutator::visit;

    TileAsks asks_;
    bool from_zero_ = false;

    static const Call *product_of(const LoopNest &nest) {
        if (nest.loops.size() != 3 || !nest.store)
            return nullptr;
        const auto *call = nest.store->value.as<Call>();
        return call && contraction_name(call->name) && call->type.is_scalar() ? call : nullptr;
    }

    /// A load, or a pair or quad of parts that lie beside each other.
    static Access operand(const LoopNest &nest, const Expr &e) {
        if (const auto *load = e.as<Load>())
            return access_of(nest, *load);
        PartLoads parts;
        e.accept(&parts);
        int beside = 0;
        for (const Load *part : parts.found) {
            const Expr step = simplify(access_of(nest, *part).base - access_of(nest, *parts.found[0]).base);
            beside += part->name == parts.found[0]->name && is_const(step, beside);
        }
        if (beside == 0 || beside * parts.found[0]->type.bytes() != 4)
            throw internal_error("tile contraction", "an operand that is computed on the way");
        return access_of(nest, *parts.found[0]);
    }

    Stmt contraction(const LoopNest &nest, const Call &product) const {
        std::vector<Access> loads;
        for (const Expr &argument : product.args)
            loads.push_back(operand(nest, argument));
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
        const int asks = c.buffer.find(asks_.into) == std::string::npos ? 0 : asks_.products;
        arguments.insert(arguments.end(), {from_zero_ ? 1 : 0, 0, 1, asks});
        return Evaluate::make(Call::make(Halide::Int(32), contraction_name(product.name), arguments, Call::Extern));
    }

    Stmt visit(const For *op) override {
        const LoopNest nest = loop_nest_of(op);
        const Call *product = product_of(nest);
        return product ? contraction(nest, *product) : IRMutator::visit(op);
    }

    Stmt visit(const ProducerConsumer *op) override {
        // Zero fills, the nest, and what frees an operand that is a copy.
        Stmt rest = op->body, freed;
        bool is_filled = false;
        while (op->is_producer) {
            const auto *block = rest.as<Block>();
            const auto *consumer = rest.as<ProducerConsumer>();
            if (block && is_zero_fill(block->first, op->name)) {
                is_filled = true;
                rest = block->rest;
            } else if (block && block->rest.as<Free>()) {
                freed = freed.defined() ? Block::make(block->rest, freed) : block->rest;
                rest = block->first;
            } else if (consumer && !consumer->is_producer) {
                rest = consumer->body;
            } else {
                break;
            }
        }
        const LoopNest nest = loop_nest_of(rest);
        if (const Call *product = product_of(nest); is_filled && product && nest.store->name == op->name) {
            from_zero_ = true;
            const Stmt body = contraction(nest, *product);
            from_zero_ = false;
            return ProducerConsumer::make(op->name, op->is_producer, freed.defined() ? Block::make(body, freed) : body);
        }
        return IRMutator::visit(op);
    }
};

}  // namespace

bool is_zero_fill(const Stmt &s, const std::string &buffer) {
    if (const auto *block = s.as<Block>())
        return is_zero_fill(block->first, buffer) && is_zero_fill(block->rest, buffer);
    const LoopNest nest = loop_nest_of(s);
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

const Call *contraction_of(const Stmt &s) {
    const auto *evaluate = s.as<Evaluate>();
    const auto *call = evaluate ? evaluate->value.as<Call>() : nullptr;
    const bool contracts =
        call && (call->name == contract_bf16_name || call->name == contract_i8_name || call->name == contract_signed_i8_name);
    return contracts ? call : nullptr;
}

Stmt contraction_call(const Call &like, const std::vector<Expr> &arguments) {
    return Evaluate::make(Call::make(like.type, like.name, arguments, like.call_type));
}

int tiles_of_sums(const Call &call) {
    const auto rows = as_const_int(call.args[contraction::rows]), columns = as_const_int(call.args[contraction::columns]);
    return static_cast<int>(rows.value_or(0) / matrix_tile_edge * (columns.value_or(0) / matrix_tile_edge));
}

Stmt kept_sums(const Call &contraction, KeptSums what, int first_tile) {
    std::vector<Expr> arguments = contraction.args;
    if (what != KeptSums::add)  // where they are made is inside a loop
        for (const int matrix : {contraction::a, contraction::b}) {
            arguments[matrix] = contraction.args[contraction::c];
            arguments[matrix + 1] = arguments[matrix + 2] = 0;
        }
    arguments[contraction::part] = static_cast<int>(what);
    arguments[contraction::parts] = -first_tile;
    return contraction_call(contraction, arguments);
}

void contract_in_tiles(Halide::Pipeline &pipeline, const TileAsks &asks) {
    pipeline.add_custom_lowering_pass(new ContractInTiles(asks));
}

}  // namespace attune
