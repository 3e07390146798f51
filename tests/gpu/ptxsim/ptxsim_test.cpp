// The simulator through the driver's functions, as a runtime uses it: each class of instructions against plain C++, each error by its sentence.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Driver {
    void *handle = dlopen(PTXSIM_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    template <class F> F *get(const char *name) const { return reinterpret_cast<F *>(dlsym(handle, name)); }
#define FUNCTION(name, ...) int (*name)(__VA_ARGS__) = get<int(__VA_ARGS__)>(#name)
    FUNCTION(cuInit, unsigned);
    FUNCTION(cuDeviceGetAttribute, int *, int, int);
    FUNCTION(cuCtxCreate_v2, void **, unsigned, int);
    FUNCTION(cuCtxDestroy_v2, void *);
    FUNCTION(cuCtxSetCurrent, void *);
    FUNCTION(cuCtxGetCurrent, void **);
    FUNCTION(cuModuleLoadData, void **, const void *);
    FUNCTION(cuModuleLoadDataEx, void **, const void *, unsigned, int *, void **);
    FUNCTION(cuModuleUnload, void *);
    FUNCTION(cuModuleGetFunction, void **, void *, const char *);
    FUNCTION(cuFuncSetAttribute, void *, int, int);
    FUNCTION(cuLaunchKernel, void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
    FUNCTION(cuMemAlloc_v2, uint64_t *, size_t);
    FUNCTION(cuMemFree_v2, uint64_t);
    FUNCTION(cuMemcpyHtoD_v2, uint64_t, const void *, size_t);
    FUNCTION(cuMemcpyDtoH_v2, void *, uint64_t, size_t);
    FUNCTION(cuStreamCreate, void **, unsigned);
    FUNCTION(cuStreamDestroy_v2, void *);
    FUNCTION(cuEventCreate, void **, unsigned);
    FUNCTION(cuEventRecord, void *, void *);
    FUNCTION(cuEventElapsedTime, float *, void *, void *);
    FUNCTION(cuGetErrorName, int, const char **);
#undef FUNCTION
    const char *(*last_error)() = get<const char *()>("ptxsim_last_error");
    void *(*last_stream)() = get<void *()>("ptxsim_last_stream");
};
const Driver &cu() {
    static const Driver *const d = new Driver;
    return *d;
}

std::string header(const char *target = "sm_80", const char *version = "8.0") { return std::string(".version ") + version + "\n.target " + target + "\n.address_size 64\n"; }

struct Size {
    unsigned x = 1, y = 1, z = 1;
};

// A context of its own a test; memory that is read back by type.
struct Ptx : testing::Test {
    void *context = nullptr, *module = nullptr;
    std::vector<uint64_t> memory;

    void SetUp() override {
        ASSERT_NE(cu().handle, nullptr) << dlerror();
        unsetenv("ATTUNE_PTXSIM_CAPABILITY");
        ASSERT_EQ(cu().cuInit(0), 0);
        ASSERT_EQ(cu().cuCtxCreate_v2(&context, 0, 0), 0);
    }
    void TearDown() override {
        for (uint64_t m : memory) cu().cuMemFree_v2(m);
        cu().cuCtxDestroy_v2(context);
    }
    template <class T> uint64_t upload(const std::vector<T> &v) {
        uint64_t address = 0;
        EXPECT_EQ(cu().cuMemAlloc_v2(&address, v.size() * sizeof(T)), 0);
        EXPECT_EQ(cu().cuMemcpyHtoD_v2(address, v.data(), v.size() * sizeof(T)), 0);
        memory.push_back(address);
        return address;
    }
    template <class T> std::vector<T> download(uint64_t address, size_t n) {
        std::vector<T> v(n);
        EXPECT_EQ(cu().cuMemcpyDtoH_v2(v.data(), address, n * sizeof(T)), 0);
        return v;
    }
    // The error log of a module; empty where it loads.
    std::string load(const std::string &text) {
        char log[1000] = "";
        int options[] = {5, 6};
        void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
        const int result = cu().cuModuleLoadDataEx(&module, text.c_str(), 2, options, values);
        EXPECT_EQ(result == 0, log[0] == 0) << result << log;
        return log;
    }
    void *function(const char *name) {
        void *f = nullptr;
        EXPECT_EQ(cu().cuModuleGetFunction(&f, module, name), 0) << name;
        return f;
    }
    template <class... A> int launch(const char *name, Size grid, Size block, unsigned shared, A... arguments) {
        void *parameters[] = {&arguments..., nullptr};
        return cu().cuLaunchKernel(function(name), grid.x, grid.y, grid.z, block.x, block.y, block.z, shared, nullptr, parameters, nullptr);
    }
    // A kernel k(u64 out) around a body; the error of its launch with one block.
    std::string run(const std::string &body, Size block, uint64_t out, unsigned shared = 0, const char *declarations = "") {
        const std::string text = header() + declarations + ".visible .entry k(.param .u64 out) {\n" + registers + body + "\nret;\n}\n";
        const std::string log = load(text);
        if (!log.empty()) return log;
        void *f = function("k");
        EXPECT_EQ(cu().cuFuncSetAttribute(f, 8, static_cast<int>(shared)), 0);
        testing::internal::CaptureStderr();
        const int result = launch("k", {}, block, shared, out);
        const std::string printed = testing::internal::GetCapturedStderr();
        if (result == 0) return "";
        EXPECT_EQ(result, 719);
        EXPECT_EQ(printed, cu().last_error() + std::string("\n"));
        return cu().last_error();
    }
    static constexpr const char *registers = R"(
        .reg .pred %p<20>; .reg .b16 %h<20>; .reg .b32 %r<60>; .reg .f32 %f<60>; .reg .b64 %d<20>; .reg .f64 %g<20>;
        ld.param.u64 %d1, [out]; mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 2; cvt.u64.u32 %d2, %r2; add.s64 %d3, %d1, %d2;
)";
};

