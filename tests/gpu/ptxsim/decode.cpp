#include "decode.h"

#include <algorithm>

#include "decoder.h"
#include "exchange.h"

namespace ptxsim {

Words split(const std::string &opcode) {
    Words words;
    for (size_t begin = 0; begin <= opcode.size();) {
        const size_t end = std::min(opcode.find('.', begin), opcode.size());
        words.push_back(opcode.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}
bool has(const Words &words, std::string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); }
void drop(Words &words, std::initializer_list<std::string_view> unwanted) {
    std::erase_if(words, [&](const std::string &w) { return std::find(unwanted.begin(), unwanted.end(), w) != unwanted.end(); });
}
std::string join(const Words &words) {
    std::string all;
    for (const std::string &w : words) all += (all.empty() ? "" : ".") + w;
    return all;
}

Type type_of(std::string_view name) {
    static const std::map<std::string_view, Type> types = {{"pred", Type::pred}, {"u8", Type::u8},       {"b8", Type::u8},        {"s8", Type::s8},
                                                           {"u16", Type::u16},   {"b16", Type::u16},     {"s16", Type::s16},      {"f16", Type::f16},
                                                           {"bf16", Type::bf16}, {"u32", Type::u32},     {"b32", Type::u32},      {"s32", Type::s32},
                                                           {"f32", Type::f32},   {"u64", Type::u64},     {"b64", Type::u64},      {"s64", Type::s64},
                                                           {"f64", Type::f64},   {"f16x2", Type::f16x2}, {"bf16x2", Type::bf16x2}};
    const auto found = types.find(name);
    return found == types.end() ? Type::none : found->second;
}
bool is_wide(Type t) { return bits_of(t) == 64; }
Type stored(Type t) {
    switch (bits_of(t)) {
    case 16: return t == Type::s16 ? t : Type::u16;
    case 32: return t == Type::s32 ? t : Type::u32;
    case 64: return Type::u64;
    default: return t;
    }
}

Decoder::Decoder(const Module &module, const Function &entry, const Symbols &symbols) : module_(module), globals_(symbols) {
    kernel_.name = entry.name;
    kernel_.lines = &module.lines;
    std::copy(entry.max_threads, entry.max_threads + 3, kernel_.max_threads);
    std::copy(entry.required_threads, entry.required_threads + 3, kernel_.required_threads);
    place_shared(entry);
    scopes_.emplace_back();
    for (const Variable &p : entry.parameters) {
        kernel_.parameter_bytes = (kernel_.parameter_bytes + p.alignment - 1) / p.alignment * p.alignment;
        scopes_.back().symbols[p.name] = {Symbol::Kind::parameter, kernel_.parameter_bytes};
        kernel_.parameters.push_back({kernel_.parameter_bytes, static_cast<uint32_t>(p.bytes)});
        kernel_.parameter_bytes += static_cast<uint32_t>(p.bytes);
    }
}

Kernel Decoder::run(const Function &entry) {
    body(entry);
    line_ = entry.line;
    emit(no_operation).flow = Flow::leave;
    kernel_.register_bytes = next_register_;
    kernel_.local_bytes = (kernel_.local_bytes + 15) / 16 * 16;
    return std::move(kernel_);
}

void Decoder::fail(const std::string &what) const { throw PtxError(line_, what); }

void Decoder::unknown(const Statement &s) const { fail("unknown instruction '" + s.name + "'"); }

void Decoder::collect(const Function &f, std::set<std::string> &names, std::set<const Function *> &reached) {
    if (!reached.insert(&f).second) return;
    const auto note = [&](const auto &self, const Operand &o) -> void {
        if (!o.name.empty()) names.insert(o.name);
        for (const Operand &e : o.elements) self(self, e);
    };
    for (const Statement &s : f.body) {
        for (const Operand &o : s.operands) note(note, o);
        if (s.kind == Statement::Kind::variable && s.variable.space == "shared") place(s.variable, &s.variable);
    }
    for (const Function &g : module_.functions) {
        if (!g.is_entry && g.has_body && names.count(g.name)) collect(g, names, reached);
    }
}

void Decoder::place(const Variable &v, const void *key) {
    uint32_t &size = kernel_.static_shared_bytes;
    size = (size + v.alignment - 1) / v.alignment * v.alignment;
    shared_[key] = size;
    size += static_cast<uint32_t>(v.bytes);
}

void Decoder::place_shared(const Function &entry) {
    std::set<std::string> names;
    std::set<const Function *> reached;
    collect(entry, names, reached);
    for (const Variable &v : module_.variables) {
        if (v.space == "shared" && v.bytes && names.count(v.name)) place(v, &v);
    }
    for (const Variable &v : module_.variables) {
        if (v.space == "shared" && !v.bytes) shared_[&v] = kernel_.dynamic_shared_offset();
    }
}

Register Decoder::new_register(int bits) {
    const uint32_t bytes = bits == 64 ? 256 : 128;
    const Register r{next_register_, bits};
    next_register_ += bytes;
    return r;
}

Register Decoder::constant(uint64_t value, bool wide) {
    if (!wide) value = static_cast<uint32_t>(value);
    const auto [at, is_new] = constants_.try_emplace({value, wide});
    if (is_new) {
        at->second = new_register(wide ? 64 : 32);
        kernel_.specials.push_back({Special::Kind::constant, wide, at->second.at, value});
    }
    return at->second;
}

bool Decoder::special(const std::string &name, bool wide, Register &r) {
    using K = Special::Kind;
    static const std::map<std::string, K> kinds = {{"%tid.x", K::tid_x},
                                                   {"%tid.y", K::tid_y},
                                                   {"%tid.z", K::tid_z},
                                                   {"%ntid.x", K::ntid_x},
                                                   {"%ntid.y", K::ntid_y},
                                                   {"%ntid.z", K::ntid_z},
                                                   {"%ctaid.x", K::ctaid_x},
                                                   {"%ctaid.y", K::ctaid_y},
                                                   {"%ctaid.z", K::ctaid_z},
                                                   {"%nctaid.x", K::nctaid_x},
                                                   {"%nctaid.y", K::nctaid_y},
                                                   {"%nctaid.z", K::nctaid_z},
                                                   {"%laneid", K::laneid},
                                                   {"%warpid", K::warpid},
                                                   {"%nwarpid", K::nwarpid},
                                                   {"%lanemask_eq", K::lanemask_eq},
                                                   {"%lanemask_lt", K::lanemask_lt},
                                                   {"%lanemask_le", K::lanemask_le},
                                                   {"%lanemask_gt", K::lanemask_gt},
                                                   {"%lanemask_ge", K::lanemask_ge},
                                                   {"%dynamic_smem_size", K::dynamic_smem_size},
                                                   {"%total_smem_size", K::total_smem_size},
                                                   {"%smid", K::zero},
                                                   {"%nsmid", K::zero},
                                                   {"%gridid", K::zero},
                                                   {"%clock", K::zero},
                                                   {"%clock_hi", K::zero},
                                                   {"%clock64", K::zero},
                                                   {"%globaltimer", K::zero}};
    const auto kind = kinds.find(name);
    if (kind == kinds.end()) return false;
    const auto [at, is_new] = special_registers_.try_emplace({name, wide});
    if (is_new) {
        at->second = new_register(wide ? 64 : 32);
        kernel_.specials.push_back({kind->second, wide, at->second.at});
    }
    r = at->second;
    return true;
}

bool Decoder::find_register(const std::string &name, Register &r) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
        const auto found = scope->registers.find(name);
        if (found != scope->registers.end()) {
            r = found->second;
            return true;
        }
        const size_t digits = name.find_last_not_of("0123456789") + 1;
        const auto prefix = digits < name.size() ? scope->prefixes.find(name.substr(0, digits)) : scope->prefixes.end();
        if (prefix != scope->prefixes.end() && std::atoll(name.c_str() + digits) < prefix->second) {
            r = new_register(type_bits(scope->prefix_types[prefix->first]));
            r.bits = type_bits(scope->prefix_types[prefix->first]);
            scope->registers[name] = r;
            return true;
        }
        if (scope->id == function_scope_) break;  // a function does not see its caller's
    }
    return false;
}

