#include "generator/gpu/tensor_core_text.h"
#include "generator/gpu/tensor_core_writer.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <fmt/format.h>

namespace attune {

using std::string;
using std::to_string;

string ptx_float(float x) {
    return fmt::format("0f{:08X}", std::bit_cast<uint32_t>(x));
}

string ptx_registers(const string &prefix, int first, int count) {
    string list;
    for (int i = 0; i < count; i++)
        list += fmt::format("{}%{}{}", i ? ", " : "", prefix, first + i);
    return "{" + list + "}";
}

string ptx_address(const string &base, int offset) {
    return "[" + base + (offset ? "+" + to_string(offset) : "") + "]";
}

TensorCoreShape::Copy TensorCoreShape::copy(int dim) const {
    const int pieces = dim / 8, across = std::min(8, pieces & -pieces);
    return {pieces, across, threads() / across};
}

int TensorCoreShape::shared_bytes() const {
    const int key = copy(head_dim).pitch(), value = copy(head_dim_v).pitch();
    return std::max(block_q() * key + stages * block_kv * (key + value), block_q() * value);
}

PtxCalls tensor_core_calls(const TensorCoreShape &shape) {
    const TensorCoreWriter write(shape);
    PtxCalls calls;
    auto add = [&](const string &name, const string &text) { calls[tensor_core_prefix + name] = text; };
    add("setup", write.setup());
    add("fetch_query", write.fetch_query());
    add("fetch_key", write.fetch_key());
    add("fetch_value", write.fetch_value());
    add("query", write.take_query());
    add("wait", write.wait());
    add("scores", write.scores());
    add("opaque", "\t\tmov.b32 $r, $0;\n");
    add("values", write.values());
    // A shuffle with the lane itself.
    add("late", "\t\tshfl.sync.bfly.b32 $r, $0, 0, 31, 0xffffffff;\n");
    add("sum", write.sum());
    add("finish", write.finish());
    add("store", write.store());
    for (int e = 0; e < shape.scores(); e++) {
        add(fmt::format("get_{}", e), fmt::format("\t\tmov.b32 $r, %s{};\n", e));
        add(fmt::format("set_{}", e), fmt::format("\t\tmov.b32 %s{}, $1;\n\t\tmov.b32 $r, $0;\n", e));
    }
    for (int i = 0; i < shape.thread_rows(); i++) {
        add(fmt::format("lse_{}", i), write.lse(i));
        if (shape.sink)
            add(fmt::format("sink_{}", i), write.sink(i));
    }
    return calls;
}

PtxDeclarations tensor_core_declarations(const TensorCoreShape &shape) {
    const int rows = shape.thread_rows(), query = (shape.query_in_registers ? shape.head_dim / 16 : 2) * shape.row_tiles * 4;
    PtxDeclarations out;
    out.module = ".extern .shared .align 16 .b8 attune_tiles[];\n";
    out.directives = fmt::format(".maxntid {}, 1, 1\n.minnctapersm {}\n", shape.threads(), shape.blocks_per_sm);
    out.registers = fmt::format("\t.reg .f32 %zero, %o<{}>, %s<{}>, %l<{}>, %n<{}>, %a<{}>;\n", shape.row_tiles * shape.head_dim_v / 2,
                                shape.scores(), rows, rows, rows);
    out.registers += fmt::format("\t.reg .b32 %q<{}>, %to, %from, %queryfrom, %valueto, %valuefrom, %buffer;\n", query);
    out.registers += "\t.reg .b64 %key, %value;\n";
    return out;
}

float hidden_score_of(const TensorCoreShape &shape) {
    return tensor_core_hidden_logit / shape.scale;
}

}  // namespace attune
