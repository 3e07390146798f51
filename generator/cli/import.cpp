#include "generator/cli/command.h"
#include "generator/cli/text_file.h"
#include "generator/import/import_attention.h"
#include "generator/import/import_flex.h"
#include "generator/import/import_linear.h"
#include "generator/import/read_onnx.h"
#include "generator/spec/error.h"
#include "generator/spec/spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace attune::cli {
namespace {
namespace fs = std::filesystem;

constexpr size_t longest_stem = 40;  // a kernel's name has 63 characters at most, and "_attention_12" comes after the stem
constexpr size_t most_names = 4;     // of nodes, in the comment of a specification

void declare(Flags &flags) {
    flags.positional("FORMAT", "onnx");
    flags.positional("MODEL", "the model's file");
    flags.value("-o,--directory", "DIR", "where the specifications go; created if needed");
}

/// Names of a model in our text: what is not printable ASCII becomes "?".
std::string plain(std::string text) {
    for (char &c : text)
        if (c < ' ' || c > '~')
            c = '?';
    return text;
}

/// The start of every kernel's name: "llama_attention" of "models/llama.onnx".
std::string stem_of(const std::string &path) {
    std::string stem = fs::path(path).stem().string().substr(0, longest_stem);
    for (char &c : stem)
        if (!std::isalnum(static_cast<unsigned char>(c)))
            c = '_';
    stem.erase(std::unique(stem.begin(), stem.end(), [](char a, char b) { return a == '_' && b == '_'; }), stem.end());
    stem.erase(0, stem.find_first_not_of('_'));
    if (stem.empty() || std::isdigit(static_cast<unsigned char>(stem[0])))
        stem = "model_" + stem;
    if (stem.ends_with('_'))
        stem.pop_back();
    return stem + "_attention";
}

/// The specifications of a model, each once, however many nodes need it.
class SpecFiles {
public:
    SpecFiles(const std::string &model, std::string directory)
        : model_(plain(fs::path(model).filename().string())), stem_(stem_of(model)), directory_(std::move(directory)) {}

    /// The file of this kernel. A new one is checked as a specification; throws Error(usage) where that fails.
    std::string add(const ImportedKernel &kernel) {
        auto found = std::find_if(specs_.begin(), specs_.end(), [&](const Spec &spec) { return spec.kernel.keys == kernel.keys; });
        if (found == specs_.end()) {
            const std::string name = specs_.empty() ? stem_ : fmt::format("{}_{}", stem_, specs_.size() + 1);
            validate_spec(read_spec_text(import_toml(kernel, name, {}), ""));
            found = specs_.insert(specs_.end(), {kernel, name, {}, {}});
        }
        return path_of(*found);
    }
    /// For the comment above the specification.
    void describe(const ImportedKernel &kernel, const std::string &node, const std::vector<std::string> &notes) {
        Spec &spec = *std::find_if(specs_.begin(), specs_.end(), [&](const Spec &one) { return one.kernel.keys == kernel.keys; });
        spec.nodes.push_back(plain(node));
        for (const auto &note : notes)
            if (std::find(spec.notes.begin(), spec.notes.end(), note) == spec.notes.end())
                spec.notes.push_back(note);
    }
    void write() const {
        for (const Spec &spec : specs_) {
            const size_t shown = std::min(spec.nodes.size(), most_names);
            std::string names = fmt::format("{}", fmt::join(spec.nodes.begin(), spec.nodes.begin() + shown, ", "));
            if (shown < spec.nodes.size())
                names += fmt::format(" and {} more", spec.nodes.size() - shown);
            std::vector<std::string> comment = {fmt::format("Attention of {}: {}", model_, names)};
            comment.insert(comment.end(), spec.notes.begin(), spec.notes.end());
            write_text_file(path_of(spec), import_toml(spec.kernel, spec.name, comment));
        }
    }

private:
    struct Spec {
        ImportedKernel kernel;
        std::string name;
        std::vector<std::string> nodes, notes;
    };
    std::string path_of(const Spec &spec) const { return (fs::path(directory_) / (spec.name + ".toml")).string(); }

