/// A program run through the shell, for tests of command lines.
#pragma once
#include <array>
#include <cstdio>
#include <string>
#include <sys/wait.h>

struct Outcome {
    int code;
    std::string output;
};

inline Outcome run_command(const std::string &command) {
    FILE *pipe = popen(command.c_str(), "r");
    Outcome outcome{-1, ""};
    std::array<char, 4096> buffer;
    for (size_t n; pipe && (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        outcome.output.append(buffer.data(), n);
    if (pipe)
        outcome.code = WEXITSTATUS(pclose(pipe));
    return outcome;
}
