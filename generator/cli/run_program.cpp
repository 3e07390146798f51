#include "generator/cli/run_program.h"

#include "generator/backend/files.h"

#include <cerrno>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace attune::cli {

ProgramResult run_program(std::vector<std::string> words) {
    // Files and no pipes: whichever of the two a program fills first, nobody waits.
    const TemporaryFolder folder;
    const std::string paths[] = {folder.path + "/output", folder.path + "/messages"};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int stream : {STDOUT_FILENO, STDERR_FILENO})
        posix_spawn_file_actions_addopen(&actions, stream, paths[stream - STDOUT_FILENO].c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    std::vector<char *> arguments;
    for (std::string &word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ProgramResult result;
    pid_t child = 0;
    int status = 0;
    result.start_error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    while (result.start_error == 0 && waitpid(child, &status, 0) < 0)
        result.start_error = errno == EINTR ? 0 : errno;
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    for (std::string *text : {&result.output, &result.messages}) {
        std::vector<char> bytes;
        read_file(text == &result.output ? paths[0] : paths[1], bytes);
        text->assign(bytes.begin(), bytes.end());
    }
    return result;
}

}  // namespace attune::cli
