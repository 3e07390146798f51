#include "generator/spec/reserved.h"
#include "generator/spec/helpers.h"

#include <set>

namespace attune {

bool is_reserved_in_c(const std::string &name) {
    static const std::set<std::string> names = {
        "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "char16_t",
        "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const", "const_cast", "consteval",
        "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum",
        "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace",
        "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register",
        "reinterpret_cast", "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast",
        "struct", "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof",
        "typeof_unqual", "union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "NULL", "EOF",
        "assert", "errno", "linux", "unix", "i386", "main", "abort", "abs", "calloc", "cos", "exit", "exp", "exp2", "expf", "fabs",
        "floor", "fprintf", "free", "getenv", "log", "log2", "logf", "malloc", "memcmp", "memcpy", "memmove", "memset", "pow", "printf",
        "read", "realloc", "sin", "sqrt", "sqrtf", "strcmp", "strlen", "tanh", "write"};
    return names.contains(name);
}

bool is_reserved_in_expressions(const std::string &name) {
    static const std::set<std::string> functions = {"min",   "max",  "abs",     "select", "exp",   "exp2", "log",  "log2",  "sqrt",
                                                    "rsqrt", "tanh", "sigmoid", "floor",  "float", "bit",  "true", "false", "none"};
    for (int v = 0; v < num_variables; v++)
        if (name == variable_name(static_cast<Variable>(v))) return true;
    return functions.contains(name) || find_helper(name) != nullptr;
}

}  // namespace attune
