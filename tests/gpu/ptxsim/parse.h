// PTX text -> statements: names, types and operands as they stand, nothing resolved. decode.h gives them a meaning.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ptxsim {

// What is wrong with a module, with the line it is on: "line 12: …".
struct PtxError : std::runtime_error {
    PtxError(uint32_t line, const std::string &what) : std::runtime_error("line " + std::to_string(line) + ": " + what) {}
};

struct Operand {
    enum class Kind { name, integer, float32, float64, address, vector, list, pair };
    Kind kind = Kind::integer;
    bool negated = false;           // !%p1
    std::string name;               // name: register or symbol; address: its base, or empty
    uint64_t value = 0;             // integer, and the bits of floats
    int64_t offset = 0;             // address: bytes added to the base
    std::vector<Operand> elements;  // vector {a, b}, list (a, b), pair p|q
};

struct Variable {
    std::string space, name, type;  // "shared", "global", "const", "local", "param"
    uint32_t alignment = 1;
    uint64_t bytes = 0;
    bool is_extern = false;        // .extern .shared: as large as the launch says
    std::vector<uint8_t> content;  // of an initialised variable
    uint32_t line = 0;
};

struct Statement {
    enum class Kind { label, instruction, registers, variable, open, close };
    Kind kind = Kind::instruction;
    uint32_t line = 0;
    std::string name;   // label; opcode with its modifiers; name, or prefix, of registers
    std::string guard;  // instruction: its predicate, or empty
    bool guard_negated = false;
    std::vector<Operand> operands;
    std::string type;  // registers
    int count = -1;    // registers: %r<count>, or -1 for one of that name
    Variable variable;
};

struct Function {
    std::string name;
    bool is_entry = false, has_body = false;
    std::vector<Variable> results, parameters;
    std::vector<Statement> body;
    uint32_t max_threads[3] = {0, 0, 0}, required_threads[3] = {0, 0, 0};  // 0: not said
    uint32_t line = 0;
};

struct Module {
    int version = 0;     // 10 * major + minor
    int capability = 0;  // sm_80: 80
    std::vector<Variable> variables;
    std::vector<Function> functions;
    std::vector<std::string> lines;
};

// Throws PtxError.
Module parse(std::string_view text);

// Bits of a PTX type: "f32" 32, "b8" 8, "pred" 1, "f16x2" 32; 0 where there is no such type.
int type_bits(std::string_view type);

}  // namespace ptxsim
