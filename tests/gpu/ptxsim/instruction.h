// What the interpreter executes: a handler, and where in a warp's register file its operands lie. Immediates, special registers and addresses
// of variables are registers too, filled before a warp starts, so that a handler knows one kind of operand only.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "numbers.h"

namespace ptxsim {

struct Warp;
struct Instruction;
using Handler = void (*)(Warp &, const Instruction &);

// What comes after an instruction: the next one; or the run loop of warp.cpp decides.
enum class Flow : uint8_t { next, branch, leave, barrier, warp_sync };

struct Instruction {
    static constexpr uint32_t none = 0xffffffff;

    Handler run = nullptr;
    Flow flow = Flow::next;
    bool guard_negated = false;
    uint8_t count = 1;        // of elements of a vector access, of registers of a matrix
    uint8_t mode = 0;         // each handler's own
    uint32_t guard = none;    // predicate register
    uint32_t members = none;  // warp_sync: register of the member mask
    uint32_t target = 0;      // branch: instruction
    uint32_t line = 0;
    int64_t offset = 0;                  // memory: bytes added to the base register
    std::array<uint32_t, 18> operand{};  // byte offsets in the register file
};

// An instruction on lanes one by one, and the types that its operands must have; types[0] is the result's.
struct Form {
    Handler run = nullptr;
    std::array<Type, 6> types{};
};
using FormTable = std::unordered_map<std::string, Form>;
const FormTable &arithmetic_forms();  // "add.f32", without .rn, .approx and the like
const FormTable &conversion_forms();  // "cvt.f32.s32", without rounding where none is needed

// All conversions of the table and any other pair of types: mode is a Rounding, offset its types (conversions.cpp).
enum class Rounding : uint8_t { nearest, zero, down, up, to_nearest_integer, to_zero_integer, to_lower_integer, to_upper_integer };
Form any_conversion(Type to, Type from, Rounding rounding, bool saturate, bool flush, Instruction &in);

struct Special {  // a register that a warp finds filled
    enum class Kind : uint8_t {
        constant,
        tid_x,
        tid_y,
        tid_z,
        ntid_x,
        ntid_y,
        ntid_z,
        ctaid_x,
        ctaid_y,
        ctaid_z,
        nctaid_x,
        nctaid_y,
        nctaid_z,
        laneid,
        warpid,
        nwarpid,
        lanemask_eq,
        lanemask_lt,
        lanemask_le,
        lanemask_gt,
        lanemask_ge,
        dynamic_smem_size,
        total_smem_size,
        zero
    };
    Kind kind;
    bool wide;
    uint32_t at;         // byte offset in the register file
    uint64_t value = 0;  // constant
};

struct Parameter {
    uint32_t offset, bytes;
};

struct Kernel {
    std::string name;
    std::vector<Instruction> code;
    std::vector<Special> specials;
    std::vector<Parameter> parameters;
    uint32_t parameter_bytes = 0, register_bytes = 0, static_shared_bytes = 0, local_bytes = 0;
    uint32_t max_threads[3] = {0, 0, 0}, required_threads[3] = {0, 0, 0};
    // Dynamic shared memory begins behind the kernel's own.
    uint32_t dynamic_shared_offset() const { return (static_shared_bytes + 15) / 16 * 16; }
    uint32_t shared_bytes(uint32_t dynamic_bytes) const { return dynamic_bytes ? dynamic_shared_offset() + dynamic_bytes : static_shared_bytes; }
    const std::vector<std::string> *lines = nullptr;  // of the module's text
};

// Windows of generic addresses. No allocation lies there.
constexpr uint64_t shared_window = 0x0100000000000000, local_window = 0x0200000000000000, window_bytes = 1ull << 32;

}  // namespace ptxsim
