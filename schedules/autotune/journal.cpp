#include "schedules/autotune/journal.h"
#include "generator/spec/error.h"
#include "schedules/autotune/search.h"
#include "schedules/autotune/text_file.h"
#include "schedules/autotune/trial_json.h"

#include <fmt/format.h>

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace attune::autotune {
namespace {

using nlohmann::json;
constexpr int format = 1;

[[noreturn]] void fail(const std::string &path, int line, const std::string &problem, const std::string &expected,
                       const std::string &cure) {
    throw Error({.code = ErrorCode::input,
                 .argument = "journal",
                 .value = path,
                 .expected = expected,
                 .cure = cure,
                 .file = path,
                 .line = line,
                 .problem = problem});
}

std::string line_of(const json &object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json header_json(const JournalHeader &h) {
    return {{"attune_journal", format}, {"key", h.key},       {"family", h.family}, {"parameters", h.parameters},
            {"space", h.space},         {"search", h.search}, {"seed", h.seed}};
}

struct Content {
    RecordedTrials recorded;
    size_t whole = 0;  ///< bytes of whole lines; 0: not even a header
};

/// expected_header: a torn header is one that begins like this.
Content parse(const std::string &path, const std::string &text, const std::string &expected_header) {
    Content out;
    int line = 0;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = text.find('\n', begin);
        const std::string one = text.substr(begin, end == std::string::npos ? end : end - begin);
        const bool last = end == std::string::npos || end + 1 == text.size();
        line++;
        try {
            if (end == std::string::npos)
                throw std::invalid_argument("torn");
            const json object = json::parse(one);
            if (line == 1) {
                if (object.at("attune_journal").get<int>() != format)
                    fail(path, line, fmt::format("the journal has format {}", object.at("attune_journal").dump()),
                         fmt::format("format {}", format), "remove it, or name another journal");
                out.recorded.header = {object.at("key"),   object.at("family"), object.at("parameters"),
                                       object.at("space"), object.at("search"), object.at("seed")};
            } else {
                out.recorded.trials.push_back(trial_of(object, out.recorded.header.parameters.size()));
            }
        } catch (const Error &) {
            throw;
        } catch (const std::exception &) {
            // The line that was being written when a process or a machine died. Of a header only its own beginning is taken for one: any
            // other file keeps its content.
            if (line > 1 ? last : end == std::string::npos && expected_header.starts_with(one))
                return out;
            fail(path, line, line == 1 ? "this is no journal of attune" : "this line is no trial",
                 line == 1 ? "a header line with attune_journal" : "a JSON object with trial, point and outcome",
                 line == 1 ? "name another file" : "remove the line, or the journal");
        }
        begin = out.whole = end + 1;
    }
    return out;
}

void refuse_another(const std::string &path, const json &found, const json &wanted) {
    for (const auto &[key, value] : wanted.items()) {
        if (found.at(key) == value)
            continue;
        const auto text = [](const json &j) { return j.is_string() ? j.get<std::string>() : j.dump(); };
        const std::string name = key == "key"          ? "kernel, shapes or machine"
                                 : key == "space"      ? "space (values or default)"
                                 : key == "parameters" ? "list of parameters"
                                                       : key;
        fail(path, 0, fmt::format("the journal is of another {}: {}", name, text(found.at(key))), text(value),
             "name another journal, remove this one, or tune what it is of");
    }
}

}  // namespace

JournalHeader journal_header(const std::string &key, const Space &space, const SearchOptions &options) {
    JournalHeader header = {key, space.family, {}, space.fingerprint(), options.kind, options.seed};
    for (const Parameter &parameter : space.parameters)
        header.parameters.push_back(parameter.name);
    if (options.kind == "external")
        header.search += ": " + options.external_command;
    return header;
}

RecordedTrials read_journal(const std::string &path) {
    Content content = parse(path, read_text(path, "journal"), "");
    if (content.whole == 0)
        fail(path, 0, "the journal is empty", "a header line with attune_journal", "name another file");
    return std::move(content.recorded);
}

Journal::Journal(const std::string &path, const JournalHeader &header) : path_(path) {
    const auto check = [&](bool good) {
        const int error = errno;
        if (!good)
            fail(path, 0, errno_text(error), "a file that can be written",
                 error == EWOULDBLOCK ? "wait for the other process that tunes with it" : "check the path and its permissions");
    };
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    check(file_ >= 0);
    try {
        check(flock(file_, LOCK_EX | LOCK_NB) == 0);
        const std::string first = line_of(header_json(header));
        Content content = parse(path, read_text(path, "journal"), first);
        check(ftruncate(file_, static_cast<off_t>(content.whole)) == 0);
        if (content.whole == 0)
            check(write(file_, first.data(), first.size()) == static_cast<ssize_t>(first.size()) && fsync(file_) == 0);
        else
            refuse_another(path, header_json(content.recorded.header), json::parse(first));
        recorded_ = std::move(content.recorded.trials);
    } catch (...) {
        close(file_);
        throw;
    }
}

Journal::~Journal() {
    close(file_);
}

void Journal::append(const Trial &trial) {
    const std::string line = line_of(trial_json(trial));
    const ssize_t written = write(file_, line.data(), line.size());
    if (written != static_cast<ssize_t>(line.size()) || fsync(file_) != 0)
        fail(path_, 0, written >= 0 ? "the line was not written whole" : errno_text(errno), "room for another line",
             "make room; what is written can be continued");
}

}  // namespace attune::autotune
