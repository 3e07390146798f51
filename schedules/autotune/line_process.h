#pragma once
#include <string>

#include <sys/types.h>

namespace attune::autotune {

/// A program beside this one that reads lines and writes lines.
class LineProcess {
public:
    /// Runs `command` by /bin/sh, in a process group of its own: an interrupt from the terminal is the caller's, not the program's.
    /// Throws Error(input) where nothing can be started.
    explicit LineProcess(const std::string &command);
    /// Closes its input, gives it two seconds to end, and ends it.
    ~LineProcess();
    LineProcess(const LineProcess &) = delete;
    LineProcess &operator=(const LineProcess &) = delete;

    /// False where the program is gone, or does not read for so long.
    bool send(const std::string &line, double patience_s);
    enum class Answer { line, closed, late, too_long };
    /// Without its newline.
    Answer receive(std::string &line, double patience_s);
    /// How it ended, in words: "ended with exit code 3"; to be asked once it is gone or was late.
    std::string end();

private:
    pid_t process_ = 0;
    int socket_ = -1;
    std::string received_;
    std::string ended_;  ///< empty: it was not seen to end
};

}  // namespace attune::autotune
