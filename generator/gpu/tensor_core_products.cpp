#include "generator/gpu/tensor_core_writer.h"

namespace attune {

using std::string;
using std::to_string;

string TensorCoreWriter::mma(const string &d, const string &a, const string &b, const string &c) const {
    return "mma.sync.aligned.m16n8k16.row.col.f32." + half + "." + half + ".f32 " + d + ", " + a + ", " + b + ", " + c + ";";
}

string TensorCoreWriter::load_query(int step, int r, int to) const {
    return "ldmatrix.sync.aligned.m8n8.x4.shared.b16 " + ptx_registers("q", to, 4) + ", " +
           ptx_address("%queryfrom", r * 16 * query.pitch() + step * 32) + ";";
}

string TensorCoreWriter::take_query() const {
    PtxText t;
    if (s.query_in_registers) {
        t("cp.async.wait_group " + to_string(s.stages) + ";")("bar.sync 0;");
        for (int k = 0; k < steps; k++)
            for (int r = 0; r < s.row_tiles; r++)
                t(load_query(k, r, (k * s.row_tiles + r) * 4));
    }
    return t.str();
}

/// Fragments are loaded one step ahead of their products: two sets of registers take turns.
string TensorCoreWriter::scores() const {
    PtxText t;
    t(".reg .b32 %k<8>, %at;");
    if (s.stages == 2)
        t("add.u32 %at, %from, %buffer;");
    auto load_key = [&](int i) {
        t("ldmatrix.sync.aligned.m8n8.x4.shared.b16 " + ptx_registers("k", i % 2 * 4, 4) + ", " +
          ptx_address(s.stages == 2 ? "%at" : "%from", first_key + i % pairs * 16 * query.pitch() + i / pairs * 32) + ";");
    };
    // The matrices come as keys 0 … 7 and 8 … 15 of head dims 0 … 7, then of 8 … 15.
    auto key_tile = [](int set, int j) { return "{%k" + to_string(set * 4 + j) + ", %k" + to_string(set * 4 + j + 2) + "}"; };
    auto query_registers = [&](int k, int r) { return (s.query_in_registers ? k * s.row_tiles + r : k % 2 * s.row_tiles + r) * 4; };
    auto load_queries = [&](int k) {
        for (int r = 0; r < s.row_tiles && !s.query_in_registers; r++)
            t(load_query(k, r, query_registers(k, r)));
    };
    load_queries(0);
    load_key(0);
    for (int i = 0; i < steps * pairs; i++) {
        const int k = i / pairs, p = i % pairs;
        if (p == 0 && k + 1 < steps)
            load_queries(k + 1);
        if (i + 1 < steps * pairs)
            load_key(i + 1);
        for (int j = 0; j < 2; j++)
            for (int r = 0; r < s.row_tiles; r++) {
                const string so_far = k ? score(r, 2 * p + j) : "{%zero, %zero, %zero, %zero}";
                t(mma(score(r, 2 * p + j), ptx_registers("q", query_registers(k, r), 4), key_tile(i % 2, j), so_far));
            }
    }
    return t.str();
}

/// %m: the maximum of the scores of each thread row, over the four lanes that share it.
void TensorCoreWriter::row_maxima(PtxText &t) const {
    for (int i = 0; i < s.thread_rows(); i++) {
        const int r = i / 2, h = i % 2;
        const string m = "%m" + to_string(i);
        t("max.f32 " + m + ", " + score(r, 0, 2 * h) + ", " + score(r, 0, 2 * h + 1) + ";");
        for (int j = 1; j < s.key_tiles(); j++) {
            const string x = "%x" + to_string(j % 2);
            t("max.f32 " + x + ", " + score(r, j, 2 * h) + ", " + score(r, j, 2 * h + 1) + ";")("max.f32 " + m + ", " + m + ", " + x + ";");
        }
    }
    for (int lanes : {1, 2}) {
        for (int i = 0; i < s.thread_rows(); i++)
            t("shfl.sync.bfly.b32 %y" + to_string(i) + ", %m" + to_string(i) + ", " + to_string(lanes) + ", 31, 0xffffffff;");
        for (int i = 0; i < s.thread_rows(); i++)
            t("max.f32 %m" + to_string(i) + ", %m" + to_string(i) + ", %y" + to_string(i) + ";");
    }
}

/// The reference follows a row's maximum where that has grown by more than `lag`; accumulator and sum follow it. A warp takes the
/// branch together, but rows that have not grown are multiplied by 1, so that no row's result depends on its neighbours.
void TensorCoreWriter::rescale(PtxText &t) const {
    const string lag = ptx_float(s.lag);
    for (int i = 0; i < s.thread_rows(); i++) {
        const string y = "%y" + to_string(i);
        t("fma.rn.f32 " + y + ", %m" + to_string(i) + ", " + ptx_float(s.scale) + ", %n" + to_string(i) + ";");
        t(i == 0 ? "setp.gt.f32 %grown, " + y + ", " + lag + ";" : "setp.gt.or.f32 %grown, " + y + ", " + lag + ", %grown;");
    }
    t("vote.sync.any.pred %grown, %grown, 0xffffffff;")("@!%grown bra.uni SAME;");
    for (int i = 0; i < s.thread_rows(); i++) {
        const string n = "%n" + to_string(i), y = "%y" + to_string(i), l = "%l" + to_string(i);
        t("setp.gt.f32 %grown, " + y + ", " + lag + ";")("mul.rn.f32 " + y + ", %m" + to_string(i) + ", " + ptx_float(-s.scale) + ";");
        t("selp.f32 " + y + ", " + y + ", " + n + ", %grown;");
        t("sub.rn.f32 %x0, " + y + ", " + n + ";")("mov.f32 " + n + ", " + y + ";");
        t("ex2.approx.ftz.f32 " + y + ", %x0;")("mul.rn.f32 " + l + ", " + l + ", " + y + ";");
    }
    for (int r = 0; r < s.row_tiles; r++)
        for (int j = 0; j < out_tiles; j++)
            for (int i = 0; i < 4; i++) {
                const string o = "%o" + to_string((r * out_tiles + j) * 4 + i);
                t("mul.rn.f32 " + o + ", " + o + ", %y" + to_string(2 * r + i / 2) + ";");
            }
    t.label("SAME");
}

/// Weights of keys 16 k … 16 k + 15 into the left operand's layout, which the scores have already: %w.
void TensorCoreWriter::weights(PtxText &t, int k) const {
    for (int r = 0; r < s.row_tiles; r++)
        for (int j = 0; j < 2; j++) {
            for (int i = 0; i < 4; i++) {
                const string x = score(r, 2 * k + j, i);
                t("fma.rn.f32 " + x + ", " + x + ", " + ptx_float(s.scale) + ", %n" + to_string(2 * r + i / 2) + ";");
                t("ex2.approx.ftz.f32 " + x + ", " + x + ";");
            }
            for (int h = 0; h < 2; h++) {
                const string a = score(r, 2 * k + j, 2 * h), b = score(r, 2 * k + j, 2 * h + 1), l = "%l" + to_string(2 * r + h);
                const string x = "%x" + to_string(h), w = "%w" + to_string(k % 2 * s.row_tiles * 4 + r * 4 + 2 * j + h);
                t("add.rn.f32 " + x + ", " + a + ", " + b + ";")("add.rn.f32 " + l + ", " + l + ", " + x + ";");
                t("cvt.rn." + half + "x2.f32 " + w + ", " + b + ", " + a + ";");
            }
        }
}

string TensorCoreWriter::values() const {
    PtxText t;
    const string rows = to_string(s.thread_rows());
    t(".reg .f32 %m<" + rows + ">, %y<" + rows + ">, %x<2>;")(".reg .pred %grown;");
    t(".reg .b32 %v<8>, %at, %w<" + to_string(8 * s.row_tiles) + ">;");
    row_maxima(t);
    rescale(t);
    if (s.stages == 2)
        t("add.u32 %at, " + value_from() + ", %buffer;");
    const int columns = out_tiles / 2;
    auto load_value = [&](int i) {
        t("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 " + ptx_registers("v", i % 2 * 4, 4) + ", " +
          ptx_address(s.stages == 2 ? "%at" : value_from(), first_value + i / columns * 16 * value.pitch() + i % columns * 32) + ";");
    };
    weights(t, 0);
    load_value(0);
    for (int i = 0; i < pairs * columns; i++) {
        const int k = i / columns, p = i % columns;
        if (p == 0 && k + 1 < pairs)
            weights(t, k + 1);
        if (i + 1 < pairs * columns)
            load_value(i + 1);
        for (int j = 0; j < 2; j++)
            for (int r = 0; r < s.row_tiles; r++) {
                const string o = ptx_registers("o", (r * out_tiles + 2 * p + j) * 4, 4);
                t(mma(o, ptx_registers("w", k % 2 * s.row_tiles * 4 + r * 4, 4), ptx_registers("v", i % 2 * 4 + 2 * j, 2), o));
            }
    }
    return t.str();
}

}  // namespace attune
