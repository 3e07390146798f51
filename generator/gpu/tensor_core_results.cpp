#include "generator/gpu/tensor_core_writer.h"

#include <cmath>

namespace attune {

using std::string;
using std::to_string;

string TensorCoreWriter::sum() const {
    PtxText t;
    t(".reg .f32 %y;");
    for (int i = 0; i < s.thread_rows(); i++)
        for (int lanes : {1, 2}) {
            const string l = "%l" + to_string(i);
            t("shfl.sync.bfly.b32 %y, " + l + ", " + to_string(lanes) + ", 31, 0xffffffff;")("add.rn.f32 " + l + ", " + l + ", %y;");
        }
    return t.str();
}

/// The reference becomes the sink where that is larger; %a scales what the accumulator holds.
string TensorCoreWriter::sink(int i) const {
    PtxText t;
    const string n = "%n" + to_string(i), l = "%l" + to_string(i), a = "%a" + to_string(i);
    t(".reg .f32 %x, %y;");
    t("neg.f32 %x, $1;")("min.f32 %y, " + n + ", %x;")("sub.rn.f32 %x, %y, " + n + ";");
    t("ex2.approx.ftz.f32 " + a + ", %x;")("mov.f32 " + n + ", %y;");
    t("add.rn.f32 %x, $1, %y;")("ex2.approx.ftz.f32 %x, %x;")("fma.rn.f32 " + l + ", " + l + ", " + a + ", %x;");
    return t.str();
}

/// Rows that saw no key have a sum of 0 and become 0.
string TensorCoreWriter::finish() const {
    PtxText t;
    t(".reg .f32 %y, %x<2>;")(".reg .pred %none;")(".reg .b32 %z, %to0, %t<4>;");
    // Columns 2 (l mod 4) of row l / 4 of the warp.
    t("mov.u32 %t0, attune_tiles;")("mov.u32 %t1, %tid.x;")("shr.u32 %t2, %t1, 5;")("and.b32 %t1, %t1, 31;");
    t("shr.u32 %t3, %t1, 2;")("mad.lo.u32 %t3, %t2, " + to_string(16 * s.row_tiles) + ", %t3;")("and.b32 %t1, %t1, 3;");
    t("mad.lo.u32 %t0, %t1, 4, %t0;")("mad.lo.u32 %to0, %t3, " + to_string(value.pitch()) + ", %t0;");
    t("cp.async.wait_group 0;")("bar.sync 0;");
    for (int r = 0; r < s.row_tiles; r++)
        for (int h = 0; h < 2; h++) {
            const string i = to_string(2 * r + h);
            t("rcp.approx.ftz.f32 %y, %l" + i + ";")("setp.eq.f32 %none, %l" + i + ", 0f00000000;");
            t("selp.f32 %y, 0f00000000, %y, %none;");
            if (s.sink)
                t("mul.rn.f32 %y, %y, %a" + i + ";");
            for (int j = 0; j < out_tiles; j++) {
                for (int c = 0; c < 2; c++)
                    t("mul.rn.f32 %x" + to_string(c) + ", %o" + to_string((r * out_tiles + j) * 4 + 2 * h + c) + ", %y;");
                t("cvt.rn." + half + "x2.f32 %z, %x1, %x0;");
                t("st.shared.b32 " + ptx_address("%to0", (r * 16 + h * 8) * value.pitch() + j * 16) + ", %z;");
            }
        }
    t("bar.sync 0;");
    return t.str();
}

string TensorCoreWriter::lse(int i) const {
    PtxText t;
    t(".reg .f32 %y;")(".reg .pred %in, %unused;");
    t("lg2.approx.f32 %y, %l" + to_string(i) + ";")("sub.rn.f32 %y, %y, %n" + to_string(i) + ";");  // of 0: -infinity
    t("mul.rn.f32 %y, %y, " + ptx_float(static_cast<float>(M_LN2)) + ";");
    t("setp.eq.s32 %unused, $3, 0;")("selp.f32 %y, 0fFF800000, %y, %unused;");
    t("setp.ne.s32 %in, $2, 0;")("@%in st.global.f32 [$1], %y;");
    return t.str();
}

}  // namespace attune
