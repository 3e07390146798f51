#include "generator/backend/files.h"
#include "generator/cli/command.h"
#include "generator/cli/heat_map.h"
#include "generator/cli/picture/drawing.h"
#include "generator/cli/ranges.h"
#include "generator/cli/weights_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace attune::cli {
namespace {

constexpr size_t most_panels = 64;

void declare(Flags &flags) {
    flags.positional("WEIGHTS", "attention weights, an .npy file that 'attune run --weights' writes: (batch, heads, rows, keys)");
    flags.value("-o,--output", "F.svg|F.png", "the picture; its ending chooses the format");
    flags.value("--head", "N|all", "the head of the file that is shown, counted from 0; all: side by side [0]");
    flags.value("--batch", "N", "the sequence of the batch [0]");
    flags.value("--rows", "FIRST:END", "the rows of the file that are shown, END left out [all]");
    flags.value("--keys", "FIRST:END", "the keys that are shown [all]");
    flags.value("--tokens", "A,B,...|FILE",
                "a label for each key, and for each row where there are as many: words, or a file with one a line");
    flags.value("--query-tokens", "A,B,...|FILE", "labels for rows that are other tokens than the keys");
    flags.value("--title", "TEXT", "above the picture [what it shows]");
    flags.value("--largest", "X",
                "the weight at the end of the colour scale, to compare pictures or to see small weights [the largest shown]");
}

std::vector<std::string> split(const std::string &text, char separator) {
    std::vector<std::string> out;
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(separator, begin), text.size());
        out.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return out;
}

/// The words, or the lines of the file of this name.
std::vector<std::string> read_tokens(const Flags &flags, const std::string &flag) {
    const std::string text = flags.text(flag);
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(text, ignored))
        return split(text, ',');
    std::vector<char> bytes;
    if (!read_file(text, bytes))
        throw Error({.code = ErrorCode::input,
                     .argument = flag,
                     .value = text,
                     .expected = "a file that can be read",
                     .cure = "check its permissions"});
    std::string lines(bytes.begin(), bytes.end());
    if (lines.ends_with('\n'))
        lines.pop_back();
    std::vector<std::string> tokens = split(lines, '\n');
    for (std::string &token : tokens)
        if (token.ends_with('\r'))
            token.pop_back();
    return tokens;
}

/// Those of the rows or keys that are shown; count: of the file.
AxisLabels labels_of(const std::vector<std::string> &tokens, const Range &shown) {
    AxisLabels labels;
    labels.first = shown.first;
    if (!tokens.empty())
        labels.labels.assign(tokens.begin() + shown.first, tokens.begin() + shown.end);
    return labels;
}

void check_count(const Flags &flags, const std::string &flag, size_t count, int64_t wanted, const std::string &what) {
    if (static_cast<int64_t>(count) != wanted)
        throw Error({.code = ErrorCode::input,
                     .argument = flag,
                     .value = fmt::format("{} label{}, of {}", count, count == 1 ? "" : "s", flags.text(flag)),
                     .expected = fmt::format("{}, one for each {} of the file", wanted, what),
                     .cure = "separate words by commas, or give a file with one a line",
                     .problem = fmt::format("{} has {} label{}", flag, count, count == 1 ? "" : "s")});
}

double read_largest(const Flags &flags) {
    if (!flags.has("--largest"))
        return 0;
    const std::string text = flags.text("--largest");
    char *end = nullptr;
    const double largest = std::strtod(text.c_str(), &end);
    if (*end != 0 || !(largest > 0) || !(largest <= 1))
        throw Error({.argument = "--largest", .value = text, .expected = "a number above 0, up to 1", .cure = "write for example 0.5"});
    return largest;
}

