#include "generator/cli/tune/trial_job.h"

#include "generator/cli/tune/messages.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <cstring>

namespace attune::cli {

namespace {

constexpr size_t most_argument_bytes = 64 << 20;  // of one: in the executable, twice that as text
constexpr double random_density = 0.25;           // of the block lists that params_or_random makes up

std::string hex_of(const Bytes &bytes) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (size_t i = 0; i < bytes.size(); i++) {
        const auto byte = static_cast<unsigned char>(bytes.data()[i]);
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

Bytes bytes_of(const std::string &hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    Bytes bytes(hex.size() / 2);
    for (size_t i = 0; i < bytes.size(); i++)
        bytes.data()[i] = static_cast<char>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return bytes;
}

bool equal(const Argument &a, const Argument &b) {
    return a.extents == b.extents && a.bytes.size() == b.bytes.size() && std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

bool equal(const BlockLists &a, const BlockLists &b) {
    return a.batch == b.batch && a.heads == b.heads && a.rows == b.rows && a.row_offsets == b.row_offsets && a.columns == b.columns &&
           a.full == b.full;
}

BlockLists made_up_lists(const TuneJob &job, const Shape &shape) {
    return random_block_lists(job.spec, shape, random_density, 0, job.seed);
}

Json argument_json(const TuneJob &job, size_t param, const Shape &shape, const Argument &argument) {
    if (equal(argument, default_argument(job.spec, param, shape, job.seed)))
        return nullptr;
    if (argument.bytes.size() > most_argument_bytes)
        throw Error({.code = ErrorCode::usage,
                     .argument = "--param " + job.spec.params[param].name,
                     .value = fmt::format("{} MiB", argument.bytes.size() >> 20),
                     .expected = "at most 64 MiB with --runner, as it is sent to another machine",
                     .cure = "leave it out: random values are made there"});
    return {{"extents", argument.extents}, {"bytes", hex_of(argument.bytes)}};
}

Json lists_json(const TuneJob &job, const Shape &shape, const BlockLists &lists) {
    if (!job.spec.block_mask || equal(lists, made_up_lists(job, shape)))
        return nullptr;
    return {{"batch", lists.batch},     {"heads", lists.heads}, {"rows", lists.rows}, {"row_offsets", lists.row_offsets},
            {"columns", lists.columns}, {"full", lists.full}};
}

BlockLists lists_of(const TuneJob &job, const Shape &shape, const Json &json) {
    if (!job.spec.block_mask)
        return {};
    if (json.is_null())
        return made_up_lists(job, shape);
    BlockLists lists;
    lists.size_q = job.spec.block_size_q;
    lists.size_kv = job.spec.block_size_kv;
    lists.batch = json.at("batch").get<int64_t>();
    lists.heads = json.at("heads").get<int64_t>();
    lists.rows = json.at("rows").get<int64_t>();
    lists.row_offsets = json.at("row_offsets").get<std::vector<int32_t>>();
    lists.columns = json.at("columns").get<std::vector<int32_t>>();
    lists.full = json.at("full").get<std::vector<uint8_t>>();
    return lists;
}

}  // namespace

Json trial_job_json(const TuneJob &job, const std::vector<TrialKernel> &kernels) {
    Json shapes = Json::array(), params = Json::array(), lists = Json::array(), list = Json::array();
    for (size_t i = 0; i < job.shapes.size(); i++) {
        shapes.push_back(shape_text(job.shapes[i]));
        Json arguments = Json::array();
        for (size_t j = 0; j < job.spec.params.size(); j++)
            arguments.push_back(argument_json(job, j, job.shapes[i], job.params[i].arguments()[j]));
        params.push_back(arguments);
        lists.push_back(lists_json(job, job.shapes[i], job.params[i].lists()));
    }
    for (const TrialKernel &kernel : kernels)
        list.push_back(
            {{"name", kernel.name}, {"parameters", parameters_object(kernel.parameters)}, {"rounds_weights", kernel.rounds_weights}});
    return {{"spec", spec_to_toml(job.spec)},
            {"id", job.spec.id()},
            {"target", job.target->name},
            {"shapes", shapes},
            {"threads", job.threads},
            {"seed", job.seed},
            {"params", params},
            {"lists", lists},
            {"kernels", list}};
}

TrialJob trial_job_of(const Json &json) {
    TrialJob trial;
    TuneJob &job = trial.job;
    job.spec = validate_spec(read_spec_text(json.at("spec").get<std::string>(), "the specification of the trials"));
    if (const std::string id = json.at("id").get<std::string>(); job.spec.id() != id)
        throw internal_error("reading the specification of the trials", fmt::format("its id is {}, not {}", job.spec.id(), id));
    job.target = &cpu_target(json.at("target").get<std::string>());
    job.threads = json.at("threads").get<int>();
    job.seed = json.at("seed").get<uint64_t>();
    for (size_t i = 0; i < json.at("shapes").size(); i++) {
        const Shape shape = parse_shape(json["shapes"][i].get<std::string>(), job.spec.group);
        std::vector<Argument> arguments;
        for (size_t j = 0; j < job.spec.params.size(); j++) {
            const Json &given = json.at("params").at(i).at(j);
            arguments.push_back(given.is_null() ? default_argument(job.spec, j, shape, job.seed)
                                                : Argument{given.at("extents").get<std::vector<int64_t>>(),
                                                           bytes_of(given.at("bytes").get_ref<const std::string &>())});
        }
        job.shapes.push_back(shape);
        job.params.push_back({job.spec, std::move(arguments), lists_of(job, shape, json.at("lists").at(i))});
    }
    for (const Json &kernel : json.at("kernels"))
        trial.kernels.push_back(
            {kernel.at("name").get<std::string>(), parameters_of(kernel.at("parameters")), kernel.at("rounds_weights").get<bool>()});
    return trial;
}

}  // namespace attune::cli
