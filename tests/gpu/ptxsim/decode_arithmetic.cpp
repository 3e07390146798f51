// Decoding of what lanes compute: arithmetic, comparisons, conversions, packing.
#include <algorithm>

#include "decoder.h"

namespace ptxsim {

void Decoder::lanes(const Statement &s, Words words) {
    const std::string &root = words[0];
    const std::string type = words.back();
    if (root == "mad" && type[0] == 'f') words[0] = "fma";
    drop(words, {"rn", "approx", "full", "noftz"});
    if (type != "f32" || words[0] == "selp" || words[0] == "copysign" || words[0] == "testp") drop(words, {"ftz"});
    if (words[0] == "prmt" && words.size() > 2) unknown(s);
    const auto found = arithmetic_forms().find(join(words));
    if (found == arithmetic_forms().end()) unknown(s);
    if (root == "tanh") needs(s, 75, 70);
    if (type == "f16" || type == "f16x2") {
        const bool late = root == "min" || root == "max", middle = root == "ex2" || root == "tanh";
        needs(s, late ? 80 : middle ? 75 : 53, late || middle ? 70 : 42);
    }
    if (type == "bf16" || type == "bf16x2") {
        const bool early = root == "fma" || root == "min" || root == "max" || root == "neg" || root == "abs";
        needs(s, early ? 80 : 90, early ? 70 : 78);
    }
    row(s, found->second);
}

void Decoder::row(const Statement &s, const Form &f) {
    size_t count = 0;
    while (count < f.types.size() && f.types[count] != Type::none) count++;
    expect_operands(s, count, count);
    Register sources[6];
    for (size_t i = 1; i < count; i++) sources[i] = source(s.operands[i], f.types[i]);
    const Register d = result(s.operands[0], f.types[0]);
    Instruction &in = emit(f.run);
    in.operand[0] = d.at;
    for (size_t i = 1; i < count; i++) in.operand[i] = sources[i].at;
}

void Decoder::compare(const Statement &s, Words words) {
    expect_operands(s, 3, 4);
    drop(words, {"ftz"});
    const std::string type = words.back();
    std::string boolean;
    if (words.size() == 4) {
        boolean = words[2];
        words.erase(words.begin() + 2);
        if ((boolean != "and" && boolean != "or" && boolean != "xor") || s.operands.size() != 4) unknown(s);
    } else if (s.operands.size() != 3) {
        fail("'" + s.name + "' has a predicate too many");
    }
    const bool pair = s.operands[0].kind == Operand::Kind::pair, halves = type.ends_with("x2");
    const auto form = [&](const char *which) -> const Form & {
        Words name = words;
        if (*which) name.insert(name.begin() + 1, which);
        const auto found = arithmetic_forms().find(join(name));
        if (found == arithmetic_forms().end()) unknown(s);
        return found->second;
    };
    const Form &first = form(halves ? "low" : "");
    const Register a = source(s.operands[1], first.types[1]), b = source(s.operands[2], first.types[2]);
    const Operand &one = pair ? s.operands[0].elements[0] : s.operands[0];
    const Register p = result(one, Type::pred);
    if (!pair && boolean.empty()) {
        emit_form(first, p, {a, b});
        return;
    }
    // Into registers of its own, as c may be p.
    const Register t = emit_form(first, new_register(1), {a, b});
    const Register u = halves ? emit_form(form("high"), new_register(1), {a, b}) : emit_form(arithmetic("not.pred"), new_register(1), {t});
    if (boolean.empty()) {
        emit_form(arithmetic("mov.pred"), p, {t});
        if (pair) emit_form(arithmetic("mov.pred"), result(s.operands[0].elements[1], Type::pred), {u});
        return;
    }
    const Register c = source(s.operands[3], Type::pred);
    const Register second = pair ? emit_form(arithmetic(boolean + ".pred"), new_register(1), {u, c}) : Register();
    emit_form(arithmetic(boolean + ".pred"), p, {t, c});
    if (pair) emit_form(arithmetic("mov.pred"), result(s.operands[0].elements[1], Type::pred), {second});
}

void Decoder::set(const Statement &s, Words words) {
    expect_operands(s, 3, 3);
    drop(words, {"ftz"});
    if (words.size() != 4) unknown(s);
    const Type to = type_of(words[2]);
    const auto found = arithmetic_forms().find("setp." + words[1] + "." + words[3]);
    if (found == arithmetic_forms().end() || bits_of(to) != 32 || words[2].ends_with("x2")) unknown(s);
    const Register a = source(s.operands[1], found->second.types[1]), b = source(s.operands[2], found->second.types[2]);
    const Register p = emit_form(found->second, new_register(1), {a, b});
    emit_form(arithmetic("selp.b32"), result(s.operands[0], to), {constant(to == Type::f32 ? 0x3f800000 : 0xffffffff, false), constant(0, false), p});
}

void Decoder::convert(const Statement &s, Words words) {
    const bool two = words.size() > 2 && words[words.size() - 2].ends_with("x2");
    if (two || has(words, "tf32")) {
        needs(s, 80, 70);
        drop(words, {"ftz"});
        const auto found = conversion_forms().find(join(words));
        if (found == conversion_forms().end()) unknown(s);
        row(s, found->second);
        return;
    }
    expect_operands(s, 2, 2);
    if (words.size() < 3) unknown(s);
    const Type to = type_of(words[words.size() - 2]), from = type_of(words.back());
    if (to == Type::none || from == Type::none || to == Type::pred || from == Type::pred) unknown(s);
    if (to == Type::bf16 || from == Type::bf16) needs(s, 80, 70);
    Words modifiers(words.begin() + 1, words.end() - 2);
    const bool saturate = has(modifiers, "sat"), flush = has(modifiers, "ftz");
    drop(modifiers, {"sat", "ftz"});
    static const std::map<std::string, Rounding> roundings = {{"rn", Rounding::nearest},
                                                              {"rz", Rounding::zero},
                                                              {"rm", Rounding::down},
                                                              {"rp", Rounding::up},
                                                              {"rni", Rounding::to_nearest_integer},
                                                              {"rzi", Rounding::to_zero_integer},
                                                              {"rmi", Rounding::to_lower_integer},
                                                              {"rpi", Rounding::to_upper_integer}};
    Rounding rounding = Rounding::nearest;
    if (modifiers.size() > 1 || (modifiers.size() == 1 && !roundings.count(modifiers[0]))) unknown(s);
    if (modifiers.size() == 1) rounding = roundings.at(modifiers[0]);
    const auto is_float = [](Type t) { return t == Type::f16 || t == Type::bf16 || t == Type::f32 || t == Type::f64; };
    // ptxas asks for a rounding where a number may not fit.
    if (modifiers.empty() && is_float(to) && (!is_float(from) || bits_of(to) < bits_of(from))) fail("'" + s.name + "' needs a rounding, as .rn");
    if (modifiers.empty() && !is_float(to) && is_float(from)) fail("'" + s.name + "' needs a rounding, as .rzi");
    const Register a = source(s.operands[1], from, true);
    Register d = declared(s.operands[0]);
    if (d.bits < bits_of(to))
        fail("register " + s.operands[0].name + " has " + std::to_string(d.bits) + " bits, the result has " + std::to_string(bits_of(to)));
    const bool widen = d.wide() && !is_wide(to);
    const Register narrow = widen ? new_register(32) : d;
    Words plain = {"cvt"};
    plain.insert(plain.end(), modifiers.begin(), modifiers.end());
    plain.insert(plain.end(), {words[words.size() - 2], words.back()});
    const auto quick = conversion_forms().find(join(plain));
    if (quick != conversion_forms().end() && !saturate && !flush) {
        emit_form(quick->second, narrow, {a});
    } else {
        Instruction in;
        const Form f = any_conversion(to, from, rounding, saturate, flush && (to == Type::f32 || from == Type::f32), in);
        Instruction &slow = emit(f.run);
        slow.mode = in.mode;
        slow.offset = in.offset;
        slow.operand[0] = narrow.at;
        slow.operand[1] = a.at;
    }
    if (!widen) return;
    const bool is_signed = to == Type::s8 || to == Type::s16 || to == Type::s32;
    emit_form(conversion_forms().at(is_signed ? "cvt.s64.s32" : "cvt.u64.u32"), d, {narrow});
}

void Decoder::convert_address(const Statement &s, const Words &words) {
    expect_operands(s, 2, 2);
    if (words.back() != "u64") unknown(s);
    const Register a = source(s.operands[1], Type::u64), d = result(s.operands[0], Type::u64);
    const bool shared = has(words, "shared") || has(words, "shared::cta"), local = has(words, "local");
    const uint64_t window = shared ? shared_window : local ? local_window : 0;
    if (has(words, "param")) fail("'" + s.name + "' is not supported: generic addresses of parameters");
    emit_form(arithmetic(has(words, "to") ? "sub.u64" : "add.u64"), d, {a, constant(window, true)});
}

void Decoder::unpack(const Statement &s, const Words &words) {
    const int bits = type_bits(words.back());
    const auto &parts = s.operands[0].elements;
    const int part = parts.empty() ? 0 : bits / static_cast<int>(parts.size());
    const Register a = source(s.operands[1], bits == 64 ? Type::u64 : Type::u32);
    // Through a copy, as a part may be the source.
    const Register whole =
        bits == 64 ? emit_form(arithmetic("mov.b64"), new_register(64), {a}) : emit_form(arithmetic("mov.b32"), new_register(32), {a});
    for (size_t i = 0; i < parts.size(); i++) {
        if (parts[i].name == "_") continue;
        const Register d = declared(parts[i]);
        if (d.bits != part)
            fail("register " + parts[i].name + " has " + std::to_string(d.bits) + " bits, its part of the source " + std::to_string(part));
        const Register shift = constant(i * static_cast<size_t>(part), false);
        if (bits == 64) {
            const Register t = emit_form(arithmetic("shr.b64"), new_register(64), {whole, shift});
            emit_form(conversion_forms().at(part == 32 ? "cvt.u32.u64" : "cvt.u16.u64"), d, {t});
        } else {
            const Register t = emit_form(arithmetic("shr.b32"), new_register(32), {whole, shift});
            emit_form(arithmetic("and.b32"), d, {t, constant(part == 16 ? 0xffff : 0xff, false)});
        }
    }
}

void Decoder::pack(const Statement &s, const Words &words) {
    const int bits = type_bits(words.back());
    const auto &parts = s.operands[1].elements;
    const int part = parts.empty() ? 0 : bits / static_cast<int>(parts.size());
    const Type type = part == 32 ? Type::u32 : part == 16 ? Type::u16 : Type::u8;
    const std::string suffix = bits == 64 ? ".b64" : ".b32";
    Register sum;
    for (size_t i = 0; i < parts.size(); i++) {
        Register p = source(parts[i], type);
        if (bits == 64) p = emit_form(conversion_forms().at(part == 32 ? "cvt.u64.u32" : "cvt.u64.u16"), new_register(64), {p});
        else p = emit_form(arithmetic("and.b32"), new_register(32), {p, constant(part == 16 ? 0xffff : 0xff, false)});
        if (i == 0) {
            sum = p;
            continue;
        }
        p = emit_form(arithmetic("shl" + suffix), new_register(bits), {p, constant(i * static_cast<size_t>(part), false)});
        sum = emit_form(arithmetic("or" + suffix), new_register(bits), {sum, p});
    }
    const Register d = declared(s.operands[0]);
    if (d.bits != bits) fail("register " + s.operands[0].name + " has " + std::to_string(d.bits) + " bits, the result has " + std::to_string(bits));
    emit_form(arithmetic("mov" + suffix), d, {sum});
}

}  // namespace ptxsim