int run(const Flags &flags, Session &session) {
    const std::string path = flags.required("WEIGHTS", "an .npy file of attention weights"),
                      output = flags.required("--output", "a name that ends in .svg or .png");
    check_picture_path("--output", output);
    const double largest = read_largest(flags);
    const WeightsFile file = read_weights(path, "WEIGHTS");
    const int64_t batch = read_index(flags, "--batch", file.batch, "sequences of the file", 0);
    std::vector<int64_t> heads;
    if (flags.text("--head") == "all") {
        for (int64_t h = 0; h < file.heads; h++)
            heads.push_back(h);
    } else {
        heads = {read_index(flags, "--head", file.heads, "heads of the file", 0)};
    }
    if (heads.size() > most_panels)
        throw Error({.argument = "--head",
                     .value = "all",
                     .expected = fmt::format("at most {} heads, and the file has {}", most_panels, heads.size()),
                     .cure = "show one with --head N, or write fewer with 'attune run --heads'"});
    const Range rows = read_range(flags, "--rows", file.rows, "rows of the file"),
                keys = read_range(flags, "--keys", file.keys, "keys of the file");
    std::vector<std::string> key_tokens, row_tokens;
    if (flags.has("--tokens")) {
        key_tokens = read_tokens(flags, "--tokens");
        check_count(flags, "--tokens", key_tokens.size(), file.keys, "key");
        if (file.rows == file.keys)
            row_tokens = key_tokens;
    }
    if (flags.has("--query-tokens")) {
        row_tokens = read_tokens(flags, "--query-tokens");
        check_count(flags, "--query-tokens", row_tokens.size(), file.rows, "row");
    }

    std::vector<std::vector<float>> shown;
    std::vector<WeightsMatrix> panels;
    float most = 0;
    for (const int64_t head : heads) {
        std::vector<float> &weights = shown.emplace_back();
        for (int64_t q = rows.first; q < rows.end; q++)
            weights.insert(weights.end(), file.matrix(batch, head) + q * file.keys + keys.first,
                           file.matrix(batch, head) + q * file.keys + keys.end);
        most = std::max(most, *std::max_element(weights.begin(), weights.end()));
        panels.push_back({fmt::format("head {}", head), rows.size(), keys.size(), weights.data()});
    }
    const std::string what = heads.size() > 1 ? fmt::format("{} heads", heads.size()) : fmt::format("head {} of {}", heads[0], file.heads);
    HeatMapLabels labels;
    labels.title = flags.text("--title", fmt::format("{}: {}", std::filesystem::path(path).filename().string(), what));
    labels.rows = labels_of(row_tokens, rows);
    labels.keys = labels_of(key_tokens, keys);
    labels.largest = largest;
    labels.notes = {fmt::format("attention weights, {} queries x {} keys; rows sum to 1 within {:.1g}; largest {:.3g}", rows.size(),
                                keys.size(), file.worst_sum, most)};
    if (largest > 0 && most > largest)
        labels.notes.push_back(fmt::format("weights above {:g} have its colour", largest));
    write_picture(output, draw_heat_map(panels, labels));

    if (session.json)
        session.print_json({{"weights", path},
                            {"picture", output},
                            {"batch", batch},
                            {"heads", heads},
                            {"rows", {rows.first, rows.end}},
                            {"keys", {keys.first, keys.end}},
                            {"largest", most},
                            {"worst_sum", file.worst_sum}});
    else
        session.print(fmt::format("{}: {}, {} queries x {} keys, drawn into {}\n", path, what, rows.size(), keys.size(), output));
    return 0;
}

}  // namespace

const Command picture_command = {"picture", "attention weights as a heat map",
                                 "  attune run --query q.npy --key k.npy --value v.npy --mask causal --weights w.npy\n"
                                 "  attune picture w.npy -o w.svg --tokens the,cat,sat,on,the,mat\n"
                                 "  attune picture w.npy -o w.png --head all\n"
                                 "  attune picture w.npy -o w.png --head 3 --rows 0:64 --tokens tokens.txt",
                                 declare, run};

}  // namespace attune::cli
