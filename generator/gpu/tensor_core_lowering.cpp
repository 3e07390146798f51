#include "generator/gpu/tensor_core_lowering.h"
#include "generator/gpu/ptx_module.h"
#include "generator/spec/error.h"

#include <set>

namespace attune {

using namespace Halide;
using namespace Halide::Internal;

namespace {

const std::string get_name = std::string(tensor_core_prefix) + "get", set_name = std::string(tensor_core_prefix) + "set",
                  address_name = std::string(tensor_core_prefix) + "address";

/// A score's index is a constant only now: get and set become calls of that score's own function. An address is the array's on the device, which the
/// host hands over (Halide 21 has no address_of for it), plus the element's.
class LowerCalls : public IRMutator {
public:
    LowerCalls(std::string output, int shared_bytes) : output_(std::move(output)), shared_bytes_(shared_bytes) {}

private:
    using IRMutator::visit;

    Expr visit(const Call *op) override {
        if (op->name == address_name) {
            const Load *load = op->args[0].as<Load>();
            if (!load)
                throw internal_error(address_name, "an address of what is no element");
            arrays_.insert(load->name);
            const Expr bytes = cast<int64_t>(mutate(load->index)) * load->type.bytes();
            return Variable::make(UInt(64), load->name + ".on_device") + cast<uint64_t>(bytes);
        }
        if (op->name != get_name && op->name != set_name)
            return IRMutator::visit(op);
        std::vector<Expr> args = mutate(op->args);
        const auto e = as_const_int(args[1]);
        if (!e)
            throw internal_error(op->name, "a score whose index is no constant");
        args.erase(args.begin() + 1);
        return Call::make(op->type, op->name + "_" + std::to_string(*e), args, Call::Extern);
    }

    /// Scores of a chunk that is of one kind change behind one branch: their conditions are the same, which Halide does not see as they load it.
    Stmt visit(const Block *op) override {
        const Stmt first = mutate(op->first), rest = mutate(op->rest);
        const Block *block = rest.as<Block>();
        const IfThenElse *a = first.as<IfThenElse>(), *b = (block ? block->first : rest).as<IfThenElse>();
        if (!a || !b || a->else_case.defined() || b->else_case.defined() || !equal(a->condition, b->condition))
            return Block::make(first, rest);
        const Stmt both = IfThenElse::make(a->condition, Block::make(a->then_case, b->then_case));
        return block ? Block::make(both, block->rest) : both;
    }

    Stmt visit(const Store *op) override {
        if (op->name != output_)
            return IRMutator::visit(op);
        const Expr value = mutate(op->value);
        const Cast *cast = value.as<Cast>();
        return Evaluate::make(cast ? cast->value : value);
    }

    Stmt visit(const For *op) override {
        const bool is_launch = op->for_type == ForType::GPUBlock && !inside_;
        inside_ = inside_ || is_launch;
        Stmt loop = IRMutator::visit(op);
        inside_ = inside_ && !is_launch;
        if (op->for_type == ForType::GPUThread)  // what the launch gives the block; the texts address it themselves
            loop = Allocate::make("tiles", UInt(8), MemoryType::GPUShared, {shared_bytes_}, const_true(), loop);
        if (!is_launch)
            return loop;
        for (const std::string &array : arrays_) {
            const Expr buffer = Variable::make(type_of<halide_buffer_t *>(), array + ".buffer");
            loop = LetStmt::make(array + ".on_device", Call::make(UInt(64), Call::buffer_get_device, {buffer}, Call::Extern), loop);
        }
        arrays_.clear();
        return loop;
    }

    const std::string output_;
    const int shared_bytes_;
    bool inside_ = false;           ///< the loops of a launch
    std::set<std::string> arrays_;  ///< whose addresses it takes
};

}  // namespace

Expr tensor_core_call(const std::string &stage, const std::vector<Expr> &arguments) {
    return Call::make(Int(32), tensor_core_prefix + stage, arguments, Call::Extern);
}

Expr tensor_core_score(const Expr &token, const Expr &e) {
    return Call::make(Float(32), get_name, {token, e}, Call::Extern);
}

Expr tensor_core_set_score(const Expr &token, const Expr &e, const Expr &score) {
    return Call::make(Int(32), set_name, {token, e, score}, Call::Extern);
}

Expr tensor_core_address(const Expr &element) {
    return Call::make(UInt(64), address_name, {element}, Call::PureExtern);
}

void lower_tensor_core_calls(Pipeline &pipeline, const std::string &output, const TensorCoreShape &shape) {
    pipeline.add_custom_lowering_pass(new LowerCalls(output, shape.shared_bytes()));
}

Module with_tensor_core_text(const Module &module, const TensorCoreShape &shape) {
    return with_ptx(module, [&](const std::string &ptx) {
        return inline_ptx_calls(ptx, tensor_core_calls(shape), tensor_core_prefix, tensor_core_declarations(shape));
    });
}

}  // namespace attune
