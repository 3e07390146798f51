#include "schedules/tuned_db/record.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace attune {
namespace {

using Json = nlohmann::ordered_json;

/// Behind the keys of this version, in the order of their names; inside them too, so that equal values have equal texts.
void add_unknown(Json &object, const UnknownKeys &more) {
    for (const auto &[key, text] : more)
        if (!object.contains(key)) {
            const nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
            if (!value.is_discarded())
                object[key] = value;
        }
}

}  // namespace

double TunedRecord::relative_time() const {
    double sum = 0;
    for (const auto &[shape, times] : shapes)
        sum += std::log(times.median_ms / times.default_ms);
    return std::exp(sum / static_cast<double>(shapes.size()));
}

std::string record_text(const TunedRecord &record) {
    Json parameters = Json(record.parameters), shapes = Json::object(), rules = Json::array();
    for (const TunedRule &rule : record.rules) {
        Json &row = rules.emplace_back(Json::object());
        if (rule.most_seq_len_q)
            row["most_seq_len_q"] = rule.most_seq_len_q;
        if (rule.most_seq_len_kv)
            row["most_seq_len_kv"] = rule.most_seq_len_kv;
        row["parameters"] = rule.parameters;
    }
    for (const auto &[shape, times] : record.shapes) {
        Json &row = shapes[shape] = {{"median_ms", times.median_ms}, {"default_ms", times.default_ms}, {"spread", times.spread}};
        add_unknown(row, times.more);
    }
    const TunedProvenance &from = record.provenance;
    Json provenance = {{"date", from.date},     {"cpu", from.cpu},   {"attune", from.attune},
                       {"halide", from.halide}, {"llvm", from.llvm}, {"command", from.command}};
    add_unknown(provenance, from.more);
    Json json = {{"schema", record.rules.empty() ? 1 : 2},
                 {"spec", record.spec},
                 {"target", record.target},
                 {"device", record.device},
                 {"family", record.family},
                 {"parameters", parameters},
                 {"shapes", shapes},
                 {"share_of_limit", record.share_of_limit},
                 {"determinism", record.determinism},
                 {"provenance", provenance}};
    if (!record.rules.empty())
        json["rules"] = rules;
    add_unknown(json, record.more);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void check_record(const TunedRecord &record) {
    TunedLine line = parse_tuned_line(record_text(record));
    if (line.kind == TunedLine::Kind::record)
        return;
    line.problem.code = ErrorCode::input;
    throw Error(line.problem);
}

}  // namespace attune
