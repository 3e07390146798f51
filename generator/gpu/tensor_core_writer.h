#pragma once
#include "generator/gpu/tensor_core_text.h"

#include <string>

/// The text of each stage (tensor_core_text.h says what they do). Registers are named %x<n>: o accumulator, s scores, l sums, n minus the
/// reference that weights are relative to, a what the sink scales a row by, q query; those that only one stage has are declared there.
namespace attune {

constexpr float tensor_core_first_maximum = -1e29f, tensor_core_hidden_logit = -1e30f;  // as first_maximum, hidden_score of attention.h

/// Lines of PTX.
class PtxText {
public:
    PtxText &operator()(const std::string &line) {
        text_ += "\t\t" + line + "\n";
        return *this;
    }
    PtxText &label(const std::string &name) {
        text_ += name + ":\n";
        return *this;
    }
    std::string str() const { return text_ + "\t\tmov.b32 $r, $0;\n"; }  // the token goes through

private:
    std::string text_;
};

/// A float as PTX writes its bits.
std::string ptx_float(float x);
/// "{%s4, %s5, %s6, %s7}"
std::string ptx_registers(const std::string &prefix, int first, int count);
/// "[%from+128]"
std::string ptx_address(const std::string &base, int offset);

struct TensorCoreWriter {
    explicit TensorCoreWriter(const TensorCoreShape &shape) : s(shape) {}

    const TensorCoreShape &s;
    const TensorCoreShape::Copy query = s.copy(s.head_dim), value = s.copy(s.head_dim_v);
    // Shared memory: query | key, value of each buffer; at the end output.
    const int key_bytes = s.block_kv * query.pitch(), value_bytes = s.block_kv * value.pitch();
    const int first_key = s.block_q() * query.pitch(), first_value = first_key + key_bytes;
    const int steps = s.head_dim / 16;  // of 16 head dims
    const int pairs = s.block_kv / 16;  // of key tiles
    const int out_tiles = s.head_dim_v / 8;
    const std::string half = s.bf16 ? "bf16" : "f16";

    // tensor_core_copies.cpp: between device and shared memory
    std::string setup() const;
    std::string fetch_query() const;
    std::string fetch_key() const;
    std::string fetch_value() const;
    std::string wait() const;
    std::string store() const;
    // tensor_core_products.cpp
    std::string take_query() const;
    std::string scores() const;
    std::string values() const;
    // tensor_core_results.cpp: after the last chunk
    std::string sum() const;
    std::string sink(int i) const;
    std::string finish() const;
    std::string lse(int i) const;

private:
    std::string mma(const std::string &d, const std::string &a, const std::string &b, const std::string &c) const;
    std::string score(int r, int j) const { return ptx_registers("s", (r * s.key_tiles() + j) * 4, 4); }
    std::string score(int r, int j, int i) const { return "%s" + std::to_string((r * s.key_tiles() + j) * 4 + i); }
    std::string load_query(int step, int r, int to) const;
    void own_piece(PtxText &t, const std::string &to, const TensorCoreShape::Copy &copy) const;
    std::string fetch(const std::string &name, const TensorCoreShape::Copy &copy, const std::string &to, int offset) const;
    void row_maxima(PtxText &t) const;
    void rescale(PtxText &t) const;
    void weights(PtxText &t, int k) const;

    /// Addresses are this thread's own parts (to, from) plus constants; where a value's rows lie as far apart as a key's they have one register.
    bool same_pitch() const { return query.pitch() == value.pitch(); }
    std::string value_to() const { return same_pitch() ? "%to" : "%valueto"; }
    std::string value_from() const { return same_pitch() ? "%from" : "%valuefrom"; }
};

}  // namespace attune
