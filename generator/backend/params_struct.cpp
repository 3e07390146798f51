#include "generator/backend/params_struct.h"

#include <fmt/format.h>

namespace attune {

namespace {

void set_type(attune_param &member, ParamDeclaration::Element element) {
    using Element = ParamDeclaration::Element;
    enum { type_int = 0, type_uint = 1, type_float = 2, type_bfloat = 4 };  // as in attune_buffer
    member.type_code = element == Element::i32       ? type_int
                       : element == Element::boolean ? type_uint
                       : element == Element::bf16    ? type_bfloat
                                                     : type_float;
    member.type_bits = element == Element::boolean ? 8 : element == Element::f16 || element == Element::bf16 ? 16 : 32;
}

uint8_t dim_kind(const ParamDeclaration::Dim &dim) {
    using Kind = ParamDeclaration::Dim::Kind;
    switch (dim.kind) {
    case Kind::one:
        return ATTUNE_DIM_ONE;
    case Kind::b:
        return ATTUNE_DIM_B;
    case Kind::h:
        return ATTUNE_DIM_H;
    case Kind::hkv:
        return ATTUNE_DIM_HKV;
    case Kind::q:
        return ATTUNE_DIM_Q;
    case Kind::kv:
        return ATTUNE_DIM_KV;
    case Kind::extent:
        return ATTUNE_DIM_EXTENT;
    case Kind::free:
        break;
    }
    return ATTUNE_DIM_FREE;
}

uint32_t round_up(size_t n, size_t to) {
    return static_cast<uint32_t>((n + to - 1) / to * to);
}

}  // namespace

ParamsStruct params_struct(const AttentionSpec &spec) {
    ParamsStruct out;
    size_t at = spec.block_mask ? sizeof(attune_block_mask) : 0, alignment = spec.block_mask ? alignof(attune_block_mask) : 1;
    for (const ParamDeclaration &param : spec.params) {
        attune_param member{};
        const size_t size = param.is_scalar() ? 4 : sizeof(attune_tensor), align = param.is_scalar() ? 4 : alignof(attune_tensor);
        alignment = std::max(alignment, align);
        member.offset = round_up(at, align);
        at = member.offset + size;
        set_type(member, param.element);
        member.dimensions = static_cast<uint8_t>(param.dims.size());
        member.nondecreasing = param.nondecreasing;
        for (size_t d = 0; d < param.dims.size(); d++) {
            member.dim[d] = dim_kind(param.dims[d]);
            member.extent[d] = param.dims[d].kind == ParamDeclaration::Dim::Kind::extent ? static_cast<int32_t>(param.dims[d].extent) : 0;
        }
        out.members.push_back(member);
    }
    out.size = round_up(at, alignment);
    return out;
}

std::string params_struct_text(const AttentionSpec &spec) {
    std::string text;
    if (spec.block_mask)
        text += fmt::format("    attune_block_mask block_mask; ///< blocks of {} rows x {} keys\n", spec.block_size_q, spec.block_size_kv);
    for (const ParamDeclaration &param : spec.params) {
        const char *type = !param.is_scalar() ? "attune_tensor" : param.element == ParamDeclaration::Element::i32 ? "int32_t" : "float";
        text += fmt::format("    {} {}; ///< {}\n", type, param.name, param.text());
    }
    return text;
}

}  // namespace attune
