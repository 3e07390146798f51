#include "generator/spec/field.h"
#include "generator/spec/read_pattern.h"

#include <fmt/format.h>

namespace attune {

std::string shown(const RawValue &value, bool quoted) {
    return value.text.empty() || (value.type == RawValue::Type::string && quoted) ? fmt::format("\"{}\"", value.text) : value.text;
}

std::string Field::argument() const { return value.flag.empty() ? key.shown() : value.flag; }

void Field::fail(const std::string &found, const std::string &cure, const std::string &problem, const std::string &expected,
                 ErrorCode code) const {
    throw Error({.code = code,
                 .argument = argument(),
                 .value = found,
                 .expected = expected.empty() ? key.expected() : expected,
                 .cure = cure.empty() ? key.cure : cure,
                 .file = value.file,
                 .line = value.line,
                 .column = value.column,
                 .problem = problem});
}

ExpressionContext Field::expression_context(ExprType wanted, const std::vector<ParamDeclaration> *params) const {
    ExpressionContext context;
    context.params = params;
    context.wanted = wanted;
    context.read_pattern = [folder = folder_of(value.file)](const std::string &file, int64_t size) {
        return read_pattern(file, folder, size);
    };
    context.argument = argument();
    context.file = value.file;
    context.line = value.text_line;
    context.column = value.text_column;
    return context;
}

}  // namespace attune