bool Decoder::find_symbol(const std::string &name, Symbol &s) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
        const auto found = scope->symbols.find(name);
        if (found != scope->symbols.end()) {
            s = found->second;
            return true;
        }
        if (scope->id == function_scope_) break;
    }
    for (const Variable &v : module_.variables) {
        if (v.space == "shared" && v.name == name) {
            s = {Symbol::Kind::shared, shared_.at(&v)};
            return true;
        }
    }
    const auto global = globals_.find(name);
    if (global == globals_.end()) return false;
    s = {Symbol::Kind::global, global->second};
    return true;
}

Register Decoder::declared(const Operand &o) {
    Register r;
    if (o.kind != Operand::Kind::name) fail("expected a register");
    if (!find_register(o.name, r)) fail("register " + o.name + " is not declared");
    return r;
}

Instruction &Decoder::emit(Handler run) {
    Instruction in;
    in.run = run;
    in.line = line_;
    in.guard = guard_;
    in.guard_negated = guard_negated_;
    kernel_.code.push_back(in);
    return kernel_.code.back();
}

const Form &Decoder::arithmetic(const std::string &name) const { return arithmetic_forms().at(name); }

Register Decoder::emit_form(const Form &f, Register result, std::initializer_list<Register> sources) {
    Instruction &in = emit(f.run);
    in.operand[0] = result.at;
    size_t i = 1;
    for (const Register &s : sources) in.operand[i++] = s.at;
    return result;
}

