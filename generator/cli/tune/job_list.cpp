#include "generator/cli/tune/job_list.h"

#include "generator/cli/spec_flags.h"
#include "schedules/autotune/shard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace attune::cli {

namespace {

constexpr const char *jobs_flag = "--jobs", *shard_flag = "--shard";
// Beside --jobs these are for every line that does not have them itself …
constexpr const char *toggles[] = {"--by-shape", "--resume", "--quiet", "--verbose"};
constexpr const char *values[] = {
    "--target", "--threads",           "--seed",  "--budget", "--trials", "--search", "--external", "--db", "--compilers",
    "--runner", "--runner-link-flags", "--shape", "--values"};
// … and these are one job's.
constexpr const char *of_one_job[] = {"--journal", "--sweep", "--replay", "--t4", "--report", "--param"};

std::optional<std::vector<std::string>> split_words(const std::string &text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
            word += text[++i];
            in_word = true;
        } else if (quote) {
            if (c == quote)
                quote = 0;
            else
                word += c;
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            if (in_word)
                words.push_back(std::exchange(word, {}));
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (in_word)
        words.push_back(word);
    if (quote)
        return std::nullopt;
    return words;
}

/// The job's own words and those beside --jobs that it leaves open.
std::vector<std::string> words_of_child(const ListedJob &job, const Flags &line, const Flags &common) {
    std::vector<std::string> words = {"attune", "tune"};
    words.insert(words.end(), job.words.begin(), job.words.end());
    for (const char *flag : toggles)
        if (common.has(flag) && !line.has(flag))
            words.emplace_back(flag);
    for (const char *flag : values)
        if (common.has(flag) && !line.has(flag))
            for (const std::string &value : common.all(flag))
                words.insert(words.end(), {flag, value});
    return words;
}

/// The flags of every command.
void declare_common(Flags &flags) {
    for (const char *names : {"--json", "-v,--verbose", "-q,--quiet", "--version", "-h,--help"})
        flags.toggle(names, "");
}

void check_common(const Flags &flags) {
    if (!flags.has(jobs_flag))
        throw Error({.argument = shard_flag,
                     .value = flags.text(shard_flag),
                     .expected = "a job list to take a part of",
                     .cure = "give --jobs FILE, a file with the words of one 'attune tune' a line"});
    const auto refuse = [](const std::string &word) {
        throw Error({.argument = word,
                     .value = "beside --jobs",
                     .expected = "what all jobs share, such as --budget or --db",
                     .cure = "write it into the lines that it is for"});
    };
    if (const std::vector<std::string> spec = spec_words(flags); !spec.empty())
        refuse(spec.front());
    for (const char *flag : of_one_job)
        if (flags.has(flag))
            refuse(flag);
}

/// The words of the line's child. Throws Error with the file's name and the line's number.
std::vector<std::string> checked_words(const std::string &path, const ListedJob &job, const Flags &common, const JobListOptions &options) {
    Flags line("tune", ""), whole("tune", "");
    for (Flags *flags : {&line, &whole}) {
        options.declare(*flags);
        declare_common(*flags);
    }
    std::vector<std::string> words;
    const char *forced = std::getenv("ATTUNE_FORCE_TARGET");
    const std::string kept = forced ? forced : "";
    try {
        line.parse(job.words);
        for (const char *flag : {jobs_flag, shard_flag})
            if (line.has(flag))
                throw Error({.argument = flag, .value = line.text(flag), .expected = "no list within a list", .cure = "remove it"});
        words = words_of_child(job, line, common);
        whole.parse({words.begin() + 2, words.end()});
        options.check(whole);
    } catch (const Error &error) {
        ErrorDetails details = error.details();
        if (details.file.empty()) {
            details.file = path;
            details.line = job.line;
            details.column = 0;
        }
        throw Error(details);
    }
    if (forced)  // the check has taken it out of the environment, which the next line and the children are to have
        setenv("ATTUNE_FORCE_TARGET", kept.c_str(), 1);
    return words;
}

std::string read_all(int descriptor) {
    std::string text;
    char bytes[65536];
    for (;;) {
        const ssize_t n = read(descriptor, bytes, sizeof bytes);
        if (n > 0)
            text.append(bytes, static_cast<size_t>(n));
        else if (n == 0 || errno != EINTR)
            return text;
    }
}

/// This program with these words; its exit code, 128 + signal where one ended it. output: takes its standard output, where not null.
int run_child(std::vector<std::string> words, std::string *output) {
    const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
    std::vector<char *> arguments;
    for (std::string &word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int out[2] = {-1, -1};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (output && pipe2(out, O_CLOEXEC) == 0)
        posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    pid_t child = -1;
    const int failure = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (out[1] >= 0)
        close(out[1]);
    if (failure == 0 && output)
        *output = read_all(out[0]);
    if (out[0] >= 0)
        close(out[0]);
    if (failure != 0)
        throw Error({.code = ErrorCode::internal,
                     .argument = "a job of --jobs",
                     .value = errno_text(failure),
                     .expected = "a child process",
                     .cure = "free memory or processes"});
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::vector<ListedJob> read_job_list(const std::string &path) {
    errno = 0;
    std::ifstream file(path);
    if (!file.is_open())
        throw Error({.code = ErrorCode::input,
                     .argument = jobs_flag,
                     .value = path,
                     .expected = fmt::format("a file that can be read ({})", errno_text(errno)),
                     .cure = "write one, with the words of one 'attune tune' a line"});
    std::vector<ListedJob> jobs;
    int number = 0;
    for (std::string text; std::getline(file, text);) {
        number++;
        const size_t begin = text.find_first_not_of(" \t\r");
        if (begin == std::string::npos || text[begin] == '#')
            continue;
        std::optional<std::vector<std::string>> words = split_words(text.substr(begin));
        if (!words)
            throw Error({.argument = "a job",
                         .value = text,
                         .expected = "the words of one 'attune tune', with quotes in pairs",
                         .cure = "close the quote on the same line",
                         .file = path,
                         .line = number});
        if (words->size() > 1 && (*words)[0] == "attune" && (*words)[1] == "tune")
            words->erase(words->begin(), words->begin() + 2);
        jobs.push_back({number, text.substr(begin), std::move(*words)});
    }
    return jobs;
}

int run_job_list(const Flags &flags, Session &session, const JobListOptions &options) {
    check_common(flags);
    const autotune::Shard shard = flags.has(shard_flag) ? autotune::parse_shard(flags.text(shard_flag)) : autotune::Shard{};
    const std::string path = flags.text(jobs_flag);
    const std::vector<ListedJob> jobs = read_job_list(path), mine = jobs_of(jobs, shard);
    std::vector<std::vector<std::string>> words;  // of the children of this part
    for (const ListedJob &job : jobs) {           // all of them: another part's mistake is found before hours of this one's work, too
        std::vector<std::string> checked = checked_words(path, job, flags, options);
        if (std::any_of(mine.begin(), mine.end(), [&](const ListedJob &own) { return own.line == job.line; }))
            words.push_back(std::move(checked));
    }

    Json list = Json::array();
    std::vector<std::string> failed;
    for (size_t i = 0; i < mine.size(); i++) {
        if (options.stop && *options.stop) {
            failed.push_back(fmt::format("{}:{} (not begun)", path, mine[i].line));
            continue;
        }
        spdlog::info("job {} of {}, {}:{}: {}", i + 1, mine.size(), path, mine[i].line, mine[i].text);
        std::string output;
        if (session.json)
            words[i].emplace_back("--json");
        else
            session.flush();
        const int code = run_child(words[i], session.json ? &output : nullptr);
        if (code != 0) {
            failed.push_back(fmt::format("{}:{} (exit code {})", path, mine[i].line, code));
            spdlog::warn("{}: {}", failed.back(), mine[i].text);
        }
        if (session.json)
            list.push_back(
                {{"line", mine[i].line}, {"words", mine[i].words}, {"code", code}, {"result", Json::parse(output, nullptr, false)}});
    }
    if (session.json)
        session.print_json({{"jobs", list}, {"failed", failed.size()}});
    else
        session.print(fmt::format("{} of {} jobs of part {}/{} succeeded{}\n", mine.size() - failed.size(), mine.size(), shard.index,
                                  shard.count, failed.empty() ? "" : fmt::format("; failed: {}", fmt::join(failed, ", "))));
    return failed.empty() ? 0 : static_cast<int>(ErrorCode::check_failed);
}

}  // namespace attune::cli