    std::string model_, stem_, directory_;
    std::vector<Spec> specs_;
};

Json kernel_json(const ImportedKernel &kernel, const std::string &path) {
    Json params = Json::array();
    for (const auto &p : kernel.params)
        params.push_back(p.tensor.empty() ? Json{{"name", p.name}, {"type", p.type}, {"length_of", p.length_of}}
                                          : Json{{"name", p.name}, {"type", p.type}, {"tensor", p.tensor}, {"pad", p.pad}});
    return {{"spec", path}, {"params", params}, {"lengths_kv", kernel.lengths_kv}, {"pairs", kernel.pairs}};
}

ImportedAttention import_node(const OnnxAttention &node) {
    return import_attention(node);
}
ImportedLinear import_node(const OnnxLinear &node) {
    return import_linear(node);
}
ImportedFlex import_node(const OnnxFlex &node) {
    return import_flex(node);
}
ImportedNode import_node(const OnnxUnknown &node) {
    ImportedNode out;
    out.refusal = node.problem;
    return out;
}

/// Which tensor of the model is which argument: what a program needs to run the node. Absent tensors are "".
Json tensors_json(const ImportedAttention &one) {
    const OnnxAttention &node = one.node;
    return {{"operator", "Attention"},
            {"query", node.query.name},
            {"key", node.key.name},
            {"value", node.value.name},
            {"num_heads", one.num_heads},
            {"num_kv_heads", one.num_kv_heads},
            {"past_key", node.past_key.name},
            {"past_value", node.past_value.name},
            {"output", node.output},
            {"present_key", node.present_key},
            {"present_value", node.present_value},
            {"qk_matmul_output", node.qk_matmul_output}};
}
Json tensors_json(const ImportedLinear &one) {
    const OnnxLinear &node = one.node;
    return {{"operator", "LinearAttention"},      {"query", node.query.name},   {"key", node.key.name},
            {"value", node.value.name},           {"num_heads", one.num_heads}, {"num_kv_heads", one.num_kv_heads},
            {"past_state", node.past_state.name}, {"output", node.output},      {"present_state", node.present_state}};
}
Json tensors_json(const ImportedFlex &one) {
    const OnnxFlex &node = one.node;
    return {{"operator", "FlexAttention"},
            {"query", node.query.name},
            {"key", node.key.name},
            {"value", node.value.name},
            {"output", node.output}};
}
Json tensors_json(const ImportedNode &) {
    return Json::object();
}

/// What becomes of a model's nodes.
class Report {
public:
    explicit Report(SpecFiles &files) : files_(files) {}

    template <class Node>
    void add(const Node &node) {
        auto one = import_node(node);
        const bool has_pairs_kernel = !one.pairs_kernel.keys.empty();
        std::string spec, pairs_spec;
        try {
            if (one.refusal.empty())
                spec = files_.add(one.kernel);
            if (one.refusal.empty() && has_pairs_kernel)
                pairs_spec = files_.add(one.pairs_kernel);
        } catch (const Error &error) {
            ErrorDetails details = error.details();
            details.line = 0;  // of a file that nobody has
            one.refusal = Error(details).what();
        }
        if (!one.refusal.empty()) {
            refused.push_back({{"node", node.name}, {"reason", one.refusal}});
            refusals += fmt::format("not imported: {}: {}\n", plain(node.name), plain(one.refusal));
            return;
        }
        files_.describe(one.kernel, node.name, one.notes);
        if (has_pairs_kernel)
            files_.describe(one.pairs_kernel, node.name, {"qk_matmul_output alone"});
        Json json = {{"node", node.name}};
        json.update(tensors_json(one));
        json["kernel"] = kernel_json(one.kernel, spec);
        json["pairs_kernel"] = has_pairs_kernel ? kernel_json(one.pairs_kernel, pairs_spec) : Json();
        json["notes"] = one.notes;
        imported.push_back(json);
        table.push_back({plain(node.name), spec + (has_pairs_kernel ? " and " + pairs_spec : "")});
    }

    Json imported = Json::array(), refused = Json::array();
    std::vector<std::vector<std::string>> table;
    std::string refusals;

private:
    SpecFiles &files_;
};

int run(const Flags &flags, Session &session) {
    if (const std::string format = flags.required("FORMAT", "onnx, then the model's file"); format != "onnx")
        throw Error(
            {.argument = "FORMAT", .value = "\"" + format + "\"", .expected = "onnx", .cure = "write attune import onnx MODEL -o DIR"});
    const std::string path = flags.required("MODEL", "the file of an ONNX model");
    const std::string directory = flags.required("--directory", "the folder for the specifications");
    const OnnxModel model = read_onnx(path);

    SpecFiles files(path, directory);
    Report report(files);
    for (const auto &node : model.nodes)
        std::visit([&](const auto &one) { report.add(one); }, node);
    if (report.imported.empty())
        throw Error({.code = ErrorCode::input,
                     .argument = "MODEL",
                     .value = path,
                     .expected = "an Attention node that can be imported",
                     .cure = "see generator/import/README.md for what is understood",
                     .file = path,
                     .problem = (report.refused.size() == 1
                                     ? fmt::format("node {} cannot be imported: ", report.refused[0]["node"].get<std::string>())
                                     : fmt::format("none of {} nodes can be imported; the first: ", report.refused.size())) +
                                report.refused[0]["reason"].get<std::string>()});

    std::error_code failure;
    fs::create_directories(directory, failure);
    if (failure || !fs::is_directory(directory))
        throw Error({.code = ErrorCode::input,
                     .argument = "--directory",
                     .value = directory + " (" + (failure ? failure.message() : "not a folder") + ")",
                     .expected = "a folder that can be made and written",
                     .cure = "choose another place"});
    files.write();
    if (session.json)
        session.print_json({{"model", path}, {"opset", model.opset}, {"imported", report.imported}, {"refused", report.refused}});
    else
        session.print(align_table(report.table, {}) + report.refusals);
    return 0;
}

}  // namespace

const Command import_command = {"import", "write specifications for the attention of a model: import onnx MODEL -o DIR",
                                "  attune import onnx model.onnx -o specs\n  attune check specs/model_attention.toml", declare, run};

}  // namespace attune::cli