Register Decoder::source(const Operand &o, Type type, bool loose) {
    const bool wide = is_wide(type);
    Register r;
    switch (o.kind) {
    case Operand::Kind::name: {
        Symbol s;
        if (find_register(o.name, r)) {
            if (o.negated) {
                if (r.bits != 1) fail("! on " + o.name + ", which is no predicate");
                return emit_form(arithmetic("not.pred"), new_register(1), {r});
            }
        } else if (special(o.name, wide, r)) {
            return r;
        } else if (o.name == "WARP_SZ") {
            return constant(32, wide);
        } else if (find_symbol(o.name, s)) {
            return constant(s.address + static_cast<uint64_t>(o.offset), wide);
        } else {
            fail(o.name + " is not declared");
        }
        if (r.bits == bits_of(type)) return r;
        if (!loose || r.bits == 1)
            fail("register " + o.name + " has " + std::to_string(r.bits) + " bits, the instruction takes " + std::to_string(bits_of(type)));
        if (r.bits < bits_of(type)) {
            if (bits_of(type) == 64) fail("register " + o.name + " has " + std::to_string(r.bits) + " bits, the instruction takes 64");
            return r;
        }
        return r.wide() ? emit_form(conversion_forms().at("cvt.u32.u64"), new_register(32), {r}) : r;
    }
    case Operand::Kind::integer:
        if (type == Type::f32 || type == Type::f16 || type == Type::bf16) fail("an integer where a float is expected");
        if (type == Type::f64) return constant(std::bit_cast<uint64_t>(static_cast<double>(static_cast<int64_t>(o.value))), true);
        return constant(type == Type::pred ? o.value != 0 : bits_of(type) == 16 && type != Type::s16 ? o.value & 0xffff : o.value, wide);
    case Operand::Kind::float32:
        if (type == Type::f64)
            return constant(std::bit_cast<uint64_t>(static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(o.value)))), true);
        return constant(o.value, wide);
    case Operand::Kind::float64:
        if (type == Type::f32) return constant(std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(o.value))), false);
        return constant(o.value, wide);
    default: fail("an operand of a kind that the instruction does not take");
    }
}

Register Decoder::result(const Operand &o, Type type) {
    if (o.kind == Operand::Kind::name && o.name == "_") return new_register(bits_of(type));
    const Register r = declared(o);
    if (r.bits != bits_of(type))
        fail("register " + o.name + " has " + std::to_string(r.bits) + " bits, the result has " + std::to_string(bits_of(type)));
    return r;
}

