// Decoding of what lanes do together: barriers, exchanges, matrices.
#include <algorithm>

#include "decoder.h"
#include "exchange.h"
#include "matrix.h"
#include "memory.h"

namespace ptxsim {

void Decoder::barrier(const Statement &s, const Words &words) {
    if (words[0] == "bar" && words.size() > 1 && words[1] == "warp") {
        expect_operands(s, 1, 1);
        meeting(s.operands[0], no_operation);
        return;
    }
    const bool whole = words.size() == 1 || words[1] == "sync" || words[1] == "cta";
    if (!whole || has(words, "red") || has(words, "arrive")) unknown(s);
    if (s.operands.empty() || s.operands[0].kind != Operand::Kind::integer || s.operands[0].value > 15) fail("a barrier needs a number of 0 to 15");
    if (s.operands.size() > 1) fail("'" + s.name + "' of a part of the block is not supported");
    Instruction &in = emit(no_operation);
    in.flow = Flow::barrier;
}

Instruction &Decoder::meeting(const Operand &members, Handler run) {
    const Register mask = source(members, Type::u32);
    Instruction &in = emit(run);
    in.flow = Flow::warp_sync;
    in.members = mask.at;
    return in;
}

void Decoder::exchange(const Statement &s, const Words &words) {
    if (words[0] == "activemask") {
        expect_operands(s, 1, 1);
        const Register d = result(s.operands[0], Type::u32);
        emit(active_mask).operand[0] = d.at;
        return;
    }
    if (words.size() != 4 || words[1] != "sync") unknown(s);
    if (words[0] == "shfl") {
        static const std::map<std::string, Shuffle> modes = {
            {"up", Shuffle::up}, {"down", Shuffle::down}, {"bfly", Shuffle::butterfly}, {"idx", Shuffle::index}};
        expect_operands(s, 5, 5);
        if (!modes.count(words[2]) || words[3] != "b32") unknown(s);
        const bool pair = s.operands[0].kind == Operand::Kind::pair;
        const Register a = source(s.operands[1], Type::u32), b = source(s.operands[2], Type::u32), c = source(s.operands[3], Type::u32);
        const Register d = result(pair ? s.operands[0].elements[0] : s.operands[0], Type::u32);
        const uint32_t p = pair ? result(s.operands[0].elements[1], Type::pred).at : Instruction::none;
        Instruction &in = meeting(s.operands[4], shuffle);
        in.mode = static_cast<uint8_t>(modes.at(words[2]));
        in.operand = {d.at, p, a.at, b.at, c.at};
    } else if (words[0] == "vote") {
        static const std::map<std::string, Vote> modes = {{"any", Vote::any}, {"all", Vote::all}, {"uni", Vote::uniform}, {"ballot", Vote::ballot}};
        expect_operands(s, 3, 3);
        if (!modes.count(words[2])) unknown(s);
        const Register a = source(s.operands[1], Type::pred), d = result(s.operands[0], words[2] == "ballot" ? Type::u32 : Type::pred);
        Instruction &in = meeting(s.operands[2], vote);
        in.mode = static_cast<uint8_t>(modes.at(words[2]));
        in.operand = {d.at, a.at};
    } else {
        needs(s, 80, 70);
        expect_operands(s, 3, 3);
        static const std::map<std::string, Reduction> modes = {
            {"add.u32", Reduction::add},     {"add.s32", Reduction::add},        {"min.u32", Reduction::min},
            {"max.u32", Reduction::max},     {"min.s32", Reduction::min_signed}, {"max.s32", Reduction::max_signed},
            {"and.b32", Reduction::bit_and}, {"or.b32", Reduction::bit_or},      {"xor.b32", Reduction::bit_xor}};
        const auto mode = modes.find(words[2] + "." + words[3]);
        if (mode == modes.end()) unknown(s);
        const Register a = source(s.operands[1], Type::u32), d = result(s.operands[0], Type::u32);
        Instruction &in = meeting(s.operands[2], reduce);
        in.mode = static_cast<uint8_t>(mode->second);
        in.operand = {d.at, a.at};
    }
}

void Decoder::matrix(const Statement &s, const Words &words) {
    if (words[0] == "ldmatrix") {
        needs(s, 75, 65);
        expect_operands(s, 2, 2);
        Words w = words;
        const bool transposed = has(w, "trans");
        drop(w, {"trans", "shared", "shared::cta"});
        const size_t count = has(w, "x1") ? 1 : has(w, "x2") ? 2 : has(w, "x4") ? 4 : 0;
        if (join(w) != "ldmatrix.sync.aligned.m8n8.x" + std::to_string(count) + ".b16") unknown(s);
        Space space = Space::shared;
        const Address a = address(s.operands[1], space);
        const std::vector<Operand> targets =
            s.operands[0].kind == Operand::Kind::vector ? s.operands[0].elements : std::vector<Operand>{s.operands[0]};
        if (targets.size() != count) fail("'" + s.name + "' gives " + std::to_string(count) + " registers");
        Instruction &in = whole_warp(load_matrices);
        in.count = static_cast<uint8_t>(count);
        in.mode = a.base.wide() ? wide_base : 0;
        in.offset = a.offset;
        in.target = transposed;
        for (size_t i = 0; i < count; i++) in.operand[i] = result(targets[i], Type::u32).at;
        in.operand[count] = a.base.at;
    } else if (words[0] == "movmatrix") {
        needs(s, 75, 78);
        if (s.name != "movmatrix.sync.aligned.m8n8.trans.b16") unknown(s);
        expect_operands(s, 2, 2);
        const Register a = source(s.operands[1], Type::u32), d = result(s.operands[0], Type::u32);
        whole_warp(transpose_matrix).operand = {d.at, a.at};
    } else {
        multiply(s, words);
    }
}

Instruction &Decoder::whole_warp(Handler run) {
    Instruction &in = emit(run);
    in.flow = Flow::warp_sync;
    return in;
}

void Decoder::multiply(const Statement &s, const Words &words) {
    static const struct {
        const char *name;
        MatrixElement type;
        int registers, capability, version;
    } shapes[] = {{"m16n8k8.f16", MatrixElement::f16, 2, 75, 65},   {"m16n8k16.f16", MatrixElement::f16, 4, 80, 70},
                  {"m16n8k8.bf16", MatrixElement::bf16, 2, 80, 70}, {"m16n8k16.bf16", MatrixElement::bf16, 4, 80, 70},
                  {"m16n8k4.tf32", MatrixElement::tf32, 2, 80, 70}, {"m16n8k8.tf32", MatrixElement::tf32, 4, 80, 70},
                  {"m16n8k16.s8", MatrixElement::s8, 2, 80, 70},    {"m16n8k32.s8", MatrixElement::s8, 4, 80, 70},
                  {"m16n8k16.u8", MatrixElement::u8, 2, 80, 70},    {"m16n8k32.u8", MatrixElement::u8, 4, 80, 70}};
    expect_operands(s, 4, 4);
    if (words.size() != 10 || words[1] != "sync" || words[2] != "aligned" || words[4] != "row" || words[5] != "col" || words[7] != words[8])
        unknown(s);
    const auto *shape = std::find_if(std::begin(shapes), std::end(shapes), [&](const auto &x) { return words[3] + "." + words[7] == x.name; });
    if (shape == std::end(shapes)) unknown(s);
    needs(s, shape->capability, shape->version);
    const bool integers = shape->type == MatrixElement::s8 || shape->type == MatrixElement::u8;
    const std::string wanted = integers ? "s32" : "f32";
    const bool halves = words[6] == "f16" && words[9] == "f16" && shape->type == MatrixElement::f16;
    if (!halves && (words[6] != wanted || words[9] != wanted)) unknown(s);
    const size_t sums = halves ? 2 : 4, counts[4] = {sums, static_cast<size_t>(shape->registers), static_cast<size_t>(shape->registers / 2), sums};
    std::vector<uint32_t> at;
    for (int i = 0; i < 4; i++) {
        const std::vector<Operand> parts = s.operands[i].kind == Operand::Kind::vector ? s.operands[i].elements : std::vector<Operand>{s.operands[i]};
        if (parts.size() != counts[i]) fail("'" + s.name + "' takes " + std::to_string(counts[i]) + " registers as operand " + std::to_string(i + 1));
        for (const Operand &p : parts)
            at.push_back(i == 0 ? result(p, Type::u32).at : source(p, p.kind == Operand::Kind::float32 ? Type::f32 : Type::u32).at);
    }
    Instruction &in = whole_warp(multiply_matrices);
    in.mode = static_cast<uint8_t>(shape->type);
    in.count = static_cast<uint8_t>(shape->registers);
    in.target = halves;
    std::copy(at.begin(), at.end(), in.operand.begin());
}

}  // namespace ptxsim
