#include "generator/cli/params.h"

#include "generator/backend/params_struct.h"
#include "generator/reference/half.h"
#include "generator/reference/inputs.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <unordered_set>

namespace attune::cli {
namespace {

using Element = ParamDeclaration::Element;
using Kind = ParamDeclaration::Dim::Kind;

size_t element_bytes(Element element) {
    return element == Element::boolean ? 1 : element == Element::f16 || element == Element::bf16 ? 2 : 4;
}

int64_t product(const std::vector<int64_t> &extents) {
    int64_t n = 1;
    for (const int64_t extent : extents)
        n *= extent;
    return n;
}

double element_at(Element element, const Bytes &bytes, size_t i) {
    switch (element) {
    case Element::i32:
        return bytes.as<int32_t>()[i];
    case Element::f32:
        return bytes.as<float>()[i];
    case Element::f16:
        return f16_to_float(bytes.as<uint16_t>()[i]);
    case Element::bf16:
        return bf16_to_float(bytes.as<uint16_t>()[i]);
    case Element::boolean:
        break;
    }
    return bytes.as<uint8_t>()[i];
}

/// Whether bit() reads the parameter in this expression.
bool read_as_bits(const ExprPtr &root, int param) {
    std::unordered_set<const Node *> seen;
    std::vector<const Node *> open;
    if (root)
        open.push_back(root.get());
    while (!open.empty()) {
        const Node *node = open.back();
        open.pop_back();
        if (!seen.insert(node).second)
            continue;
        if (node->op == Op::bit && node->operands[0]->op == Op::element && node->operands[0]->parameter == param)
            return true;
        if (node->body)
            open.push_back(node->body.get());
        for (const ExprPtr &operand : node->operands)
            open.push_back(operand.get());
    }
    return false;
}

}  // namespace

Argument make_argument(const ParamDeclaration &param, std::vector<int64_t> extents, const std::vector<double> &values) {
    Argument argument{std::move(extents), Bytes(values.size() * element_bytes(param.element))};
    for (size_t i = 0; i < values.size(); i++) {
        const float x = static_cast<float>(values[i]);
        switch (param.element) {
        case Element::i32:
            argument.bytes.as<int32_t>()[i] = static_cast<int32_t>(values[i]);
            break;
        case Element::f32:
            argument.bytes.as<float>()[i] = x;
            break;
        case Element::f16:
            argument.bytes.as<uint16_t>()[i] = float_to_f16(x);
            break;
        case Element::bf16:
            argument.bytes.as<uint16_t>()[i] = float_to_bf16(x);
            break;
        case Element::boolean:
            argument.bytes.as<uint8_t>()[i] = values[i] != 0;
            break;
        }
    }
    return argument;
}

ParamValue argument_value(const ParamDeclaration &param, const Argument &argument) {
    ParamValue value;
    if (param.is_scalar()) {
        value.real = element_at(param.element, argument.bytes, 0);
        if (param.element == Element::i32)
            value.integer = argument.bytes.as<int32_t>()[0];
        return value;
    }
    value.extents = argument.extents;
    value.elements.resize(static_cast<size_t>(product(argument.extents)));
    for (size_t i = 0; i < value.elements.size(); i++)
        value.elements[i] = element_at(param.element, argument.bytes, i);
    return value;
}

std::vector<int64_t> wanted_extents(const ParamDeclaration &param, const Shape &shape, int64_t free) {
    std::vector<int64_t> extents;
    for (const ParamDeclaration::Dim &dim : param.dims)
        switch (dim.kind) {
        case Kind::one:
            extents.push_back(1);
            break;
        case Kind::b:
            extents.push_back(shape.batch);
            break;
        case Kind::h:
            extents.push_back(shape.num_heads);
            break;
        case Kind::hkv:
            extents.push_back(shape.num_kv_heads);
            break;
        case Kind::q:
            extents.push_back(shape.seq_len_q);
            break;
        case Kind::kv:
            extents.push_back(shape.seq_len_kv);
            break;
        case Kind::extent:
            extents.push_back(dim.extent);
            break;
        case Kind::free:
            extents.push_back(free);
            break;
        }
    return extents;
}

Argument default_argument(const AttentionSpec &spec, size_t index, const Shape &shape, uint64_t seed) {
    constexpr int64_t free_extent = 32;  // buckets of a relative bias
    constexpr double documents = 8, largest_id = 4;
    const ParamDeclaration &param = spec.params[index];
    // Each parameter has numbers of its own, whatever stands beside it.
    std::mt19937_64 bits(seed * 0x9e3779b97f4a7c15 + index + 1);
    NormalGenerator normal(bits());
    const auto uniform = [&] { return static_cast<double>(bits() >> 11) * 0x1p-53; };
    const double eighth = static_cast<double>(std::max<int64_t>(1, shape.seq_len_kv / 8));
    if (param.is_scalar())
        return make_argument(param, {}, {param.element == Element::i32 ? eighth : normal()});

    const std::vector<int64_t> extents = wanted_extents(param, shape, free_extent);
    std::vector<double> values(static_cast<size_t>(product(extents)));
    const size_t last = static_cast<size_t>(extents.back());
    const bool by_position =
        std::any_of(param.dims.begin(), param.dims.end(), [](const auto &d) { return d.kind == Kind::q || d.kind == Kind::kv; });
    const bool words = read_as_bits(spec.mask.root, static_cast<int>(index)) || read_as_bits(spec.score.root, static_cast<int>(index));
    const bool slopes = param.element == Element::f32 && param.dims.size() == 1 && param.dims[0].kind == Kind::h && spec.sink != param.name;
    // Of linear attention: 0.8 to 1 of the state is kept, and corrected by less than what it holds for the key, or it would grow from key to key. Keys
    // have norm 1 (fill_inputs); where a feature map makes numbers about 1 of their elements, head_dim.
    const double most = spec.feature_map == FeatureMap::identity ? 1 : 0.5 / spec.head_dim;
    const auto of_linear = [&] { return param.name == spec.decay ? -0.2 * uniform() : most * uniform(); };
    double document = 0;
    for (size_t i = 0; i < values.size(); i++) {
        if (param.nondecreasing) {
            const bool next = uniform() < std::min(0.25, documents / static_cast<double>(last));
            values[i] = document = i % last == 0 ? 0 : document + next;
        } else if (param.element == Element::boolean)
            values[i] = uniform() < 0.75;
        else if (param.element == Element::i32)
            values[i] =
                words ? static_cast<double>(static_cast<int32_t>(bits())) : std::floor(uniform() * (by_position ? largest_id : 2 * eighth));
        else
            values[i] = param.name == spec.decay || param.name == spec.beta ? of_linear()
                        : slopes ? std::exp2(-8 * static_cast<double>(i + 1) / static_cast<double>(last))
                                 : normal();
    }
    return make_argument(param, extents, values);
}

CallParams::CallParams(const AttentionSpec &spec, std::vector<Argument> arguments, BlockLists lists) {
    const ParamsStruct layout = params_struct(spec);
    const auto state = std::make_shared<State>(State{std::move(arguments), {}, std::move(lists), Bytes(layout.size)});
    if (spec.block_mask) {
        const attune_block_mask mask = state->lists.view();
        std::memcpy(state->bytes.data(), &mask, sizeof mask);
    }
    for (size_t i = 0; i < state->arguments.size(); i++) {
        const ParamDeclaration &param = spec.params[i];
        const Argument &argument = state->arguments[i];
        state->values.push_back(argument_value(param, argument));
        char *member = state->bytes.data() + layout.members[i].offset;
        if (param.is_scalar()) {
            std::memcpy(member, argument.bytes.data(), 4);
            continue;
        }
        attune_tensor tensor{};  // strides 0: dense
        tensor.data = argument.bytes.data();
        std::copy(argument.extents.begin(), argument.extents.end(), tensor.extent);
        std::memcpy(member, &tensor, sizeof tensor);
    }
    state_ = state;
}

}  // namespace attune::cli
