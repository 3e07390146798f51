#include "generator/backend/kernel_table.h"
#include "generator/backend/cache_format.h"
#include "generator/backend/params_struct.h"

namespace attune {

int32_t kernel_state(const AttentionSpec &spec) {
    if (!is_linear(spec))
        return ATTUNE_STATE_NONE;
    return divides_by_sum(spec) ? ATTUNE_STATE_OUTER_AND_KEY_SUM : ATTUNE_STATE_OUTER;
}

KernelTable::KernelTable(const AttentionSpec &spec, std::string metadata)
    : spec_(spec), params_(params_struct(spec).members), frequencies_(spec.rope.frequencies()), id_(spec.id()), mask_(spec.mask_text()),
      score_(spec.score_text()), metadata_(std::move(metadata)) {
    for (const ParamDeclaration &param : spec_.params)
        declarations_.push_back(param.text());
    for (size_t i = 0; i < params_.size(); i++) {
        params_[i].name = spec_.params[i].name.c_str();
        params_[i].declaration = declarations_[i].c_str();
    }
    kernel.params_size = params_struct(spec_).size;
    kernel.params = params_.data();
    kernel.num_params = static_cast<uint32_t>(params_.size());
    kernel.cache = cache_format(spec_);
    if (!frequencies_.empty())
        kernel.rope = {frequencies_.data(), spec_.rope.dims / 2, spec_.rope.style == RopeSpec::Style::interleaved};
    kernel.state = kernel_state(spec_);
    kernel.has_sink = has_sink(spec_) ? 1 : 0;
    kernel.block_size_q = spec_.block_mask ? spec_.block_size_q : 0;
    kernel.block_size_kv = spec_.block_mask ? spec_.block_size_kv : 0;
    kernel.abi = ATTUNE_KERNEL_ABI;
    kernel.type_code = spec_.dtype == DType::bf16 ? 4 : 2;
    kernel.type_bits = static_cast<uint8_t>(8 * dtype_bytes(spec_.dtype));
    kernel.info = {spec_.name.c_str(),
                   id_.c_str(),
                   dtype_name(spec_.dtype),
                   mask_.c_str(),
                   spec_.head_dim,
                   spec_.head_dim_v,
                   spec_.group,
                   spec_.lse ? 1 : 0,
                   spec_.softmax_scale,
                   score_.c_str(),
                   pairs_output_name(spec_.pairs_output),
                   metadata_.c_str()};
}

}  // namespace attune
