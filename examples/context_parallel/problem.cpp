#include "problem.h"

Tokens chunk_of(int64_t tokens, int index, int chunks) {
    const int64_t first = tokens * index / chunks;
    return {first, tokens * (index + 1) / chunks - first};
}

/// The finalizer of MurmurHash3: all bits of the result depend on all bits of x.
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
    return x ^ x >> 33;
}

std::vector<float> make_input(Tensor tensor, Tokens tokens) {
    const int64_t width = (tensor == Tensor::query ? num_heads : num_kv_heads) * head_dim;
    std::vector<float> elements(size_t(tokens.count * width));
    for (size_t i = 0; i < elements.size(); i++) {
        const uint64_t position = uint64_t(tokens.first * width) + i;
        elements[i] = float(mix(position * 3 + uint64_t(tensor)) >> 40) * 0x1p-22f - 2;  // 24 bits
    }
    return elements;
}
