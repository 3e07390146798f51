#include "generator/gpu/ptx_calls.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string_view>
#include <vector>

namespace attune {
namespace {

using std::string;
using std::string_view;

bool is_space(char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0;
}
bool is_digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_name_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || string_view("_$%.").find(c) != string_view::npos;
}

string_view trimmed(string_view text) {
    while (!text.empty() && is_space(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_space(text.back()))
        text.remove_suffix(1);
    return text;
}

/// The statements of a call sequence without their semicolons.
std::vector<string_view> statements(string_view body) {
    std::vector<string_view> result;
    for (size_t end; (end = body.find(';')) != string_view::npos; body.remove_prefix(end + 1))
        result.push_back(trimmed(body.substr(0, end)));
    return result;
}

struct CallSequence {
    string function, result;
    std::vector<string> arguments;
};

/// "[param3]" or "[param3+0]" -> 3.
size_t parameter_index(string_view operand) {
    const size_t digit = operand.find_first_of("0123456789");
    return digit == string_view::npos ? 0 : std::stoul(string(operand.substr(digit)));
}

/// "call.uni (retval0), name, (param0, …)", or without the result: the first word outside of parentheses.
string function_of(string_view call) {
    call = trimmed(call.substr(call.find_first_of(" \t")));
    if (call.starts_with('('))
        call.remove_prefix(call.find(')') + 1);
    const auto begin = std::find_if(call.begin(), call.end(), is_name_character);
    return {begin, std::find_if_not(begin, call.end(), is_name_character)};
}

/// What stands between "{ // callseq n, 0" and "} // callseq n".
CallSequence read_call(string_view body) {
    CallSequence call;
    for (const string_view statement : statements(body)) {
        if (statement.starts_with("st.param")) {
            const size_t index = parameter_index(statement.substr(statement.find('[')));
            if (call.arguments.size() <= index)
                call.arguments.resize(index + 1);
            call.arguments[index] = trimmed(statement.substr(statement.rfind(',') + 1));
        } else if (statement.starts_with("ld.param")) {
            const size_t begin = statement.find_first_of(" \t");
            call.result = trimmed(statement.substr(begin, statement.find(',') - begin));
        } else if (statement.starts_with("call")) {
            call.function = function_of(statement);
        }
    }
    return call;
}

string with_operands(const string &text, const CallSequence &call) {
    string result;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] != '$') {
            result += text[i];
        } else if (text[i + 1] == 'r') {
            result += call.result.empty() ? "_" : call.result;
            i++;
        } else {
            size_t index = 0;
            for (; i + 1 < text.size() && is_digit(text[i + 1]); i++)
                index = index * 10 + static_cast<size_t>(text[i + 1] - '0');
            if (index >= call.arguments.size())
                throw internal_error(call.function, "a call without argument " + std::to_string(index));
            result += call.arguments[index];
        }
    }
    return result;
}

}  // namespace

string inline_ptx_calls(const string &ptx, const PtxCalls &calls, const string &prefix, const PtxDeclarations &declarations) {
    constexpr string_view begin = "{ // callseq", end = "} // callseq";
    auto behind_line = [&](size_t at) { return std::min(ptx.find('\n', at), ptx.size() - 1) + 1; };
    string out;
    out.reserve(ptx.size() * 2);
    bool is_first_entry = true, before_body = false;
    for (size_t at = 0; at < ptx.size();) {
        const size_t line_end = behind_line(at);
        const string_view line = trimmed(string_view(ptx).substr(at, line_end - at));
        if (line.starts_with(".extern .func")) {  // up to its semicolon, which stands on a line of its own
            const size_t close = ptx.find(';', at);
            if (string_view(ptx).substr(at, close - at).find(prefix) != string_view::npos) {
                at = behind_line(close);
                continue;
            }
        } else if (line.starts_with(begin)) {
            const size_t close = ptx.find(end, line_end);
            const CallSequence call = read_call(string_view(ptx).substr(line_end, close - line_end));
            const auto text = calls.find(call.function);
            if (text != calls.end()) {
                out += "\t{ // " + call.function + "\n" + with_operands(text->second, call) + "\t}\n";
                at = behind_line(close);
                continue;
            }
            if (call.function.starts_with(prefix))
                throw internal_error(call.function, "no PTX text");
        } else if (line.find(".entry") != string_view::npos && !line.starts_with("//")) {
            if (is_first_entry)
                out += declarations.module;
            is_first_entry = false;
            before_body = true;
        } else if (before_body && line == "{") {
            out += declarations.directives + "{\n" + declarations.registers;
            before_body = false;
            at = line_end;
            continue;
        }
        out.append(ptx, at, line_end - at);
        at = line_end;
    }
    return out;
}

int threads_of_ptx(const string &ptx) {
    const size_t at = ptx.find(".maxntid");
    int x = 0, y = 1, z = 1;
    return at != string::npos && std::sscanf(ptx.c_str() + at, ".maxntid %d, %d, %d", &x, &y, &z) >= 1 ? x * y * z : 0;
}

}  // namespace attune