void expect_in(const std::string &text, std::initializer_list<const char *> parts) {
    for (const char *part : parts) EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

// ---- one lane's arithmetic

uint32_t bits_of(float f) { return std::bit_cast<uint32_t>(f); }
float as_float(uint32_t b) { return std::bit_cast<float>(b); }
float half_of(uint32_t b) { return static_cast<float>(std::bit_cast<_Float16>(static_cast<uint16_t>(b))); }
uint32_t to_half(float f) { return std::bit_cast<uint16_t>(static_cast<_Float16>(f)); }
float bfloat_of(uint32_t b) { return as_float(b << 16); }
uint32_t to_bfloat(float f) {  // of a number
    const uint32_t b = bits_of(f);
    return (b + 0x7fff + (b >> 16 & 1)) >> 16;
}

struct Operation {
    const char *name, *text;  // text computes %out (64 bits) from %a, %b, %c (32 bits), %x = {%a, %b}, %y = {%c, %a}
    std::function<uint64_t(uint32_t a, uint32_t b, uint32_t c)> expected;
    enum Kind { exact, approximate, real, half, bfloat } kind = exact;  // real: bits of a float, where any NaN is as good as another; halves likewise
};

void PrintTo(const Operation &op, std::ostream *out) { *out << op.name; }

struct Arithmetic : Ptx, testing::WithParamInterface<Operation> {};

TEST_P(Arithmetic, IsThatOfCpp) {
    const Operation &op = GetParam();
    std::mt19937 random(7);
    std::vector<uint32_t> in;
    const uint32_t corners[] = {0, 1, 0xffffffff, 0x80000000, 0x7fffffff, bits_of(1.5f), bits_of(-2.75f), bits_of(INFINITY), bits_of(NAN), bits_of(-0.f), 31, 32, 0x3c003800, 0xbf80c000};
    for (int i = 0; i < 3 * 96; i++) {
        if (i < 3 * 64) in.push_back(corners[random() % std::size(corners)]);
        else in.push_back(op.kind == Operation::exact ? static_cast<uint32_t>(random()) : bits_of(std::ldexp(static_cast<float>(random() % 2000) - 1000.f, -6)));
    }
    setenv("ATTUNE_PTXSIM_CAPABILITY", "90", 1);
    const uint64_t input = upload(in), out = upload(std::vector<uint64_t>(96, 0));
    ASSERT_EQ(load(header("sm_90", "8.0") + ".visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .pred %p<9>; .reg .b32 %a, %b, %c, %r<20>; .reg .f32 %f<9>;\n" +
                   ".reg .b16 %h<9>; .reg .b64 %x, %y, %out, %d<20>;\nld.param.u64 %d1, [in]; ld.param.u64 %d2, [out]; mov.u32 %r1, %tid.x;\n" +
                   "mul.wide.u32 %d3, %r1, 12; add.s64 %d1, %d1, %d3; mad.wide.u32 %d2, %r1, 8, %d2;\n" +
                   "ld.global.u32 %a, [%d1]; ld.global.u32 %b, [%d1+4]; ld.global.u32 %c, [%d1+8]; mov.b64 %x, {%a, %b}; mov.b64 %y, {%c, %a};\n" + op.text +
                   "\nst.global.u64 [%d2], %out; ret; }\n"),
              "");
    ASSERT_EQ(launch("k", {}, {96}, 0, input, out), 0) << cu().last_error();
    const auto got = download<uint64_t>(out, 96);
    for (int i = 0; i < 96; i++) {
        const uint64_t want = op.expected(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
        const auto shown = [&] {
            std::ostringstream s;
            s << std::hex << in[3 * i] << " " << in[3 * i + 1] << " " << in[3 * i + 2] << ": " << got[i] << ", not " << want;
            return s.str();
        };
        const auto value = [&](uint64_t v) { return op.kind == Operation::half ? half_of(v) : op.kind == Operation::bfloat ? bfloat_of(v) : as_float(v); };
        if (op.kind != Operation::exact && std::isnan(value(want))) EXPECT_TRUE(std::isnan(value(got[i]))) << shown();
        else if (op.kind == Operation::approximate && std::isfinite(value(want))) EXPECT_NEAR(value(got[i]), value(want), 4e-7f * std::fabs(value(want)) + 1e-38f) << shown();
        else EXPECT_EQ(got[i], want) << shown();
    }
}

int32_t s(uint32_t x) { return static_cast<int32_t>(x); }
uint64_t u64(uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; }
int64_t s64(uint32_t low, uint32_t high) { return static_cast<int64_t>(u64(low, high)); }
#define TO_OUT " cvt.u64.u32 %out, %r2;"
#define H_TO_OUT " cvt.u64.u16 %out, %h3;"
#define HALVES "cvt.u16.u32 %h0, %a; cvt.u16.u32 %h1, %b; cvt.u16.u32 %h2, %c; "
#define E [](uint32_t a, uint32_t b, uint32_t c) -> uint64_t
#define UNUSED (void)a, (void)b, (void)c

const std::vector<Operation> operations = {
    {"add_u32", "add.u32 %r2, %a, %b;" TO_OUT, E { UNUSED; return a + b; }},
    {"sub_s32", "sub.s32 %r2, %a, 5;" TO_OUT, E { UNUSED; return a - 5; }},
    {"sub_negative_immediate", "add.s32 %r2, %a, -7;" TO_OUT, E { UNUSED; return a - 7; }},
    {"add_s64", "add.s64 %out, %x, %y;", E { UNUSED; return u64(a, b) + u64(c, a); }},
    {"mul_lo_s32", "mul.lo.s32 %r2, %a, %b;" TO_OUT, E { UNUSED; return a * b; }},
    {"mul_hi_u32", "mul.hi.u32 %r2, %a, %b;" TO_OUT, E { UNUSED; return static_cast<uint64_t>(a) * b >> 32; }},
    {"mul_hi_s32", "mul.hi.s32 %r2, %a, %b;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(static_cast<int64_t>(s(a)) * s(b) >> 32); }},
    {"mul_hi_s64", "mul.hi.s64 %out, %x, %y;", E { UNUSED; return static_cast<uint64_t>(static_cast<__int128>(s64(a, b)) * s64(c, a) >> 64); }},
    {"mul_wide_s32", "mul.wide.s32 %out, %a, %b;", E { UNUSED; return static_cast<uint64_t>(static_cast<int64_t>(s(a)) * s(b)); }},
    {"mul_wide_u16", HALVES "mul.wide.u16 %r2, %h0, %h1;" TO_OUT, E { UNUSED; return (a & 0xffff) * (b & 0xffff); }},
    {"mad_wide_s32", "mad.wide.s32 %out, %a, %b, %y;", E { UNUSED; return static_cast<uint64_t>(static_cast<int64_t>(s(a)) * s(b)) + u64(c, a); }},
    {"mad_lo_s32", "mad.lo.s32 %r2, %a, %b, %c;" TO_OUT, E { UNUSED; return a * b + c; }},
    {"mul_lo_s16", HALVES "mul.lo.s16 %h3, %h0, %h1;" H_TO_OUT, E { UNUSED; return static_cast<uint16_t>(a * b); }},
    {"div_s32", "or.b32 %r3, %b, 1; shr.s32 %r4, %a, 1; div.s32 %r2, %r4, %r3;" TO_OUT, E { UNUSED; return static_cast<uint32_t>((s(a) >> 1) / s(b | 1)); }},
    {"rem_u32", "or.b32 %r3, %b, 1; rem.u32 %r2, %a, %r3;" TO_OUT, E { UNUSED; return a % (b | 1); }},
    {"div_u64", "or.b64 %d5, %y, 1; div.u64 %out, %x, %d5;", E { UNUSED; return u64(a, b) / (u64(c, a) | 1); }},
    {"min_s32", "min.s32 %r2, %a, %b;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(std::min(s(a), s(b))); }},
    {"max_u32", "max.u32 %r2, %a, %b;" TO_OUT, E { UNUSED; return std::max(a, b); }},
    {"abs_neg_s32", "abs.s32 %r3, %a; neg.s32 %r2, %r3;" TO_OUT, E { UNUSED; return s(a) < 0 ? a : 0 - a; }},
    {"logic", "and.b32 %r3, %a, %b; or.b32 %r4, %r3, %c; not.b32 %r5, %r4; xor.b32 %r2, %r5, %a;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(~((a & b) | c) ^ a); }},
    {"shl_b32", "shl.b32 %r2, %a, %c;" TO_OUT, E { UNUSED; return c > 31 ? 0 : a << c; }},
    {"shr_s32", "shr.s32 %r2, %a, %c;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(c > 31 ? (s(a) < 0 ? -1 : 0) : s(a) >> c); }},
    {"shr_u64", "shr.u64 %out, %x, 13;", E { UNUSED; return u64(a, b) >> 13; }},
    {"shf_l_wrap", "shf.l.wrap.b32 %r2, %a, %b, %c;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(u64(a, b) << (c & 31) >> 32); }},
    {"shf_r_clamp", "shf.r.clamp.b32 %r2, %a, %b, %c;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(c > 31 ? b : u64(a, b) >> c); }},
    {"prmt", "prmt.b32 %r2, %a, %b, 0x9175;" TO_OUT,  // bytes 5, 7, 1, sign of byte 1
     E { UNUSED; return (b >> 8 & 255) | (b >> 24 & 255) << 8 | (a >> 8 & 255) << 16 | (a >> 15 & 1 ? 255u : 0) << 24; }},
    {"bfe_u32", "bfe.u32 %r2, %a, 5, 9;" TO_OUT, E { UNUSED; return a >> 5 & 0x1ff; }},
    {"bfe_s32", "bfe.s32 %r2, %a, 28, 9;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(s(a) >> 28); }},
    {"bfi_b32", "bfi.b32 %r2, %a, %b, 7, 6;" TO_OUT, E { UNUSED; return (b & ~(63u << 7)) | (a & 63) << 7; }},
    {"lop3", "lop3.b32 %r2, %a, %b, %c, 0xe8;" TO_OUT, E { UNUSED; return (a & b) | (a & c) | (b & c); }},
    {"popc_clz_brev", "popc.b32 %r3, %a; clz.b32 %r4, %b; brev.b32 %r5, %c; add.u32 %r3, %r3, %r4; xor.b32 %r2, %r3, %r5;" TO_OUT,
     E { UNUSED; uint32_t r = 0; for (int i = 0; i < 32; i++) r |= (c >> i & 1) << (31 - i); return static_cast<uint32_t>(std::popcount(a) + std::countl_zero(b)) ^ r; }},
    {"dp4a", "dp4a.s32.s32 %r2, %a, %b, %c;" TO_OUT,
     E { UNUSED; uint32_t r = c; for (int i = 0; i < 32; i += 8) r += static_cast<uint32_t>(static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i)); return r; }},
    {"setp_selp", "setp.lt.s32 %p1, %a, %b; selp.b32 %r2, %c, 9, %p1;" TO_OUT, E { UNUSED; return s(a) < s(b) ? c : 9; }},
    {"setp_unsigned", "setp.hi.u32 %p1, %a, %b; selp.u32 %r2, 1, 0, %p1;" TO_OUT, E { UNUSED; return a > b; }},
    {"setp_and", "setp.ne.s32 %p1, %a, 0; setp.gt.and.u32 %p1|%p2, %b, %c, %p1; selp.b32 %r2, 1, 0, %p1; selp.b32 %r3, 2, 0, %p2; or.b32 %r2, %r2, %r3;" TO_OUT,
     E { UNUSED; return (b > c && a != 0 ? 1 : 0) | (!(b > c) && a != 0 ? 2 : 0); }},
    {"setp_or_not", "setp.eq.s32 %p1, %a, 0; setp.gt.or.s32 %p3, %b, %c, !%p1; selp.b32 %r2, 1, 0, %p3;" TO_OUT, E { UNUSED; return s(b) > s(c) || a != 0; }},
    {"setp_float", "mov.b32 %f1, %a; mov.b32 %f2, %b; setp.lt.f32 %p1, %f1, %f2; setp.neu.f32 %p2, %f1, %f2; setp.num.f32 %p3, %f1, %f2;"
                   "selp.b32 %r3, 1, 0, %p1; selp.b32 %r4, 2, 0, %p2; selp.b32 %r5, 4, 0, %p3; or.b32 %r3, %r3, %r4; or.b32 %r2, %r3, %r5;" TO_OUT,
     E { UNUSED; const float x = as_float(a), y = as_float(b); return (x < y ? 1 : 0) | (x != y ? 2 : 0) | (x == x && y == y ? 4 : 0); }},
    {"setp_ne_float", "mov.b32 %f1, %a; setp.ne.f32 %p1, %f1, %f1; selp.b32 %r2, 1, 0, %p1;" TO_OUT, E { UNUSED; return 0; }},  // NaN is not "ne", only "neu"
    {"set", "mov.b32 %f1, %a; mov.b32 %f2, %b; set.ge.u32.f32 %r2, %f1, %f2;" TO_OUT, E { UNUSED; return as_float(a) >= as_float(b) ? 0xffffffff : 0; }},
    {"slct", "slct.b32.s32 %r2, %a, %b, %c;" TO_OUT, E { UNUSED; return s(c) >= 0 ? a : b; }},
    {"predicates", "setp.gt.s32 %p1, %a, 0; setp.gt.s32 %p2, %b, 0; xor.pred %p3, %p1, %p2; not.pred %p4, %p3; and.pred %p5, %p4, %p1; selp.b32 %r2, 1, 0, %p5;" TO_OUT,
     E { UNUSED; return s(a) > 0 && s(b) > 0; }},
    {"guard", "mov.u32 %r2, 1; setp.gt.s32 %p1, %a, %b; @%p1 mov.u32 %r2, 2; @!%p1 add.u32 %r2, %r2, 6;" TO_OUT, E { UNUSED; return s(a) > s(b) ? 2 : 7; }},
    {"pack_unpack", "mov.b32 {%h0, %h1}, %a; mov.b32 {%h2, _}, %b; mov.b32 %r3, {%h1, %h2}; mov.b64 {%r4, %r5}, %y; mov.b64 %out, {%r3, %r4};",
     E { UNUSED; return u64((a >> 16) | b << 16, c); }},
    {"pack_four", HALVES "mov.b64 %out, {%h0, %h1, %h2, %h1};", E { UNUSED; return (a & 0xffff) | (b & 0xffff) << 16 | static_cast<uint64_t>(c & 0xffff) << 32 | static_cast<uint64_t>(b & 0xffff) << 48; }},
    // floats
    {"add_f32", "mov.b32 %f1, %a; mov.b32 %f2, %b; add.rn.f32 %f3, %f1, %f2; mov.b32 %r2, %f3;" TO_OUT, E { UNUSED; return bits_of(as_float(a) + as_float(b)); }, Operation::real},
    {"mul_f32_immediate", "mov.b32 %f1, %a; mul.f32 %f3, %f1, 0f3FB8AA3B; mov.b32 %r2, %f3;" TO_OUT, E { UNUSED; return bits_of(as_float(a) * as_float(0x3FB8AA3B)); }, Operation::real},
    {"fma_f32", "mov.b32 %f1, %a; mov.b32 %f2, %b; mov.b32 %f3, %c; fma.rn.f32 %f4, %f1, %f2, %f3; mov.b32 %r2, %f4;" TO_OUT,
     E { UNUSED; return bits_of(std::fma(as_float(a), as_float(b), as_float(c))); }, Operation::real},
    {"add_ftz", "mov.b32 %f1, 0f00000001; add.ftz.f32 %f3, %f1, %f1; mov.b32 %r2, %f3;" TO_OUT, E { UNUSED; return 0; }},
    {"add_sat", "mov.b32 %f1, %a; mov.b32 %f2, %b; add.sat.f32 %f3, %f1, %f2; mov.b32 %r2, %f3;" TO_OUT,
     E { UNUSED; const float x = as_float(a) + as_float(b); return bits_of(x > 0 ? std::min(x, 1.f) : 0.f); }},
    {"min_f32", "mov.b32 %f1, %a; mov.b32 %f2, %b; min.f32 %f3, %f1, %f2; mov.b32 %r2, %f3;" TO_OUT,
     E { UNUSED; if (a == 0x80000000 && b == 0) return a; if (a == 0 && b == 0x80000000) return b; return bits_of(std::fmin(as_float(a), as_float(b))); }, Operation::real},
    {"max_f32", "mov.b32 %f1, %a; mov.b32 %f2, %b; max.f32 %f3, %f1, %f2; mov.b32 %r2, %f3;" TO_OUT,
     E { UNUSED; if (a == 0x80000000 && b == 0) return b; if (a == 0 && b == 0x80000000) return a; return bits_of(std::fmax(as_float(a), as_float(b))); }, Operation::real},
    {"max_NaN", "mov.b32 %f1, %a; mov.b32 %f2, 0f7FC00000; max.NaN.f32 %f3, %f1, %f2; mov.b32 %r2, %f3;" TO_OUT, E { UNUSED; return bits_of(NAN); }, Operation::real},
    {"div_f32", "mov.b32 %f1, %a; mov.b32 %f2, %b; div.rn.f32 %f3, %f1, %f2; mov.b32 %r2, %f3;" TO_OUT, E { UNUSED; return bits_of(as_float(a) / as_float(b)); }, Operation::real},
    {"rcp_sqrt", "mov.b32 %f1, %a; rcp.approx.ftz.f32 %f2, %f1; sqrt.rn.f32 %f3, %f2; mov.b32 %r2, %f3;" TO_OUT,
     E { UNUSED; const float x = as_float(a); return bits_of(std::sqrt(std::fabs(x) < 1e-37f ? std::copysign(INFINITY, x) : 1 / x)); }, Operation::approximate},
    {"ex2", "mov.b32 %f1, %a; ex2.approx.ftz.f32 %f2, %f1; mov.b32 %r2, %f2;" TO_OUT, E { UNUSED; return bits_of(std::exp2(as_float(a))); }, Operation::approximate},
    {"lg2", "mov.b32 %f1, %a; lg2.approx.f32 %f2, %f1; mov.b32 %r2, %f2;" TO_OUT, E { UNUSED; return bits_of(std::log2(as_float(a))); }, Operation::approximate},
    {"sin_cos", "mov.b32 %f1, %a; sin.approx.f32 %f2, %f1; cos.approx.f32 %f3, %f1; mul.f32 %f4, %f2, %f3; mov.b32 %r2, %f4;" TO_OUT,
     E { UNUSED; return bits_of(std::sin(as_float(a)) * std::cos(as_float(a))); }, Operation::approximate},
    {"neg_abs_f32", "mov.b32 %f1, %a; abs.f32 %f2, %f1; neg.f32 %f3, %f2; mov.b32 %r2, %f3;" TO_OUT, E { UNUSED; return a | 0x80000000; }, Operation::real},
    {"f64", "cvt.rn.f64.s32 %d5, %a; cvt.rn.f64.u32 %d6, %b; add.f64 %d7, %d5, 0d3FE0000000000000; fma.rn.f64 %out, %d7, %d6, %d5;",
     E { UNUSED; return std::bit_cast<uint64_t>(std::fma(s(a) + 0.5, static_cast<double>(b), static_cast<double>(s(a)))); }},
    {"add_f16", HALVES "add.f16 %h3, %h0, %h1;" H_TO_OUT, E { UNUSED; return to_half(half_of(a) + half_of(b)); }, Operation::half},
    {"fma_f16x2", "fma.rn.f16x2 %r2, %a, %b, %c;" TO_OUT,
     E { UNUSED; auto f = [](uint32_t x, uint32_t y, uint32_t z) { return std::bit_cast<uint16_t>(static_cast<_Float16>(std::fma(static_cast<double>(half_of(x)), static_cast<double>(half_of(y)), static_cast<double>(half_of(z))))); };
         return f(a, b, c) | static_cast<uint32_t>(f(a >> 16, b >> 16, c >> 16)) << 16; }, Operation::half},
    {"max_f16x2", "max.f16x2 %r2, %a, %b; and.b32 %r2, %r2, 0xffff;" TO_OUT,
     E { UNUSED; const float x = half_of(a), y = half_of(b); if (x == 0 && y == 0) return a & b & 0xffff; return to_half(std::fmax(x, y)); }, Operation::half},
    {"fma_bf16", HALVES "fma.rn.bf16 %h3, %h0, %h1, %h2;" H_TO_OUT,
     E { UNUSED; const float x = static_cast<float>(std::fma(static_cast<double>(bfloat_of(a)), static_cast<double>(bfloat_of(b)), static_cast<double>(bfloat_of(c))));
         return std::isnan(x) ? 0x7fff : to_bfloat(x); }, Operation::bfloat},
    {"mul_bf16x2", "mul.bf16x2 %r2, %a, %b; shr.u32 %r2, %r2, 16;" TO_OUT,
     E { UNUSED; const float x = bfloat_of(a >> 16) * bfloat_of(b >> 16); return std::isnan(x) ? 0x7fff : to_bfloat(x); }, Operation::bfloat},
    {"setp_f16x2", "setp.gt.f16x2 %p1|%p2, %a, %b; selp.b32 %r2, 1, 0, %p1; selp.b32 %r3, 2, 0, %p2; or.b32 %r2, %r2, %r3;" TO_OUT,
     E { UNUSED; return (half_of(a) > half_of(b) ? 1 : 0) | (half_of(a >> 16) > half_of(b >> 16) ? 2 : 0); }},
    // conversions
    {"cvt_integers", "cvt.s64.s32 %d5, %a; cvt.u64.u32 %d6, %b; add.s64 %d7, %d5, %d6; cvt.u32.u64 %r3, %d7; cvt.s32.s8 %r4, %r3; cvt.u32.u16 %r5, %h1; cvt.s64.s32 %out, %r4;",
     E { UNUSED; return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(a + b))); }},
    {"cvt_sat_u8", "cvt.sat.u8.s32 %r2, %a;" TO_OUT, E { UNUSED; return static_cast<uint32_t>(std::clamp(s(a), 0, 255)); }},
    {"cvt_sat_f32", "mov.b32 %f1, %a; cvt.sat.f32.f32 %f2, %f1; mov.b32 %r2, %f2;" TO_OUT, E { UNUSED; const float x = as_float(a); return bits_of(x > 0 ? std::min(x, 1.f) : 0.f); }},
    {"cvt_rzi", "mov.b32 %f1, %a; cvt.rzi.s32.f32 %r2, %f1;" TO_OUT,
     E { UNUSED; const double x = as_float(a); return static_cast<uint32_t>(std::isnan(x) ? 0 : static_cast<int32_t>(std::clamp(std::trunc(x), -2147483648., 2147483647.))); }},
    {"cvt_rni_ftz", "mov.b32 %f1, %a; cvt.rni.ftz.s32.f32 %r2, %f1;" TO_OUT,
     E { UNUSED; const double x = as_float(a); return static_cast<uint32_t>(std::isnan(x) ? 0 : static_cast<int32_t>(std::clamp(std::nearbyint(x), -2147483648., 2147483647.))); }},
    {"cvt_rpi_u32", "mov.b32 %f1, %a; cvt.rpi.u32.f32 %r2, %f1;" TO_OUT,
     E { UNUSED; const double x = as_float(a); return std::isnan(x) ? 0 : static_cast<uint32_t>(std::clamp(std::ceil(x), 0., 4294967295.)); }},
    {"cvt_rmi_f32", "mov.b32 %f1, %a; cvt.rmi.f32.f32 %f2, %f1; mov.b32 %r2, %f2;" TO_OUT, E { UNUSED; return bits_of(std::floor(as_float(a))); }, Operation::real},
    {"cvt_f32_s32", "cvt.rn.f32.s32 %f1, %a; mov.b32 %r2, %f1;" TO_OUT, E { UNUSED; return bits_of(static_cast<float>(s(a))); }},
    {"cvt_rz_f32_u32", "cvt.rz.f32.u32 %f1, %a; mov.b32 %r2, %f1;" TO_OUT,
     E { UNUSED; float f = static_cast<float>(a); if (static_cast<double>(f) > a) f = std::nextafter(f, 0.f); return bits_of(f); }},
    {"cvt_rp_f16_f32", "mov.b32 %f1, %a; cvt.rp.f16.f32 %h3, %f1;" H_TO_OUT,
     E { UNUSED; const float x = as_float(a); uint32_t h = to_half(x);
         if (half_of(h) < x) h = (h & 0x7fff) == 0 ? 1 : h & 0x8000 ? h - 1 : h + 1;
         return h; }, Operation::half},
    {"cvt_f16_round_trip", "mov.b32 %f1, %a; cvt.rn.f16.f32 %h1, %f1; cvt.f32.f16 %f2, %h1; mov.b32 %r2, %f2;" TO_OUT, E { UNUSED; return bits_of(half_of(to_half(as_float(a)))); }, Operation::real},
    {"cvt_f16x2", "mov.b32 %f1, %a; mov.b32 %f2, %b; cvt.rn.f16x2.f32 %r2, %f1, %f2; shr.u32 %r2, %r2, 16;" TO_OUT, E { UNUSED; return to_half(as_float(a)); }, Operation::half},
    {"cvt_bf16x2", "mov.b32 %f1, %a; mov.b32 %f2, %b; cvt.rn.bf16x2.f32 %r2, %f1, %f2; and.b32 %r2, %r2, 0xffff;" TO_OUT,
     E { UNUSED; return std::isnan(as_float(b)) ? 0x7fff : to_bfloat(as_float(b)); }, Operation::bfloat},
    {"cvt_s32_f16", HALVES "cvt.rzi.s32.f16 %r2, %h0;" TO_OUT,
     E { UNUSED; const double x = half_of(a); return static_cast<uint32_t>(std::isnan(x) ? 0 : static_cast<int32_t>(std::clamp(std::trunc(x), -2147483648., 2147483647.))); }},
};
#undef E

INSTANTIATE_TEST_SUITE_P(Operations, Arithmetic, testing::ValuesIn(operations), [](const auto &info) { return std::string(info.param.name); });

// ---- lanes, branches, memory

TEST_F(Ptx, LanesTakeDifferentBranchesAndMeetAgain) {
    const uint64_t out = upload(std::vector<uint32_t>(40, 0));
    ASSERT_EQ(run(R"(
        mov.u32 %r3, 0; mov.u32 %r4, 0;
        LOOP: setp.ge.u32 %p1, %r3, %r1; @%p1 bra DONE;
        and.b32 %r5, %r3, 1; setp.eq.u32 %p2, %r5, 0; @%p2 bra EVEN;
        add.u32 %r4, %r4, 100; bra.uni NEXT;
        EVEN: add.u32 %r4, %r4, 1;
        NEXT: add.u32 %r3, %r3, 1; bra LOOP;
        DONE: activemask.b32 %r6; popc.b32 %r6, %r6; mad.lo.u32 %r4, %r6, 10000, %r4; st.global.u32 [%d3], %r4;
    )", {40}, out), "");
    const auto got = download<uint32_t>(out, 40);
    for (uint32_t t = 0; t < 40; t++) EXPECT_EQ(got[t], (t < 32 ? 320000u : 80000u) + (t + 1) / 2 + t / 2 * 100) << t;
}

TEST_F(Ptx, ThreadsAreNumberedAlongXFirst) {
    const uint64_t out = upload(std::vector<uint32_t>(2 * 60, 0));
    ASSERT_EQ(load(header() + ".visible .entry k(.param .u64 out) .maxntid 5, 4, 3 .minnctapersm 1 {.reg .b32 %r<20>; .reg .b64 %d<9>; ld.param.u64 %d1, [out];"
                              "mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y; mov.u32 %r6, %ntid.z;"
                              "mov.u32 %r7, %ctaid.y; mad.lo.u32 %r8, %r7, %r6, %r3; mad.lo.u32 %r8, %r8, %r5, %r2; mad.lo.u32 %r8, %r8, %r4, %r1;"
                              "mul.wide.u32 %d2, %r8, 4; add.s64 %d1, %d1, %d2; mov.u32 %r9, %laneid; mov.u32 %r10, %nctaid.y; mad.lo.u32 %r9, %r10, 100, %r9;"
                              "st.global.u32 [%d1], %r9; ret; }"), "");
    ASSERT_EQ(launch("k", {1, 2, 1}, {5, 4, 3}, 0, out), 0) << cu().last_error();
    const auto got = download<uint32_t>(out, 120);
    for (uint32_t i = 0; i < 120; i++) EXPECT_EQ(got[i], 200 + i % 60 % 32) << i;
    EXPECT_EQ(launch("k", {}, {61}, 0, out), 1);
}

TEST_F(Ptx, VectorsOfEachSpaceAndWidth) {
    const uint64_t out = upload(std::vector<uint32_t>{0x81020304, 0x05060708, 0x090a0b0c, 0x0d0e0f10, 0, 0, 0, 0, 0, 0, 0, 0});
    ASSERT_EQ(run(R"(
        .local .align 16 .b8 depot[32]; .reg .b64 %SP, %SPL;
        mov.u64 %SPL, depot; cvta.local.u64 %SP, %SPL;
        ld.global.nc.v4.u32 {%r3, %r4, %r5, %r6}, [%d1];
        st.shared.v2.b32 [tile+8], {%r4, %r5};
        ld.shared.b64 %d5, [tile+8];
        st.local.v2.u16 [%SPL+4], {%h1, %h2};
        st.v2.u32 [%SP+8], {%r3, %r6};
        ld.local.v2.b32 {%r7, %r8}, [%SPL+8];
        ld.global.s8 %r9, [%d1+3];
        ld.global.u8 %h3, [%d1+3];
        cvt.u32.u16 %r10, %h3;
        mov.u64 %d6, tile; cvta.shared.u64 %d7, %d6; ld.u32 %r11, [%d7+12];
        cvta.to.shared.u64 %d8, %d7; ld.shared.u32 %r12, [%d8+8];
        st.global.v2.u32 [%d1+16], {%r7, %r8}; st.global.b64 [%d1+24], %d5; st.global.v4.b32 [%d1+32], {%r9, %r10, %r11, %r12};
    )", {1}, out, 0, ".shared .align 16 .b8 tile[64];\n"), "");
    const auto got = download<uint32_t>(out, 12);
    const uint32_t want[] = {0x81020304, 0x0d0e0f10, 0x05060708, 0x090a0b0c, 0xffffff81, 0x81, 0x090a0b0c, 0x05060708};
    for (int i = 0; i < 8; i++) EXPECT_EQ(got[4 + i], want[i]) << i;
}

TEST_F(Ptx, ParametersAndVariablesOfTheModule) {
    const uint64_t out = upload(std::vector<uint32_t>(4, 0));
    ASSERT_EQ(load(header() + ".const .align 4 .u32 table[3] = {7, 0x10, 3};\n.global .align 4 .b8 counter[4];\n"
                              ".visible .entry k(.param .u8 small, .param .u64 .ptr .global .align 4 out, .param .align 8 .b8 both[16], .param .f32 x) {.reg .b32 %r<9>; .reg .b64 %d<9>;"
                              "ld.param.u64 %d1, [out]; ld.param.u8 %r1, [small]; ld.param.u32 %r2, [both+8]; ld.const.u32 %r3, [table+4]; mov.u64 %d2, table; ld.const.u32 %r4, [%d2];"
                              "ld.param.b32 %r7, [x]; atom.global.add.u32 %r5, [counter], 5; ld.global.u32 %r6, [counter]; add.u32 %r3, %r3, %r4; add.u32 %r6, %r6, %r5;"
                              "st.global.v4.u32 [%d1], {%r1, %r2, %r3, %r6}; ret; }"), "");
    const struct { uint64_t a, b; } both = {1, 44};
    ASSERT_EQ(launch("k", {}, {1}, 0, uint8_t(200), out, both, 1.f), 0) << cu().last_error();
    EXPECT_EQ(download<uint32_t>(out, 4), (std::vector<uint32_t>{200, 44, 23, 5}));
}

TEST_F(Ptx, LanesExchangeValues) {
    const uint64_t out = upload(std::vector<uint32_t>(32 * 6, 0));
    ASSERT_EQ(run(R"(
        mul.lo.u32 %r3, %r1, 10; mul.wide.u32 %d4, %r1, 24; add.s64 %d4, %d1, %d4;
        shfl.sync.up.b32 %r4|%p1, %r3, 3, 0, -1; shfl.sync.down.b32 %r5, %r3, 2, 31, -1; shfl.sync.bfly.b32 %r6, %r3, 5, 31, -1;
        shfl.sync.idx.b32 %r7, %r3, 1, 0x181f, 0xffffffff;
        setp.gt.u32 %p2, %r1, 20; vote.sync.ballot.b32 %r8, %p2, -1; vote.sync.any.pred %p3, %p2, -1; vote.sync.all.pred %p4, !%p2, -1;
        selp.b32 %r9, 1, 0, %p1; @%p3 add.u32 %r9, %r9, 2; @%p4 add.u32 %r9, %r9, 4; redux.sync.max.u32 %r10, %r3, -1; add.u32 %r9, %r9, %r10;
        st.global.v2.u32 [%d4], {%r4, %r5}; st.global.v2.u32 [%d4+8], {%r6, %r7}; st.global.v2.u32 [%d4+16], {%r8, %r9};
    )", {32}, out), "");
    const auto got = download<uint32_t>(out, 32 * 6);
    for (uint32_t l = 0; l < 32; l++) {
        const uint32_t want[] = {(l < 3 ? l : l - 3) * 10, (l > 29 ? l : l + 2) * 10, (l ^ 5) * 10, (l / 8 * 8 + 1) * 10, 0xffe00000, (l >= 3) + 2 + 310u};
        for (int i = 0; i < 6; i++) EXPECT_EQ(got[6 * l + i], want[i]) << l << " " << i;
    }
}

TEST_F(Ptx, AtomicsOfAllBlocks) {
    const uint64_t out = upload(std::vector<uint32_t>{0, 0, 0xffffffff, 0, 0, 0, 0, 0});
    ASSERT_EQ(load(header() + ".visible .entry k(.param .u64 out) {.shared .align 4 .u32 total; .reg .pred %p1; .reg .b32 %r<9>; .reg .f32 %f<3>; .reg .b64 %d<9>; ld.param.u64 %d1, [out];"
                              "mov.u32 %r1, %tid.x; setp.ne.u32 %p1, %r1, 0; @%p1 bra SKIP; st.shared.u32 [total], 0; SKIP: bar.sync 0;"
                              "atom.shared.add.u32 %r2, [total], 1; bar.sync 0; @%p1 bra END; ld.shared.u32 %r3, [total]; red.global.add.u32 [%d1], %r3;"
                              "atom.global.max.s32 %r4, [%d1+4], %r3; atom.global.min.u32 %r4, [%d1+8], %r3; red.global.add.f32 [%d1+12], 0f3F000000;"
                              "AGAIN: ld.global.u32 %r5, [%d1+16]; add.u32 %r6, %r5, 2; atom.global.cas.b32 %r7, [%d1+16], %r5, %r6; setp.ne.u32 %p1, %r7, %r5; @%p1 bra AGAIN;"
                              "END: ret; }"), "");
    ASSERT_EQ(launch("k", {7, 3}, {70}, 0, out), 0) << cu().last_error();
    const auto got = download<uint32_t>(out, 5);
    EXPECT_EQ(got, (std::vector<uint32_t>{21 * 70, 70, 70, bits_of(10.5f), 42}));
}

TEST_F(Ptx, CalledFunctionsReturnLaneByLane) {
    const uint64_t out = upload(std::vector<uint32_t>(32, 0));
    const std::string functions = R"(
.func (.param .b32 r) least(.param .b32 x, .param .b32 most) {
    .reg .pred %p1; .reg .b32 %r<4>;
    ld.param.u32 %r1, [x]; ld.param.u32 %r2, [most];
    setp.gt.u32 %p1, %r1, %r2; @%p1 bra L; st.param.b32 [r], %r1; ret;
    L: st.param.b32 [r+0], %r2; ret;
}
)";
    const std::string call = "{ .param .b32 p0; st.param.b32 [p0], %r1; .param .b32 p1; st.param.b32 [p1+0], %r3; .param .b32 r0; call.uni (r0), least, (p0, p1); ld.param.b32 %r4, [r0]; }\n";
    ASSERT_EQ(run("mov.u32 %r3, 9; mov.u32 %r1, %tid.x;\n" + call + "mul.lo.u32 %r5, %r4, 100; mov.u32 %r3, 5;\n" + call + "add.u32 %r5, %r5, %r4; st.global.u32 [%d3], %r5;",
                  {32}, out, 0, functions.c_str()), "");
    const auto got = download<uint32_t>(out, 32);
    for (uint32_t t = 0; t < 32; t++) EXPECT_EQ(got[t], std::min(t, 9u) * 100 + std::min(t, 5u));
    expect_in(run("call.uni missing;", {32}, out), {"function missing has no body in this module"});
}

// ---- matrices

// The tables of the PTX ISA, one index at a time: which lane and register holds an element.
struct Place {
    int lane, element;  // element: counted over the registers, 2 in each for f16
};
Place a_place(int row, int column) { return {row % 8 * 4 + column % 8 / 2, (row / 8 + column / 8 * 2) * 2 + column % 2}; }
Place b_place(int row, int column) { return {column * 4 + row % 8 / 2, row / 8 * 2 + row % 2}; }
Place c_place(int row, int column) { return {row % 8 * 4 + column / 2, row / 8 * 2 + column % 2}; }

struct Multiply : Ptx, testing::WithParamInterface<const char *> {};

TEST_P(Multiply, FragmentsAreThoseOfTheTables) {
    const std::string type = GetParam();
    const bool bf = type == "bf16", halves = type == "f16_sums";
    std::mt19937 random(3);
    float A[16][16], B[16][8], C[16][8];
    auto number = [&] { return static_cast<float>(static_cast<int>(random() % 17) - 8) / 4; };  // sums of products are exact in all types
    auto stored = [&](float f) { return static_cast<uint16_t>(bf ? to_bfloat(f) : to_half(f)); };
    std::vector<uint16_t> a(32 * 8), b(32 * 4), c16(32 * 4);
    std::vector<float> c(32 * 4);
    for (int i = 0; i < 16; i++) {
        for (int k = 0; k < 16; k++) A[i][k] = number(), a[a_place(i, k).lane * 8 + a_place(i, k).element] = stored(A[i][k]);
        for (int j = 0; j < 8; j++) B[i][j] = number(), b[b_place(i, j).lane * 4 + b_place(i, j).element] = stored(B[i][j]);
        for (int j = 0; j < 8; j++) C[i][j] = number(), c[c_place(i, j).lane * 4 + c_place(i, j).element] = C[i][j], c16[c_place(i, j).lane * 4 + c_place(i, j).element] = stored(C[i][j]);
    }
    const uint64_t pa = upload(a), pb = upload(b), pc = halves ? upload(c16) : upload(c);
    const std::string dtype = halves ? "f16" : "f32", element = bf ? "bf16" : "f16";
    const std::string loads = halves ? "mad.wide.u32 %d3, %r1, 8, %d3; ld.global.v2.b32 {%r8, %r9}, [%d3];" : "mad.wide.u32 %d3, %r1, 16, %d3; ld.global.v4.b32 {%r8, %r9, %r10, %r11}, [%d3];";
    const std::string sums = halves ? "{%r8, %r9}" : "{%r8, %r9, %r10, %r11}";
    ASSERT_EQ(load(header() + ".visible .entry k(.param .u64 a, .param .u64 b, .param .u64 c) {.reg .b32 %r<20>; .reg .b64 %d<9>; mov.u32 %r1, %tid.x;"
                              "ld.param.u64 %d1, [a]; ld.param.u64 %d2, [b]; ld.param.u64 %d3, [c]; mad.wide.u32 %d1, %r1, 16, %d1; mad.wide.u32 %d2, %r1, 8, %d2;" + loads +
                   "ld.global.v4.b32 {%r2, %r3, %r4, %r5}, [%d1]; ld.global.v2.b32 {%r6, %r7}, [%d2];"
                   "mma.sync.aligned.m16n8k16.row.col." + dtype + "." + element + "." + element + "." + dtype + " " + sums + ", {%r2, %r3, %r4, %r5}, {%r6, %r7}, " + sums + ";" +
                   (halves ? "st.global.v2.b32 [%d3], " : "st.global.v4.b32 [%d3], ") + sums + "; ret; }"), "");
    ASSERT_EQ(launch("k", {}, {32}, 0, pa, pb, pc), 0) << cu().last_error();
    const auto got = download<float>(pc, halves ? 64 : 128);
    std::vector<uint16_t> got16(128);
    if (halves) std::memcpy(got16.data(), got.data(), 256);
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 8; j++) {
            float want = C[i][j];
            for (int k = 0; k < 16; k++) want += A[i][k] * B[k][j];
            const int at = c_place(i, j).lane * 4 + c_place(i, j).element;
            EXPECT_EQ(halves ? half_of(got16[at]) : got[at], want) << i << " " << j;
        }
    }
    EXPECT_EQ(launch("k", {}, {16}, 0, pa, pb, pc), 719);
    EXPECT_NE(std::string(cu().last_error()).find("needs all 32 lanes"), std::string::npos) << cu().last_error();
}
INSTANTIATE_TEST_SUITE_P(Types, Multiply, testing::Values("f16", "bf16", "f16_sums"), [](const auto &info) { return std::string(info.param); });

TEST_F(Ptx, LdmatrixGivesRowsOrColumns) {
    for (const std::string trans : {"", ".trans"}) {
        const uint64_t out = upload(std::vector<uint32_t>(32 * 4, 0));
        // Element (matrix m, row i, column j) is 64m + 8i + j. Lane l writes row l.
        ASSERT_EQ(run(R"(
            mul.lo.u32 %r3, %r1, 16; mov.u32 %r5, tile; add.u32 %r5, %r5, %r3; mul.lo.u32 %r6, %r1, 8; mul.lo.u32 %r7, %r6, 0x10001; add.u32 %r7, %r7, 0x10000;
            add.u32 %r8, %r7, 0x20002; add.u32 %r9, %r7, 0x40004; add.u32 %r10, %r7, 0x60006; st.shared.v4.b32 [%r5], {%r7, %r8, %r9, %r10}; bar.warp.sync 0xffffffff;
            ldmatrix.sync.aligned.m8n8.x4)" + trans + R"(.shared.b16 {%r11, %r12, %r13, %r14}, [%r5];
            mad.wide.u32 %d4, %r1, 16, %d1; st.global.v4.b32 [%d4], {%r11, %r12, %r13, %r14};
        )", {32}, out, 0, ".shared .align 16 .b8 tile[512];\n"), "");
        const auto got = download<uint16_t>(out, 32 * 8);
        for (int l = 0; l < 32; l++) {
            for (int m = 0; m < 4; m++) {
                for (int e = 0; e < 2; e++) {
                    const int i = l / 4, j = 2 * (l % 4) + e;
                    EXPECT_EQ(got[l * 8 + m * 2 + e], trans.empty() ? 64 * m + 8 * i + j : 64 * m + 8 * j + i) << trans << l << " " << m << " " << e;
                }
            }
        }
    }
}

// ---- races and other faults

constexpr const char *tile = ".shared .align 16 .b8 tile[1024];\n";
const std::string tile_address = "mov.u32 %r5, tile; add.u32 %r6, %r5, %r2;\n";                       // of this thread
const std::string neighbour = "add.u32 %r7, %r1, 1; and.b32 %r7, %r7, 63; shl.b32 %r7, %r7, 2; add.u32 %r7, %r5, %r7;\n";  // of the next of 64

TEST_F(Ptx, SharedMemoryStartsAsNaN) {
    const uint64_t out = upload(std::vector<uint32_t>(64, 0));
    ASSERT_EQ(run(tile_address + "ld.shared.b32 %r3, [%r6]; st.global.b32 [%d3], %r3;", {64}, out, 0, tile), "");
    EXPECT_EQ(download<uint32_t>(out, 64), std::vector<uint32_t>(64, 0xffffffff));
}

TEST_F(Ptx, MissingBarrierIsARace) {
    const uint64_t out = upload(std::vector<uint32_t>(64, 0));
    const std::string write = "st.shared.u32 [%r6], %r1;\n", read = "ld.shared.u32 %r3, [%r7];\nst.global.u32 [%d3], %r3;";
    EXPECT_EQ(run(tile_address + neighbour + write + "bar.sync 0;\n" + read, {64}, out, 0, tile), "");
    const auto got = download<uint32_t>(out, 64);
    for (uint32_t t = 0; t < 64; t++) EXPECT_EQ(got[t], (t + 1) % 64);
    for (int seed = 0; seed < 5; seed++) {
        setenv("ATTUNE_PTXSIM_SEED", std::to_string(seed).c_str(), 1);
        expect_in(run(tile_address + neighbour + write + read, {64}, out, 0, tile), {"kernel k, block (0, 0, 0), thread (", "race: reads byte", "st.shared.u32 [%r6], %r1;", "ld.shared.u32 %r3, [%r7];"});
    }
    unsetenv("ATTUNE_PTXSIM_SEED");
    // Overwritten before everybody has read: the barrier of a loop's end is missing.
    expect_in(run(tile_address + neighbour + write + "bar.sync 0;\n" + read + "not.b32 %r4, %r1;\nst.shared.u32 [%r6], %r4;\n", {64}, out, 0, tile), {"race: ", "with no barrier between"});
}

TEST_F(Ptx, LanesOfAWarpAreOrderedByWhatMakesThemMeet) {
    const uint64_t out = upload(std::vector<uint32_t>(32, 0));
    const std::string write = "st.shared.u32 [%r6], %r1;\n", read = "xor.b32 %r8, %r2, 4; add.u32 %r8, %r5, %r8; ld.shared.u32 %r3, [%r8];";
    expect_in(run(tile_address + write + read, {32}, out, 0, tile), {"race"});
    EXPECT_EQ(run(tile_address + write + "bar.warp.sync -1;" + read, {32}, out, 0, tile), "");
    EXPECT_EQ(run(tile_address + write + "shfl.sync.idx.b32 %r9, %r1, 0, 31, -1;" + read, {32}, out, 0, tile), "");
    expect_in(run(tile_address + neighbour + write + "bar.warp.sync -1; ld.shared.u32 %r3, [%r7];", {64}, out, 0, tile), {"race"});  // lane 31 reads of another warp
}

TEST_F(Ptx, ThreadsMayWriteHalvesOfAWordAndTheSameValue) {
    const uint64_t out = upload(std::vector<uint32_t>(64, 0));
    EXPECT_EQ(run("shl.b32 %r3, %r1, 1; mov.u32 %r5, tile; add.u32 %r5, %r5, %r3; cvt.u16.u32 %h1, %r1; st.shared.u16 [%r5], %h1; bar.sync 0; ld.shared.u16 %h2, [%r5];"
                  "cvt.u32.u16 %r4, %h2; st.global.u32 [%d3], %r4;", {64}, out, 0, tile), "");
    EXPECT_EQ(download<uint32_t>(out, 64)[63], 63u);
    EXPECT_EQ(run("st.shared.u32 [tile], 5; st.shared.u16 [tile+4], 3;", {64}, out, 0, tile), "");
    expect_in(run("st.shared.u32 [tile], %r1;", {64}, out, 0, tile), {"race: writes byte"});
}

TEST_F(Ptx, AtomicsRaceWithOthersOnly) {
    const uint64_t out = upload(std::vector<uint32_t>(64, 0));
    const std::string add = "red.shared.add.u32 [tile], 1;\n";
    EXPECT_EQ(run(add + "bar.sync 0; ld.shared.u32 %r3, [tile];", {64}, out, 0, tile), "");
    expect_in(run(add + "ld.shared.u32 %r3, [tile];", {64}, out, 0, tile), {"race: reads byte", "an atomic writes on line"});
    expect_in(run("ld.shared.u32 %r3, [tile];\n" + add, {64}, out, 0, tile), {"race: updates byte", "reads on line"});
}

TEST_F(Ptx, AsyncCopiesLandWhenTheyAreWaitedFor) {
    const uint64_t out = upload(std::vector<uint32_t>(64, 77));
    const std::string copy = tile_address + "cp.async.ca.shared.global [%r6], [%d3], 4;\n", read = "ld.shared.u32 %r3, [%r6];\nadd.u32 %r3, %r3, 1; st.global.u32 [%d3], %r3;";
    EXPECT_EQ(run(copy + "cp.async.wait_all;\n" + read, {64}, out, 0, tile), "");
    EXPECT_EQ(download<uint32_t>(out, 64), std::vector<uint32_t>(64, 78));
    EXPECT_EQ(run(copy + "cp.async.commit_group; cp.async.commit_group; cp.async.wait_group 1;" + read, {64}, out, 0, tile), "");
    EXPECT_EQ(run(copy + "cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;" + neighbour + "ld.shared.u32 %r3, [%r7];", {64}, out, 0, tile), "");
    for (const char *missing : {"", "cp.async.commit_group;", "cp.async.commit_group; cp.async.wait_group 1;", "cp.async.wait_group 0;", "bar.sync 0;"})
        expect_in(run(copy + missing + read, {64}, out, 0, tile), {"reads byte", "before the cp.async of line", "was waited for"});
    // Each thread waits for its own; others need the barrier too.
    expect_in(run(copy + "cp.async.wait_all;" + neighbour + "ld.shared.u32 %r3, [%r7];", {64}, out, 0, tile), {"cp.async"});
    // Bytes beyond src-size are zero.
    EXPECT_EQ(run(tile_address + "mov.u32 %r9, 1; cp.async.ca.shared.global [%r6], [%d3], 4, %r9; cp.async.wait_all;" + read, {64}, out, 0, tile), "");
    EXPECT_EQ(download<uint32_t>(out, 64), std::vector<uint32_t>(64, 80));
}

TEST_F(Ptx, AccessesOutsideOfMemory) {
    const uint64_t out = upload(std::vector<uint32_t>(32, 0));
    const std::string store = "st.global.u32 [%d3], %r1;";
    EXPECT_EQ(run(store, {32}, out), "");
    expect_in(run(store, {33}, out), {"thread (32, 0, 0)", "line", store.c_str(), "writes 4 bytes of global memory", "128 bytes into an allocation of 128"});
    int on_the_host[32];
    expect_in(run(store, {1}, reinterpret_cast<uint64_t>(on_the_host)), {"no address of the device"});
    expect_in(run("ld.global.u32 %r3, [%d1+2];", {1}, out), {"is not a multiple of the 4 bytes"});
    expect_in(run("ld.shared.u32 %r3, [tile+1024];", {1}, out, 0, tile), {"reads 4 bytes of shared memory at 1024, but the block has 1024"});
    expect_in(run("ld.shared.u32 %r3, [tile+-4];", {1}, out, 0, tile), {"reads 4 bytes of shared memory"});
    expect_in(run(".local .align 4 .b8 mine[8]; st.local.u32 [mine+16], 1;", {1}, out), {"local memory at 16"});
    uint64_t freed = 0;
    ASSERT_EQ(cu().cuMemAlloc_v2(&freed, 128), 0);
    ASSERT_EQ(cu().cuMemFree_v2(freed), 0);
    expect_in(run(store, {1}, freed), {"global memory"});
    char byte;
    EXPECT_EQ(cu().cuMemcpyDtoH_v2(&byte, out + 128, 1), 1);
}

TEST_F(Ptx, BarriersThatNotAllReach) {
    const uint64_t out = upload(std::vector<uint32_t>(64, 0));
    const std::string first = "setp.lt.u32 %p1, %r1, 32;\n";
    expect_in(run(first + "@%p1 exit;\nbar.sync 0;", {64}, out), {"line", "waits at a barrier, but thread 0 of the block has left"});
    expect_in(run(first + "@%p1 bra A;\nbar.sync 0;\nbra B;\nA: bar.sync 0;\nB:", {64}, out), {"waits at another, on line"});
    expect_in(run("setp.lt.u32 %p1, %r1, 5;\n@%p1 bra A;\nbar.sync 0;\nA:", {32}, out), {"waits at a barrier, but thread 0 of the block has left"});
    expect_in(run("setp.lt.u32 %p1, %r1, 5;\n@%p1 bra A;\nbar.sync 0;\nbra B;\nA: bar.sync 0;\nB:", {32}, out), {"wait for each other at different places"});
    expect_in(run("setp.lt.u32 %p1, %r1, 5;\n@%p1 bra A;\nshfl.sync.idx.b32 %r3, %r1, 0, 31, -1;\nA:", {32}, out), {"waits for lanes that have left"});
    EXPECT_EQ(run("setp.lt.u32 %p1, %r1, 5;\n@%p1 bra A;\nadd.u32 %r3, %r1, 1;\nA: bar.sync 0;", {64}, out), "");
}

TEST_F(Ptx, EndlessLoopEnds) {
    const uint64_t out = upload(std::vector<uint32_t>(1, 0));
    setenv("ATTUNE_PTXSIM_MOST_INSTRUCTIONS", "100000", 1);
    expect_in(run("A: bra A;", {32}, out), {"an endless loop?"});
    unsetenv("ATTUNE_PTXSIM_MOST_INSTRUCTIONS");
}

TEST_F(Ptx, ModulesThatDoNotLoad) {
    const uint64_t out = upload(std::vector<uint32_t>(1, 0));
    auto body = [&](const char *text) { return run(text, {1}, out); };
    expect_in(body("\n\nfoo.bar.s32 %r1, %r2;"), {"ptxsim: line 10: unknown instruction 'foo.bar.s32'"});
    expect_in(body("add.s32 %r1, %r2, %x;"), {"%x is not declared"});
    expect_in(body("add.s32 %r1, %r2, %d1;"), {"register %d1 has 64 bits, the instruction takes 32"});
    expect_in(body("add.s32 %r1, %r2;"), {"'add.s32' takes 3 operands, not 2"});
    expect_in(body("bra NOWHERE;"), {"label NOWHERE is not declared"});
    expect_in(body("add.s32 %r1, %r2, %r3"), {"expected"});
    expect_in(body("cvt.f32.s32 %f1, %r1;"), {"needs a rounding"});
    expect_in(load(header("sm_70", "6.0") + ".entry k() { cp.async.wait_all; ret; }"), {"'cp.async.wait_all' needs .target sm_80"});
    expect_in(load(header("sm_80", "6.0") + ".entry k() { cp.async.wait_all; ret; }"), {"needs .version 7.0 or higher, and the module says 6.0"});
    const char *name = nullptr;
    void *m = nullptr;
    ASSERT_EQ(cu().cuGetErrorName(cu().cuModuleLoadData(&m, "garbage"), &name), 0);
    EXPECT_STREQ(name, "CUDA_ERROR_INVALID_PTX");
    ASSERT_EQ(cu().cuGetErrorName(cu().cuModuleLoadData(&m, (header("sm_99") + ".entry k() { ret; }").c_str()), &name), 0);
    EXPECT_STREQ(name, "CUDA_ERROR_NO_BINARY_FOR_GPU");
    void *f = nullptr;
    ASSERT_EQ(load(header() + ".entry k() { ret; }"), "");
    EXPECT_EQ(cu().cuModuleGetFunction(&f, module, "other"), 500);
}

TEST_F(Ptx, MuchSharedMemoryIsAskedFor) {
    int most = 0;
    ASSERT_EQ(cu().cuDeviceGetAttribute(&most, 97, 0), 0);
    EXPECT_EQ(most, 163 << 10);
    const uint64_t out = upload(std::vector<uint32_t>(1, 0));
    ASSERT_EQ(load(header() + ".extern .shared .align 16 .b8 dynamic[];\n.entry k(.param .u64 out) {.shared .align 4 .b8 own[20]; .reg .b32 %r<4>; .reg .b64 %d1; ld.param.u64 %d1, [out];"
                              "mov.u32 %r1, dynamic; mov.u32 %r3, own; mov.u32 %r2, %dynamic_smem_size; add.u32 %r2, %r2, %r1; st.shared.u32 [%r2+-4], 9; st.global.u32 [%d1], %r2; ret; }"), "");
    EXPECT_EQ(launch("k", {}, {1}, 48 << 10, out), 1);  // with the kernel's own 20 bytes it is more
    EXPECT_EQ(launch("k", {}, {1}, 40 << 10, out), 0) << cu().last_error();
    EXPECT_EQ(download<uint32_t>(out, 1)[0], (40u << 10) + 32);
    EXPECT_EQ(launch("k", {}, {1}, 100 << 10, out), 1);
    expect_in(cu().last_error(), {"launched with 102400 bytes of dynamic shared memory", "has allowed 49152"});
    EXPECT_EQ(cu().cuFuncSetAttribute(function("k"), 8, 164 << 10), 1);
    EXPECT_EQ(cu().cuFuncSetAttribute(function("k"), 8, 100 << 10), 0);
    EXPECT_EQ(launch("k", {}, {1}, 100 << 10, out), 0) << cu().last_error();
}

TEST_F(Ptx, FunctionsBelongToTheirContextAndModule) {
    ASSERT_EQ(load(header() + ".entry k() { ret; }"), "");
    void *const f = function("k");
    const auto start = [&](void *stream) { return cu().cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, nullptr, nullptr); };
    void *stream = nullptr, *other = nullptr, *event[2];
    ASSERT_EQ(cu().cuStreamCreate(&stream, 0), 0);
    EXPECT_EQ(start(stream), 0);
    EXPECT_EQ(cu().last_stream(), stream);
    for (void *&e : event) {
        ASSERT_EQ(cu().cuEventCreate(&e, 0), 0);
        ASSERT_EQ(cu().cuEventRecord(e, stream), 0);
    }
    float time = -1;
    EXPECT_EQ(cu().cuEventElapsedTime(&time, event[0], event[1]), 0);
    EXPECT_GE(time, 0);
    EXPECT_EQ(cu().cuStreamDestroy_v2(stream), 0);
    EXPECT_EQ(start(stream), 400);
    ASSERT_EQ(cu().cuCtxCreate_v2(&other, 0, 0), 0);
    EXPECT_EQ(start(nullptr), 400);
    EXPECT_EQ(cu().cuCtxDestroy_v2(other), 0);
    ASSERT_EQ(cu().cuCtxSetCurrent(nullptr), 0);
    EXPECT_EQ(start(nullptr), 201);
    ASSERT_EQ(cu().cuCtxSetCurrent(context), 0);
    EXPECT_EQ(start(nullptr), 0);
    EXPECT_EQ(cu().cuModuleUnload(module), 0);
    EXPECT_EQ(start(nullptr), 400);
}

// ---- what nvcc makes of samples/*.cu: nvcc -ptx -arch=sm_80

std::string sample(const char *name) {
    std::ifstream file(std::string(PTX_FOLDER) + "/" + name + ".ptx");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST_F(Ptx, NvccSaxpy) {
    ASSERT_EQ(load(sample("saxpy")), "");
    std::vector<float> x(1000), y(1000);
    for (int i = 0; i < 1000; i++) x[i] = static_cast<float>(i), y[i] = 1.f / static_cast<float>(i + 1);
    const uint64_t px = upload(x), py = upload(y);
    ASSERT_EQ(launch("saxpy", {4}, {256}, 0, 1000, 2.5f, px, py), 0) << cu().last_error();
    const auto got = download<float>(py, 1000);
    for (int i = 0; i < 1000; i++) EXPECT_EQ(got[i], std::fma(2.5f, x[i], y[i]));
}

TEST_F(Ptx, NvccBlockSum) {
    ASSERT_EQ(load(sample("block_sum")), "");
    std::vector<float> x(5000);
    for (int i = 0; i < 5000; i++) x[i] = static_cast<float>(i % 10);
    const uint64_t px = upload(x), sums = upload(std::vector<float>(3, 0)), count = upload(std::vector<int>(1, 0));
    ASSERT_EQ(launch("block_sum", {3}, {256}, 0, 5000, px, sums, count), 0) << cu().last_error();
    const auto got = download<float>(sums, 3);
    EXPECT_EQ(got[0] + got[1] + got[2], 500 * 285.f);
    EXPECT_EQ(download<int>(count, 1)[0], 3);
    std::string text = sample("block_sum");  // without its first barrier
    const size_t at = text.find("bar.sync");
    ASSERT_NE(at, std::string::npos);
    text.replace(at, text.find(';', at) + 1 - at, "");
    ASSERT_EQ(load(text), "");
    EXPECT_EQ(launch("block_sum", {3}, {256}, 0, 5000, px, sums, count), 719);
    expect_in(cu().last_error(), {"kernel block_sum", "race"});
}

TEST_F(Ptx, NvccTileProduct) {
    std::vector<uint16_t> a(16 * 32), b(8 * 32);
    for (size_t i = 0; i < a.size(); i++) a[i] = static_cast<uint16_t>(to_half(static_cast<float>(i % 23) - 11));
    for (size_t i = 0; i < b.size(); i++) b[i] = static_cast<uint16_t>(to_half(static_cast<float>(i % 19) - 9));
    const uint64_t pa = upload(a), pb = upload(b), pc = upload(std::vector<float>(128, 0));
    std::string text = sample("tile_product");
    ASSERT_EQ(load(text), "");
    ASSERT_EQ(launch("tile_product", {}, {32}, 24 * 32 * 2, pa, pb, pc), 0) << cu().last_error();
    const auto got = download<float>(pc, 128);
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 8; j++) {
            float want = 0;
            for (int k = 0; k < 32; k++) want += half_of(a[i * 32 + k]) * half_of(b[j * 32 + k]);
            EXPECT_EQ(got[i * 8 + j], want) << i << " " << j;
        }
    }
    const std::string wait = "cp.async.wait_group 0;";
    ASSERT_NE(text.find(wait), std::string::npos);
    text.replace(text.find(wait), wait.size(), "");
    ASSERT_EQ(load(text), "");
    EXPECT_EQ(launch("tile_product", {}, {32}, 24 * 32 * 2, pa, pb, pc), 719);
    expect_in(cu().last_error(), {"line", "ldmatrix", "cp.async", "was waited for"});
}

}  // namespace