void Decoder::expect_operands(const Statement &s, size_t least, size_t most) const {
    if (s.operands.size() < least || s.operands.size() > most)
        fail("'" + s.name + "' takes " + std::to_string(least) + (most == least ? "" : " to " + std::to_string(most)) + " operands, not " +
             std::to_string(s.operands.size()));
}

void Decoder::needs(const Statement &s, int capability, int version) const {
    if (module_.capability < capability)
        fail("'" + s.name + "' needs .target sm_" + std::to_string(capability) + " or higher, and the module says sm_" +
             std::to_string(module_.capability));
    if (module_.version < version)
        fail("'" + s.name + "' needs .version " + std::to_string(version / 10) + "." + std::to_string(version % 10) +
             " or higher, and the module says " + std::to_string(module_.version / 10) + "." + std::to_string(module_.version % 10));
}

void Decoder::body(const Function &f, const std::string &end) {
    for (const Statement &s : f.body) {
        line_ = s.line;
        switch (s.kind) {
        case Statement::Kind::open:
            scopes_.emplace_back();
            scopes_.back().id = ++last_scope_;
            break;
        case Statement::Kind::close: scopes_.pop_back(); break;
        case Statement::Kind::registers: {
            Scope &scope = scopes_.back();
            if (s.count >= 0) {
                scope.prefixes[s.name] = s.count;
                scope.prefix_types[s.name] = s.type;
            } else {
                scope.registers[s.name] = new_register(type_bits(s.type));
            }
            break;
        }
        case Statement::Kind::variable: variable(s.variable); break;
        case Statement::Kind::label: {
            const int id = scopes_.back().id;
            if (!labels_.try_emplace({id, s.name}, static_cast<uint32_t>(kernel_.code.size())).second) fail("label " + s.name + " is declared twice");
            break;
        }
        case Statement::Kind::instruction: instruction(s); break;
        }
    }
    if (!end.empty()) labels_[{scopes_.back().id, end}] = static_cast<uint32_t>(kernel_.code.size());
    // Jumps of this function know their targets now.
    for (const Jump &j : jumps_) {
        bool found = false;
        for (auto scope = j.scopes.rbegin(); scope != j.scopes.rend() && !found; ++scope) {
            const auto label = labels_.find({*scope, j.label});
            if (label == labels_.end()) continue;
            kernel_.code[j.instruction].target = label->second;
            found = true;
        }
        if (!found) throw PtxError(j.line, "label " + j.label + " is not declared");
    }
    jumps_.clear();
}

void Decoder::variable(const Variable &v) {
    Scope &scope = scopes_.back();
    if (v.space == "shared") {
        scope.symbols[v.name] = {Symbol::Kind::shared, shared_.at(&v)};
    } else if (v.space == "local" || v.space == "param") {
        uint32_t &size = kernel_.local_bytes;
        size = (size + v.alignment - 1) / v.alignment * v.alignment;
        scope.symbols[v.name] = {Symbol::Kind::local, size};
        size += static_cast<uint32_t>(v.bytes);
    } else {
        fail("a ." + v.space + " variable inside a function");
    }
}

void Decoder::instruction(const Statement &s) {
    guard_ = Instruction::none;
    if (!s.guard.empty()) {
        Register p;
        if (!find_register(s.guard, p) || p.bits != 1) fail(s.guard + " is no predicate");
        guard_ = p.at;
        guard_negated_ = s.guard_negated;
    }
    const Words words = split(s.name);
    const std::string &root = words[0];
    if (root == "ld" || root == "ldu") load(s, words);
    else if (root == "st") store(s, words);
    else if (root == "mov" && s.operands.size() == 2 && s.operands[0].kind == Operand::Kind::vector) unpack(s, words);
    else if (root == "mov" && s.operands.size() == 2 && s.operands[1].kind == Operand::Kind::vector) pack(s, words);
    else if (root == "setp") compare(s, words);
    else if (root == "set") set(s, words);
    else if (root == "cvt") convert(s, words);
    else if (root == "cvta") convert_address(s, words);
    else if (root == "bra" || root == "ret" || root == "exit") jump(s, root);
    else if (root == "bar" || root == "barrier") barrier(s, words);
    else if (root == "shfl" || root == "vote" || root == "redux" || root == "activemask") exchange(s, words);
    else if (root == "atom" || root == "red") atomic(s, words);
    else if (root == "cp") copy(s, words);
    else if (root == "mma" || root == "ldmatrix" || root == "movmatrix") matrix(s, words);
    else if (root == "call") call(s);
    else if (root == "membar" || root == "fence") emit(no_operation);
    else if (root == "trap" || root == "brkpt") emit(trap);
    else if (root == "prefetch" || root == "prefetchu" || root == "nanosleep" || root == "discard") emit(no_operation);
    else lanes(s, words);
}

