#include "matrix.h"

#include "memory.h"

namespace ptxsim {
namespace {

void need_all_lanes(const Warp &w) {
    if (w.active != 0xffffffff)
        throw Fault("an instruction of matrices needs all 32 lanes of a warp, and lanes " + std::to_string(w.active) + " (mask) are here");
}

float element_of(uint32_t bits, int i, MatrixElement type) {
    switch (type) {
    case MatrixElement::f16: return to_float(Half{static_cast<uint16_t>(bits >> 16 * i)});
    case MatrixElement::bf16: return to_float(Bfloat{static_cast<uint16_t>(bits >> 16 * i)});
    default: return std::bit_cast<float>(bits & 0xffffe000);  // tf32: 10 bits of fraction
    }
}
int32_t integer_of(uint32_t bits, int i, MatrixElement type) {
    return type == MatrixElement::s8 ? static_cast<int8_t>(bits >> 8 * i) : static_cast<uint8_t>(bits >> 8 * i);
}

// A and B as matrices of T, by get(bits, i).
template <class T, class Get>
void gather(Warp &w, const uint32_t *a_operands, int a_count, const uint32_t *b_operands, int n, T (&a)[16][32], T (&b)[32][8], Get get) {
    for (int r = 0; r < a_count; r++) {
        const uint32_t *bits = w.slots<uint32_t>(a_operands[r]);
        for (int l = 0; l < 32; l++) {
            for (int i = 0; i < n; i++) a[l / 4 + 8 * (r % 2)][n * (l % 4) + 4 * n * (r / 2) + i] = get(bits[l], i);
        }
    }
    for (int r = 0; r < a_count / 2; r++) {
        const uint32_t *bits = w.slots<uint32_t>(b_operands[r]);
        for (int l = 0; l < 32; l++) {
            for (int i = 0; i < n; i++) b[n * (l % 4) + 4 * n * r + i][l / 4] = get(bits[l], i);
        }
    }
}

template <class T> void accumulate(const T (&a)[16][32], const T (&b)[32][8], int k, T (&d)[16][8]) {
    for (int row = 0; row < 16; row++) {
        for (int i = 0; i < k; i++) {
            for (int column = 0; column < 8; column++) d[row][column] += a[row][i] * b[i][column];
        }
    }
}

}  // namespace

void multiply_matrices(Warp &w, const Instruction &in) {
    need_all_lanes(w);
    const MatrixElement type = static_cast<MatrixElement>(in.mode);
    const bool halves = in.target, integers = type == MatrixElement::s8 || type == MatrixElement::u8;
    const int n = integers ? 4 : type == MatrixElement::tf32 ? 1 : 2, k = 2 * n * in.count, results = halves ? 2 : 4;
    const uint32_t *d = in.operand.data(), *a = d + results, *b = a + in.count, *c = b + in.count / 2;
    if (integers) {
        int32_t am[16][32], bm[32][8], sum[16][8];
        gather(w, a, in.count, b, n, am, bm, [=](uint32_t bits, int i) { return integer_of(bits, i, type); });
        for (int e = 0; e < 4; e++) {
            for (int l = 0; l < 32; l++) sum[l / 4 + 8 * (e / 2)][2 * (l % 4) + e % 2] = w.get<int32_t>(c[e], l);
        }
        accumulate(am, bm, k, sum);
        for (int e = 0; e < 4; e++) {
            for (int l = 0; l < 32; l++) w.set<int32_t>(d[e], l, sum[l / 4 + 8 * (e / 2)][2 * (l % 4) + e % 2]);
        }
        return;
    }
    float am[16][32], bm[32][8], sum[16][8];
    if (type == MatrixElement::f16)
        gather(w, a, in.count, b, n, am, bm, [](uint32_t bits, int i) { return element_of(bits, i, MatrixElement::f16); });
    else gather(w, a, in.count, b, n, am, bm, [=](uint32_t bits, int i) { return element_of(bits, i, type); });
    for (int e = 0; e < 4; e++) {
        for (int l = 0; l < 32; l++) {
            float &s = sum[l / 4 + 8 * (e / 2)][2 * (l % 4) + e % 2];
            s = halves ? element_of(w.get<uint32_t>(c[e / 2], l), e % 2, MatrixElement::f16) : w.get<float>(c[e], l);
        }
    }
    accumulate(am, bm, k, sum);
    for (int l = 0; l < 32; l++) {
        for (int e = 0; e < 4; e += 2) {
            const float *pair = &sum[l / 4 + 8 * (e / 2)][2 * (l % 4)];
            if (halves) {
                w.set<uint32_t>(d[e / 2], l, from_float<Half>(pair[0]).bits | static_cast<uint32_t>(from_float<Half>(pair[1]).bits) << 16);
            } else {
                w.set<float>(d[e], l, pair[0]);
                w.set<float>(d[e + 1], l, pair[1]);
            }
        }
    }
}

void load_matrices(Warp &w, const Instruction &in) {
    need_all_lanes(w);
    uint16_t rows[4][8][8];
    for (int lane = 0; lane < 8 * in.count; lane++) {  // lanes 8m … 8m+7 have the addresses of the rows of matrix m
        const uint64_t address = address_of(w, in.operand[in.count], in.mode & wide_base, in.offset, lane);
        try {
            read_shared(w, address, 16, rows[lane / 8][lane % 8], lane);
        } catch (const Fault &fault) {
            throw Fault(fault.what(), lane);
        }
    }
    for (int m = 0; m < in.count; m++) {
        for (int l = 0; l < 32; l++) {
            const int i = l / 4, j = 2 * (l % 4);
            const uint32_t first = in.target ? rows[m][j][i] : rows[m][i][j], second = in.target ? rows[m][j + 1][i] : rows[m][i][j + 1];
            w.set<uint32_t>(in.operand[m], l, first | second << 16);
        }
    }
}

void transpose_matrix(Warp &w, const Instruction &in) {
    need_all_lanes(w);
    uint16_t rows[8][8];
    for (int l = 0; l < 32; l++) {
        const uint32_t pair = w.get<uint32_t>(in.operand[1], l);
        rows[l / 4][2 * (l % 4)] = static_cast<uint16_t>(pair);
        rows[l / 4][2 * (l % 4) + 1] = static_cast<uint16_t>(pair >> 16);
    }
    for (int l = 0; l < 32; l++)
        w.set<uint32_t>(in.operand[0], l, rows[2 * (l % 4)][l / 4] | static_cast<uint32_t>(rows[2 * (l % 4) + 1][l / 4]) << 16);
}

}  // namespace ptxsim
