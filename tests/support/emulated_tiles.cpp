/// What generated code calls where the instructions of matrix tiles are emulated (backend/matrix_tiles.h): Intel SDM volume 2, TILELOADD,
/// TILESTORED, TDPBF16PS. Tiles are poison until they are configured, and again after their release, so that nothing relies on more.
#include <bit>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace {

constexpr int tiles = 8, rows = 16, row_bytes = 64;

struct TileFile {
    bool configured = false;
    uint8_t bytes[tiles][rows][row_bytes];

    void poison() { std::memset(bytes, 0xff, sizeof bytes); }
};
thread_local TileFile file;

uint8_t (&tile(uint8_t number))[rows][row_bytes] {
    if (!file.configured || number >= tiles) throw std::logic_error("a tile instruction outside a configured function");
    return file.bytes[number];
}

template <typename T>
T element(const uint8_t (&row)[row_bytes], int index) {
    T x;
    std::memcpy(&x, row + sizeof(T) * static_cast<size_t>(index), sizeof x);
    return x;
}

float bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

}  // namespace

extern "C" {

void attune_emulate_configure(const uint8_t *configuration) {
    if (file.configured || configuration[0] != 1) throw std::logic_error("tiles configured twice, or for an unknown palette");
    for (int t = 0; t < tiles; t++)
        if (configuration[16 + 2 * t] != row_bytes || configuration[17 + 2 * t] != 0 || configuration[48 + t] != rows)
            throw std::logic_error("a tile is not 16 rows of 64 bytes");
    file.configured = true;
    file.poison();
}

void attune_emulate_release() {
    file.configured = false;
    file.poison();
}

void attune_emulate_zero(uint8_t t) { std::memset(tile(t), 0, rows * row_bytes); }

void attune_emulate_load(uint8_t t, const uint8_t *address, int64_t stride) {
    auto &to = tile(t);
    for (int r = 0; r < rows; r++) std::memcpy(to[r], address + r * stride, row_bytes);
}

void attune_emulate_store(uint8_t t, uint8_t *address, int64_t stride) {
    const auto &from = tile(t);
    for (int r = 0; r < rows; r++) std::memcpy(address + r * stride, from[r], row_bytes);
}

void attune_emulate_dot_bf16(uint8_t c, uint8_t a, uint8_t b) {
    auto &sum = tile(c);
    for (int m = 0; m < rows; m++)
        for (int k = 0; k < row_bytes / 4; k++)
            for (int n = 0; n < row_bytes / 4; n++) {
                const float low = bf16(element<uint16_t>(tile(a)[m], 2 * k)) * bf16(element<uint16_t>(tile(b)[k], 2 * n));
                const float high = bf16(element<uint16_t>(tile(a)[m], 2 * k + 1)) * bf16(element<uint16_t>(tile(b)[k], 2 * n + 1));
                const float next = element<float>(sum[m], n) + low + high;
                std::memcpy(sum[m] + 4 * n, &next, 4);
            }
}

/// Whether this thread's tiles are released.
bool attune_emulate_is_released() { return !file.configured; }
}