void Decoder::jump(const Statement &s, const std::string &root) {
    if (root == "bra") {
        expect_operands(s, 1, 1);
        jump_to(s.operands[0].name);
        return;
    }
    if (root == "ret" && !return_labels_.empty()) {
        jump_to(return_labels_.back());
        return;
    }
    emit(no_operation).flow = Flow::leave;
}

void Decoder::jump_to(const std::string &label) {
    Jump j{static_cast<uint32_t>(kernel_.code.size()), {}, label, line_};
    for (const Scope &scope : scopes_) j.scopes.push_back(scope.id);
    jumps_.push_back(j);
    emit(no_operation).flow = Flow::branch;
}

void Decoder::call(const Statement &s) {
    size_t i = 0;
    std::vector<Operand> results, arguments;
    if (i < s.operands.size() && s.operands[i].kind == Operand::Kind::list) results = s.operands[i++].elements;
    if (i >= s.operands.size() || s.operands[i].kind != Operand::Kind::name) unknown(s);
    const std::string name = s.operands[i++].name;
    if (i < s.operands.size() && s.operands[i].kind == Operand::Kind::list) arguments = s.operands[i++].elements;
    const Function *function = nullptr;
    for (const Function &f : module_.functions) {
        if (f.name == name && f.has_body && !f.is_entry) function = &f;
    }
    if (!function) fail("function " + name + " has no body in this module");
    if (std::find(calls_.begin(), calls_.end(), function) != calls_.end()) fail("function " + name + " calls itself");
    if (results.size() != function->results.size() || arguments.size() != function->parameters.size())
        fail("function " + name + " takes other parameters");
    Scope scope;
    scope.id = ++last_scope_;
    const auto bind = [&](const std::vector<Operand> &actual, const std::vector<Variable> &formal) {
        for (size_t j = 0; j < actual.size(); j++) {
            Symbol symbol;
            if (!find_symbol(actual[j].name, symbol) || symbol.kind != Symbol::Kind::local) fail(actual[j].name + " is no .param variable");
            scope.symbols[formal[j].name] = symbol;
        }
    };
    bind(arguments, function->parameters);
    bind(results, function->results);
    // A guarded call jumps over the body.
    const std::string after = "after call " + std::to_string(scope.id);
    const int outer = scopes_.back().id, outer_function = function_scope_;
    if (guard_ != Instruction::none) {
        guard_negated_ = !guard_negated_;
        jump_to(after);
        guard_ = Instruction::none;
    }
    std::vector<Jump> outer_jumps;
    std::swap(outer_jumps, jumps_);
    calls_.push_back(function);
    const std::string end = "end of call " + std::to_string(scope.id);
    return_labels_.push_back(end);
    function_scope_ = scope.id;
    scopes_.push_back(std::move(scope));
    body(*function, end);
    scopes_.pop_back();
    function_scope_ = outer_function;
    return_labels_.pop_back();
    calls_.pop_back();
    std::swap(outer_jumps, jumps_);
    labels_[{outer, after}] = static_cast<uint32_t>(kernel_.code.size());
    line_ = s.line;
}

Kernel decode(const Module &module, const Function &entry, const Symbols &symbols) { return Decoder(module, entry, symbols).run(entry); }

}  // namespace ptxsim
