#pragma once
#include "generator/cli/session.h"

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace attune::cli {

/// A child process that answers lines of JSON. It ends with this object, and with this process however that ends; a Ctrl-C of the terminal is
/// not for it. The program has to ignore SIGPIPE, as attune does.
class WorkerProcess {
public:
    /// words: program and arguments. environment: "NAME=value", over those of this process. Throws Error(internal) where none can be started.
    WorkerProcess(std::vector<std::string> words, std::vector<std::string> environment);
    ~WorkerProcess();
    WorkerProcess(const WorkerProcess &) = delete;
    WorkerProcess &operator=(const WorkerProcess &) = delete;

    void send(const Json &request);
    /// The answer if it has come, within `seconds`; nothing: it has not.  A child that has ended, or that says what is no JSON, is `lost`.
    std::optional<Json> receive(double seconds);
    bool lost() const { return lost_; }
    /// How it ended, once lost: "signal 11 (Segmentation fault)", "exit code 5", "an answer that is no JSON".
    std::string end() const { return end_; }
    int descriptor() const { return from_; }  ///< for poll()

    /// Starts it anew: it is killed where it still runs.
    void restart();

private:
    void start();
    void stop();
    void lose();

    std::vector<std::string> words_, environment_;
    pid_t pid_ = -1;
    int to_ = -1, from_ = -1;
    std::string buffer_, end_;
    bool lost_ = false;
};

}  // namespace attune::cli
