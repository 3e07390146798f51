#include "schedules/autotune/line_process.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace attune::autotune {
namespace {

constexpr size_t longest_line = size_t(1) << 20;

using Clock = std::chrono::steady_clock;
Clock::time_point after(double seconds) {
    return Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

/// Whether the socket is ready for `events` before the end of patience.
bool wait_for(int socket, short events, Clock::time_point end) {
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd one = {socket, events, 0};
        const int ready = poll(&one, 1, static_cast<int>(std::max<int64_t>(left, 0)));
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

}  // namespace

LineProcess::LineProcess(const std::string &command) {
    const auto check = [&](int error) {
        if (error == 0)
            return;
        if (socket_ >= 0)
            close(socket_);
        throw Error({.code = ErrorCode::input,
                     .argument = "external command",
                     .value = command,
                     .expected = "a program that can be started",
                     .cure = "check the command in a shell",
                     .problem = fmt::format("the external command does not start: {}", errno_text(error))});
    };
    // One socket for both directions, and not two pipes: to a program that is gone it can be written without SIGPIPE.
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : errno);
    socket_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    std::string shell = "sh", flag = "-c", text = command;
    char *arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
    const int error = posix_spawn(&process_, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    check(error);
}

LineProcess::~LineProcess() {
    shutdown(socket_, SHUT_WR);
    std::string ignored;
    const auto patience = after(2);
    while (ended_.empty() && Clock::now() < patience && receive(ignored, 0.05) != Answer::closed) {
    }
    if (ended_.empty())
        end();
    close(socket_);
}

bool LineProcess::send(const std::string &line, double patience_s) {
    const std::string text = line + "\n";
    const auto patience = after(patience_s);
    for (size_t done = 0; done < text.size();) {
        const ssize_t n = ::send(socket_, text.data() + done, text.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            done += static_cast<size_t>(n);
        else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_for(socket_, POLLOUT, patience))
                return false;
        } else if (errno != EINTR)
            return false;
    }
    return true;
}

LineProcess::Answer LineProcess::receive(std::string &line, double patience_s) {
    const auto patience = after(patience_s);
    for (size_t searched = 0;;) {
        if (const size_t newline = received_.find('\n', searched); newline != std::string::npos) {
            line = received_.substr(0, newline);
            received_.erase(0, newline + 1);
            return Answer::line;
        }
        searched = received_.size();
        if (searched > longest_line)
            return Answer::too_long;
        if (!wait_for(socket_, POLLIN, patience))
            return Answer::late;
        char bytes[4096];
        const ssize_t n = recv(socket_, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return Answer::closed;
        received_.append(bytes, n > 0 ? static_cast<size_t>(n) : 0);
    }
}

std::string LineProcess::end() {
    if (!ended_.empty())
        return ended_;
    int status = 0;
    pid_t gone = 0;
    for (const auto patience = after(1); gone == 0 && Clock::now() < patience; usleep(2000))
        gone = waitpid(process_, &status, WNOHANG);  // one that closed its output is about to end
    if (gone == 0) {
        kill(-process_, SIGKILL);
        waitpid(process_, &status, 0);
        ended_ = "was still running and was ended";
    } else if (WIFSIGNALED(status)) {
        ended_ = fmt::format("was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        ended_ = fmt::format("ended with exit code {}", WEXITSTATUS(status));
    }
    return ended_;
}

}  // namespace attune::autotune
