// Inside of decode.h: the kernel that is being made, and what the parts of decode_*.cpp share.
#pragma once
#include <map>
#include <set>

#include "decode.h"
#include "warp.h"

namespace ptxsim {

using Words = std::vector<std::string>;
Words split(const std::string &opcode);  // "ld.shared::cta.v4.f32"
bool has(const Words &words, std::string_view word);
void drop(Words &words, std::initializer_list<std::string_view> unwanted);
std::string join(const Words &words);
Type type_of(std::string_view name);
bool is_wide(Type t);
Type stored(Type t);  // the type as bits in memory: floats are not extended

struct Register {
    uint32_t at = 0;
    int bits = 32;
    bool wide() const { return bits == 64; }
};
struct Symbol {
    enum class Kind { parameter, local, shared, global };
    Kind kind;
    uint64_t address;  // in its space
};

class Decoder {
public:
    Decoder(const Module &module, const Function &entry, const Symbols &symbols);
    Kernel run(const Function &entry);

private:
    struct Scope {
        std::map<std::string, Register> registers;
        std::map<std::string, int> prefixes;  // %r<100>: 100
        std::map<std::string, std::string> prefix_types;
        std::map<std::string, Symbol> symbols;
        int id = 0;
    };
    struct Jump {
        uint32_t instruction;
        std::vector<int> scopes;
        std::string label;
        uint32_t line;
    };

    [[noreturn]] void fail(const std::string &what) const;
    [[noreturn]] void unknown(const Statement &s) const;

    // ---- variables of shared memory: those that the kernel and what it calls name
    void collect(const Function &f, std::set<std::string> &names, std::set<const Function *> &reached);
    void place(const Variable &v, const void *key);
    void place_shared(const Function &entry);

    // ---- registers
    Register new_register(int bits);
    Register constant(uint64_t value, bool wide);
    bool special(const std::string &name, bool wide, Register &r);
    bool find_register(const std::string &name, Register &r);
    bool find_symbol(const std::string &name, Symbol &s) const;
    Register declared(const Operand &o);

    // ---- instructions
    Instruction &emit(Handler run);
    const Form &arithmetic(const std::string &name) const;
    Register emit_form(const Form &f, Register result, std::initializer_list<Register> sources);
    // A source of a type: its register, or that of a constant, of a special register, of an address. Where loose, wider registers are cut
    // and narrower ones are not refused.
    Register source(const Operand &o, Type type, bool loose = false);
    // A result: its register. "_" is one that nobody reads.
    Register result(const Operand &o, Type type);
    struct Address {  // a memory operand: its base register and the bytes added to it
        Register base;
        int64_t offset = 0;
    };
    // space may change: a parameter of a called function is local memory.
    Address address(const Operand &o, Space &space);
    void expect_operands(const Statement &s, size_t least, size_t most) const;
    void needs(const Statement &s, int capability, int version) const;

    // ---- statements
    // Of the kernel, or of a function that it calls: then end is the label that its returns jump to.
    void body(const Function &f, const std::string &end = {});
    void variable(const Variable &v);
    void instruction(const Statement &s);
    // add, fma, ex2, selp, …: a row of the table.
    void lanes(const Statement &s, Words words);
    void row(const Statement &s, const Form &f);
    // setp.lt{.and}.f32 p{|q}, a, b{, c}
    void compare(const Statement &s, Words words);
    // set.lt.u32.f32 d, a, b: all ones, or 1.0
    void set(const Statement &s, Words words);
    // cvt{.rounding}{.ftz}{.sat}.to.from
    void convert(const Statement &s, Words words);
    // cvta{.to}.space.u64: generic addresses are those of global memory, and windows for the other spaces.
    void convert_address(const Statement &s, const Words &words);
    void jump(const Statement &s, const std::string &root);
    void jump_to(const std::string &label);
    void barrier(const Statement &s, const Words &words);
    Instruction &meeting(const Operand &members, Handler run);
    void exchange(const Statement &s, const Words &words);

    // ---- memory
    static Space space_of(const Words &words);
    void load(const Statement &s, const Words &words);
    void store(const Statement &s, const Words &words);
    // atom{.order}{.scope}{.space}.operation.type d, [a], b{, c}
    void atomic(const Statement &s, const Words &words);
    // cp.async.ca.shared.global [to], [from], 16{, bytes}; cp.async.commit_group; cp.async.wait_group n; cp.async.wait_all
    void copy(const Statement &s, const Words &words);

    // ---- matrices
    void matrix(const Statement &s, const Words &words);
    Instruction &whole_warp(Handler run);
    // mma.sync.aligned.shape.row.col.d.a.b.c
    void multiply(const Statement &s, const Words &words);

    // ---- mov.b64 {a, b}, d and mov.b64 d, {a, b}
    void unpack(const Statement &s, const Words &words);
    void pack(const Statement &s, const Words &words);

    // ---- calls
    // call{.uni} (results), function, (parameters): the function's body, here, with the caller's variables as its parameters.
    void call(const Statement &s);

    const Module &module_;
    const Symbols &globals_;
    Kernel kernel_;
    uint32_t line_ = 0, guard_ = Instruction::none, next_register_ = 0;
    bool guard_negated_ = false;
    std::vector<Scope> scopes_;
    int last_scope_ = 0, function_scope_ = 0;
    std::map<std::pair<int, std::string>, uint32_t> labels_;
    std::vector<Jump> jumps_;
    std::vector<const Function *> calls_;
    std::vector<std::string> return_labels_;
    std::map<const void *, uint32_t> shared_;
    std::map<std::pair<uint64_t, bool>, Register> constants_;
    std::map<std::pair<std::string, bool>, Register> special_registers_;
};

}  // namespace ptxsim
