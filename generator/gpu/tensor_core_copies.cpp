#include "generator/gpu/tensor_core_writer.h"

#include <algorithm>
#include <bit>

namespace attune {

using std::string;
using std::to_string;

namespace {

string log2_of(int power) {
    return to_string(std::countr_zero(static_cast<unsigned>(power)));
}

}  // namespace

string TensorCoreWriter::setup() const {
    PtxText t;
    t(".reg .b32 %t<8>, %u<4>;");
    t("mov.u32 %t0, attune_tiles;");
    t("and.b32 %t1, $0, 31;")("shr.u32 %t2, $0, 5;");  // lane, warp
    t("mov.f32 %zero, 0f00000000;");
    t("mov.b64 %key, $1;")("mov.b64 %value, $2;");
    // Where ldmatrix reads: lane l gives row l mod 16 of piece l / 16.
    t("and.b32 %t3, %t1, 15;")("shr.u32 %t4, %t1, 4;")("mad.lo.u32 %t4, %t4, 16, %t0;");
    t("mad.lo.u32 %from, %t3, " + to_string(query.pitch()) + ", %t4;");
    if (!same_pitch())
        t("mad.lo.u32 %valuefrom, %t3, " + to_string(value.pitch()) + ", %t4;");
    t("mad.lo.u32 %queryfrom, %t2, " + to_string(16 * s.row_tiles * query.pitch()) + ", %from;");
    own_piece(t, "%to", query);
    if (!same_pitch())
        own_piece(t, "%valueto", value);
    if (s.stages == 2)
        t("mov.u32 %buffer, 0;");
    for (int i = 0; i < s.row_tiles * out_tiles * 4; i++)
        t("mov.f32 %o" + to_string(i) + ", 0f00000000;");
    for (int i = 0; i < s.thread_rows(); i++)
        t("mov.f32 %l" + to_string(i) + ", 0f00000000;")("mov.f32 %n" + to_string(i) + ", " + ptx_float(-tensor_core_first_maximum) + ";");
    return t.str();
}

/// Where the piece of thread $0 of the first rows of an array lies.
void TensorCoreWriter::own_piece(PtxText &t, const string &to, const TensorCoreShape::Copy &copy) const {
    t("mov.u32 %u2, attune_tiles;");
    t("shr.u32 %u0, $0, " + log2_of(copy.across) + ";");
    t("and.b32 %u1, $0, " + to_string(copy.across - 1) + ";")("mad.lo.u32 %u2, %u1, 16, %u2;");
    t("mad.lo.u32 " + to + ", %u0, " + to_string(copy.pitch()) + ", %u2;");
}

string TensorCoreWriter::fetch_query() const {
    PtxText t;
    for (int i = 0; i < query.rounds(s.block_q()); i++)
        for (int p = 0; p < query.pieces; p += query.across)
            t("cp.async.cg.shared.global " + ptx_address("%to", i * query.rows_at_once * query.pitch() + p * 16) + ", " +
              ptx_address("$" + to_string(i + 1), p * 16) + ", 16;");
    t("cp.async.commit_group;");
    return t.str();
}

/// Rows of the chunk whose turn it is, of which $1 are left, $2 elements from each other. %<name> walks from round to round, and so to
/// the next chunk: a loop that adds addresses up anew for each chunk takes 8 registers more.
string TensorCoreWriter::fetch(const string &name, const TensorCoreShape::Copy &copy, const string &to, int offset) const {
    PtxText t;
    t(".reg .pred %none, %part, %in;")(".reg .b64 %step;")(".reg .b32 %own, %bytes, %row, %at;");
    const int rounds = copy.rounds(s.block_kv), rows = std::min(copy.rows_at_once, s.block_kv);
    t("mul.wide.s32 %step, $2, " + to_string(2 * rows) + ";");
    t("setp.le.s32 %none, $1, 0;")("@%none bra SKIP;");
    if (s.stages == 2)
        t("add.u32 %at, " + to + ", %buffer;");
    auto own_row = [&] { t("mov.u32 %row, %tid.x;")("shr.u32 %row, %row, " + log2_of(copy.across) + ";"); };
    if (copy.rows_at_once > s.block_kv) {  // more threads than pieces
        own_row();
        t("setp.ge.s32 %in, %row, " + to_string(s.block_kv) + ";")("@%in bra SKIP;");
    }
    auto round = [&](int i, const string &bytes) {
        for (int p = 0; p < copy.pieces; p += copy.across)
            t("cp.async.cg.shared.global " +
              ptx_address(s.stages == 2 ? "%at" : to, offset + i * copy.rows_at_once * copy.pitch() + p * 16) + ", " +
              ptx_address("%" + name, p * 16) + ", 16" + bytes + ";");
        t("add.s64 %" + name + ", %" + name + ", %step;");
    };
    t("setp.lt.s32 %part, $1, " + to_string(s.block_kv) + ";")("@%part bra PART;");
    for (int i = 0; i < rounds; i++)
        round(i, "");
    t("bra.uni END;");
    t.label("PART");
    own_row();
    t("sub.s32 %own, $1, %row;");
    for (int i = 0; i < rounds; i++) {
        t("setp.gt.s32 %in, %own, " + to_string(i * copy.rows_at_once) + ";")("selp.b32 %bytes, 16, 0, %in;");
        round(i, ", %bytes");
    }
    t("bra.uni END;");
    t.label("SKIP");
    t("mul.wide.s32 %step, $2, " + to_string(2 * s.block_kv) + ";")("add.s64 %" + name + ", %" + name + ", %step;");
    t.label("END");
    t("cp.async.commit_group;");
    return t.str();
}

string TensorCoreWriter::fetch_key() const {
    return fetch("key", query, "%to", first_key);
}

string TensorCoreWriter::fetch_value() const {
    string text = fetch("value", value, value_to(), first_value);
    if (s.stages == 2)  // from here on the buffer that was filled before
        text += "\t\txor.b32 %buffer, %buffer, " + to_string(key_bytes + value_bytes) + ";\n";
    return text;
}

string TensorCoreWriter::wait() const {
    PtxText t;
    t("cp.async.wait_group 0;")("bar.sync 0;");
    return t.str();
}

string TensorCoreWriter::store() const {
    PtxText t;
    t(".reg .b32 %v<4>;")(".reg .pred %in, %unused;");
    for (int i = 0; i < value.rounds(s.block_q()); i++) {
        const string row = to_string(i * value.rows_at_once);
        t("setp.gt.s32 %in, $1, " + row + ";")("setp.le.s32 %unused, $2, " + row + ";");
        for (int p = 0; p < value.pieces; p += value.across) {
            t("ld.shared.v4.b32 " + ptx_registers("v", 0, 4) + ", " +
              ptx_address(value_to(), i * value.rows_at_once * value.pitch() + p * 16) + ";");
            for (int j = 0; j < 4; j++)
                t("selp.b32 %v" + to_string(j) + ", 0, %v" + to_string(j) + ", %unused;");
            t("@%in st.global.v4.b32 " + ptx_address("$" + to_string(i + 3), p * 16) + ", " + ptx_registers("v", 0, 4) + ";");
        }
    }
    return t.str();
}

}  // namespace attune
