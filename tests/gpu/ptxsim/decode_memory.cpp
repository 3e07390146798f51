// Decoding of loads, stores, atomics and asynchronous copies.
#include <algorithm>

#include "decoder.h"
#include "memory.h"

namespace ptxsim {

Decoder::Address Decoder::address(const Operand &o, Space &space) {
    if (o.kind != Operand::Kind::address) fail("expected a memory operand [...]");
    Address a;
    a.offset = o.offset;
    Symbol s;
    if (o.name.empty()) {
        a.base = constant(0, true);
    } else if (find_register(o.name, a.base)) {
        if (a.base.bits < 32) fail("register " + o.name + " is no address");
    } else if (find_symbol(o.name, s)) {
        a.base = constant(0, true);
        a.offset += static_cast<int64_t>(s.address);
        if (space == Space::parameter && s.kind == Symbol::Kind::local) space = Space::local;  // the parameter of a called function
        const bool fits = space == Space::parameter ? s.kind == Symbol::Kind::parameter
                          : space == Space::shared  ? s.kind == Symbol::Kind::shared
                          : space == Space::local   ? s.kind == Symbol::Kind::local
                          : space == Space::global  ? s.kind == Symbol::Kind::global
                                                    : s.kind == Symbol::Kind::global;
        if (!fits) fail(o.name + " does not lie in the space of the instruction");
    } else {
        fail(o.name + " is not declared");
    }
    return a;
}

Space Decoder::space_of(const Words &words) {
    for (const std::string &w : words) {
        if (w.starts_with("shared")) return Space::shared;
        if (w.starts_with("param")) return Space::parameter;
        if (w == "global" || w == "const") return Space::global;
        if (w == "local") return Space::local;
    }
    return Space::generic;
}

void Decoder::load(const Statement &s, const Words &words) {
    expect_operands(s, 2, 3);  // the third: a cache policy
    const Type type = stored(type_of(words.back()));
    if (type == Type::none || type == Type::pred) unknown(s);
    Space space = space_of(words);
    const bool vector = s.operands[0].kind == Operand::Kind::vector;
    const std::vector<Operand> targets = vector ? s.operands[0].elements : std::vector<Operand>{s.operands[0]};
    const size_t count = has(words, "v2") ? 2 : has(words, "v4") ? 4 : has(words, "v8") ? 8 : 1;
    if (targets.size() != count || count * bits_of(type) > 128) unknown(s);
    const Address a = address(s.operands[1], space);
    bool wide = is_wide(type);
    std::vector<uint32_t> at;
    for (const Operand &t : targets) {
        const bool sink = t.kind == Operand::Kind::name && t.name == "_";
        Register r;
        if (sink) r = new_register(bits_of(type));
        else r = declared(t);
        if (r.bits < bits_of(type))
            fail("register " + t.name + " has " + std::to_string(r.bits) + " bits, the load " + std::to_string(bits_of(type)));
        if (!sink && r.wide()) wide = true;
        at.push_back(r.at);
    }
    Instruction &in = emit(load_handler(type, wide));
    in.count = static_cast<uint8_t>(count);
    in.mode = static_cast<uint8_t>(space) | (a.base.wide() ? wide_base : 0);
    in.offset = a.offset;
    std::copy(at.begin(), at.end(), in.operand.begin());
    in.operand[count] = a.base.at;
}

void Decoder::store(const Statement &s, const Words &words) {
    expect_operands(s, 2, 3);
    const Type type = stored(type_of(words.back()));
    if (type == Type::none || type == Type::pred) unknown(s);
    Space space = space_of(words);
    if (has(words, "const")) unknown(s);
    const bool vector = s.operands[1].kind == Operand::Kind::vector;
    const std::vector<Operand> values = vector ? s.operands[1].elements : std::vector<Operand>{s.operands[1]};
    const size_t count = has(words, "v2") ? 2 : has(words, "v4") ? 4 : has(words, "v8") ? 8 : 1;
    if (values.size() != count || count * bits_of(type) > 128) unknown(s);
    const Address a = address(s.operands[0], space);
    if (space == Space::parameter) fail("a store to a parameter of the kernel");
    std::vector<uint32_t> at;
    for (const Operand &v : values) at.push_back(source(v, type, true).at);
    Instruction &in = emit(store_handler(type, is_wide(type)));
    in.count = static_cast<uint8_t>(count);
    in.mode = static_cast<uint8_t>(space) | (a.base.wide() ? wide_base : 0);
    in.offset = a.offset;
    in.operand[0] = a.base.at;
    std::copy(at.begin(), at.end(), in.operand.begin() + 1);
}

void Decoder::atomic(const Statement &s, const Words &words) {
    static const std::map<std::string, AtomicOperation> operations = {{"add", AtomicOperation::add},       {"min", AtomicOperation::min},
                                                                      {"max", AtomicOperation::max},       {"and", AtomicOperation::bit_and},
                                                                      {"or", AtomicOperation::bit_or},     {"xor", AtomicOperation::bit_xor},
                                                                      {"exch", AtomicOperation::exchange}, {"cas", AtomicOperation::compare},
                                                                      {"inc", AtomicOperation::increment}, {"dec", AtomicOperation::decrement}};
    const bool returns = words[0] == "atom";
    AtomicOperation operation{};
    bool known = false;
    for (const std::string &w : words) {
        const auto found = operations.find(w);
        if (found == operations.end()) continue;
        operation = found->second;
        known = true;
    }
    const Type type = type_of(words.back());
    const Handler run = known ? atomic_handler(type, operation) : nullptr;
    if (!run || has(words, "v2") || has(words, "v4")) unknown(s);
    const size_t count = (returns ? 3 : 2) + (operation == AtomicOperation::compare);
    expect_operands(s, count, count);
    const size_t first = returns ? 1 : 0;
    Space space = space_of(words);
    const Address a = address(s.operands[first], space);
    const Register b = source(s.operands[first + 1], type);
    const Register c = operation == AtomicOperation::compare ? source(s.operands[first + 2], type) : b;
    const Register d = returns ? result(s.operands[0], type) : new_register(bits_of(type));
    Instruction &in = emit(run);
    in.target = static_cast<uint32_t>(operation);
    in.mode = static_cast<uint8_t>(space) | (a.base.wide() ? wide_base : 0);
    in.offset = a.offset;
    in.operand = {d.at, a.base.at, b.at, c.at};
}

void Decoder::copy(const Statement &s, const Words &words) {
    if (words.size() < 3 || words[1] != "async") unknown(s);
    needs(s, 80, 70);
    if (words[2] == "commit_group") {
        expect_operands(s, 0, 0);
        emit(commit_copies);
    } else if (words[2] == "wait_group" || words[2] == "wait_all") {
        const bool all = words[2] == "wait_all";
        expect_operands(s, all ? 0 : 1, all ? 0 : 1);
        emit(wait_for_copies).offset = all ? -1 : static_cast<int64_t>(s.operands[0].value);
    } else if ((words[2] == "ca" || words[2] == "cg") && words.size() >= 5 && words[3].starts_with("shared") && words[4] == "global") {
        expect_operands(s, 3, 4);
        const uint64_t bytes = s.operands[2].value;
        if (s.operands[2].kind != Operand::Kind::integer || (bytes != 16 && (words[2] == "cg" || (bytes != 4 && bytes != 8))))
            fail("'" + s.name + "' copies " + (words[2] == "cg" ? "16" : "4, 8 or 16") + " bytes");
        Space shared = Space::shared, global = Space::global;
        const Address to = address(s.operands[0], shared), from = address(s.operands[1], global);
        if (from.offset != static_cast<int32_t>(from.offset)) fail("an offset that 32 bits do not hold");
        uint32_t read = Instruction::none;
        if (s.operands.size() == 4) read = source(s.operands[3], Type::u32).at;
        Instruction &in = emit(copy_async);
        in.count = static_cast<uint8_t>(bytes);
        in.mode = static_cast<uint8_t>((to.base.wide() ? wide_base : 0) | (from.base.wide() ? wide_source_base : 0));
        in.offset = to.offset;
        in.target = static_cast<uint32_t>(static_cast<int32_t>(from.offset));
        in.operand = {to.base.at, from.base.at, read};
    } else {
        unknown(s);
    }
}

}  // namespace ptxsim
