#include "generator/cli/tune/worker_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace attune::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t most_shown = 100;  // characters of a line in an error

std::vector<char *> pointers(std::vector<std::string> &texts) {
    std::vector<char *> list;
    for (std::string &text : texts)
        list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

std::vector<std::string> environment_with(const std::vector<std::string> &changes) {
    std::vector<std::string> all = changes;
    const auto name = [](const std::string &entry) { return entry.substr(0, entry.find('=')); };
    for (char **entry = environ; *entry; entry++)
        if (std::none_of(changes.begin(), changes.end(), [&](const auto &change) { return name(change) == name(*entry); }))
            all.emplace_back(*entry);
    return all;
}

std::string how_it_ended(int status) {
    if (WIFSIGNALED(status))
        return fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
    const int code = WEXITSTATUS(status);
    // A shell in between, which passes on how its command ended.
    const char *signal = code > 128 ? strsignal(code - 128) : nullptr;
    return signal ? fmt::format("exit code {} (of a shell: signal {}, {})", code, code - 128, signal) : fmt::format("exit code {}", code);
}

}  // namespace

WorkerProcess::WorkerProcess(std::vector<std::string> words, std::vector<std::string> environment)
    : words_(std::move(words)), environment_(environment_with(environment)) {
    start();
}

WorkerProcess::~WorkerProcess() {
    stop();
}

void WorkerProcess::start() {
    int request[2] = {-1, -1}, answer[2] = {-1, -1};
    const bool piped = pipe2(request, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0;
    std::vector<char *> arguments = pointers(words_), environment = pointers(environment_);
    const pid_t parent = getpid();
    pid_ = piped ? fork() : -1;
    if (pid_ == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)  // it ended before the line above
            _exit(127);
        dup2(request[0], STDIN_FILENO);
        dup2(answer[1], STDOUT_FILENO);
        execve(arguments[0], arguments.data(), environment.data());
        _exit(127);
    }
    close(request[0]);
    close(answer[1]);
    to_ = request[1];
    from_ = answer[0];
    buffer_.clear();
    end_.clear();
    lost_ = false;
    if (pid_ < 0) {
        const std::string reason = std::strerror(errno);
        stop();
        throw Error({.code = ErrorCode::internal,
                     .argument = "a worker of tune",
                     .value = reason,
                     .expected = "a child process",
                     .cure = "free memory or processes"});
    }
}

void WorkerProcess::stop() {
    for (int *descriptor : {&to_, &from_})
        if (*descriptor >= 0)
            close(std::exchange(*descriptor, -1));
    if (pid_ > 0) {
        kill(-pid_, SIGKILL);
        kill(pid_, SIGKILL);
        int status = 0;
        while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
    }
}

void WorkerProcess::restart() {
    stop();
    start();
}

void WorkerProcess::lose() {
    lost_ = true;
    int status = 0;
    // Its output is closed, so it is about to end.
    for (int i = 0; i < 100 && end_.empty(); i++) {
        const pid_t ended = waitpid(pid_, &status, WNOHANG);
        if (ended == pid_) {
            end_ = how_it_ended(status);
            pid_ = -1;
        } else {
            usleep(10000);
        }
    }
    if (end_.empty())
        end_ = "a closed output";
}

void WorkerProcess::send(const Json &request) {
    const std::string line = request.dump() + "\n";
    for (size_t sent = 0; sent < line.size();) {
        const ssize_t n = write(to_, line.data() + sent, line.size() - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;  // it has ended: receive() tells
        sent += static_cast<size_t>(n);
    }
}

std::optional<Json> WorkerProcess::receive(double seconds) {
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    while (!lost_) {
        if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
            const std::string line = buffer_.substr(0, end);
            Json answer = Json::parse(line, nullptr, false);
            buffer_.erase(0, end + 1);
            if (answer.is_object())
                return answer;
            lost_ = true;
            end_ = fmt::format("an answer that is no JSON: {}", line.substr(0, most_shown));
            return std::nullopt;
        }
        const double left = std::chrono::duration<double>(deadline - Clock::now()).count();
        pollfd wait{from_, POLLIN, 0};
        const int ready = poll(&wait, 1, static_cast<int>(std::max(0.0, left) * 1e3));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return std::nullopt;
        char bytes[65536];
        const ssize_t n = read(from_, bytes, sizeof bytes);
        if (n > 0)
            buffer_.append(bytes, static_cast<size_t>(n));
        else if (n == 0 || errno != EINTR)
            lose();
    }
    return std::nullopt;
}

}  // namespace attune::cli
