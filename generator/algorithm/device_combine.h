#pragma once
#include "generator/algorithm/device_blocks.h"

namespace attune {

struct DeviceCombineStages {
    Halide::Func maximum;      ///< (r, hb, b)     of all parts, log2 units
    Halide::Func sum;          ///< (r, hb, b)     relative to it and to the sink
    Halide::Func accumulator;  ///< (d, r, hb, b)
    Halide::Func row_lse;      ///< (d, r, hb, b)  stored where d is 0
    Halide::Func output;       ///< (d, head of fold, position, hb, b)
};

/// The second kernel of decode: output and lse from the parts that DeviceTask left for each row r of a head block (Dao et al. 2023, Flash-Decoding).
class DeviceCombine : public DeviceBlocks {
public:
    /// `block`: that of the parts.
    DeviceCombine(const AttentionSpec &spec, const DeviceBlock &block, const DeviceOperations &operations);

    const int block_q, split_keys;
    Halide::ImageParam parts;  // (column, row of all parts, hb, b): part_columns

    DeviceCombineStages define() const;
    std::vector<Halide::Argument> arguments() const { return args.all({parts}); }
};

}  // namespace attune
