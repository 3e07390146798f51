#pragma once
#include "generator/cli/block_lists.h"
#include "generator/cli/bytes.h"
#include "generator/cli/flags.h"
#include "generator/cli/npy/npy.h"
#include "generator/cli/shape.h"
#include "generator/spec/evaluate.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attune::cli {

/// The value of one parameter as kernels read it.
struct Argument {
    std::vector<int64_t> extents;  ///< as declared, outermost first; empty: a scalar
    Bytes bytes;                   ///< elements of the declared type, dense, C order
};
/// Rounded to the declared type. values: C order, as many as the extents hold.
Argument make_argument(const ParamDeclaration &param, std::vector<int64_t> extents, const std::vector<double> &values);
/// The same for the reference and the block plan, exact.
ParamValue argument_value(const ParamDeclaration &param, const Argument &argument);
/// The extents that a call of this shape wants of each dimension: 1 where it is declared so, `free` where its name is free.
std::vector<int64_t> wanted_extents(const ParamDeclaration &param, const Shape &shape, int64_t free);

/// Random arguments where none are given: documents for a nondecreasing array, ALiBi's slopes for an f32[h], words of random bits for what
/// bit() reads, an eighth of the keys for an i32, three of four true for bool, N(0, 1) for other reals.
Argument default_argument(const AttentionSpec &spec, size_t param, const Shape &shape, uint64_t seed);

void declare_params(Flags &flags);

/// What --param says, read: each name, number, file and type is right. Extents are compared when the shape is known.
class GivenParams {
public:
    /// Throws Error: usage where a flag is not NAME=VALUE or a name stands twice, else input.
    GivenParams(const Flags &flags, const AttentionSpec &spec);

    /// An argument for each of spec.params. With cu_seqlens, the lengths of `shape` are those of the longest sequences. What is not given is
    /// random where there is a seed. Throws Error(input) where it is missing, does not fit, or decreases against its promise.
    std::vector<Argument> arguments(const Shape &shape, std::optional<uint64_t> seed = {}) const;
    /// As on the command line: name -> number or file.
    const std::map<std::string, std::string> &texts() const { return texts_; }

private:
    struct Given {
        Argument argument;
        std::string flag;  ///< "--param ids"
    };
    const AttentionSpec spec_;
    std::map<std::string, std::string> texts_;
    std::map<std::string, Given> given_;
};

/// <name>_params of a call, and what it points to. Copies share it.
class CallParams {
public:
    CallParams() = default;  ///< of a kernel that has none
    /// An argument for each of spec.params; lists where spec.block_mask.
    CallParams(const AttentionSpec &spec, std::vector<Argument> arguments, BlockLists lists = {});

    const void *data() const { return state_ && state_->bytes.size() > 0 ? state_->bytes.data() : nullptr; }
    const std::vector<Argument> &arguments() const { return state_->arguments; }
    const std::vector<ParamValue> &values() const { return state_->values; }
    const BlockLists &lists() const { return state_->lists; }

private:
    struct State {
        std::vector<Argument> arguments;
        std::vector<ParamValue> values;
        BlockLists lists;
        Bytes bytes;  ///< the struct
    };
    std::shared_ptr<const State> state_ = std::make_shared<State>();
};

/// What the flags give, and random values for the rest: block lists of density 1/4. full_share: as random_block_lists has it.
CallParams params_or_random(const GivenParams &given, const Flags &flags, const AttentionSpec &spec, const Shape &shape, uint64_t seed,
                            double full_share = 0);

}  // namespace attune::cli
