#include "generator/cli/tune/compile_pool.h"

#include "generator/cli/tune/messages.h"

#include <fmt/format.h>

#include <chrono>
#include <poll.h>

namespace attune::cli {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

autotune::Evaluation CompileResult::evaluation() const {
    return failed_evaluation(timed_out ? autotune::Outcome::timed_out : autotune::Outcome::compile_failed, failure);
}

CompilePool::CompilePool(const std::vector<std::string> &words, const std::vector<std::string> &environment, int workers, double timeout_s,
                         const std::atomic<bool> *stop)
    : timeout_s_(timeout_s), stop_(stop) {
    for (int i = 0; i < workers; i++)
        workers_.push_back(std::make_unique<WorkerProcess>(words, environment));
}

std::vector<CompileResult> CompilePool::compile(const std::vector<Json> &requests) {
    struct Busy {
        bool is = false;
        size_t request = 0;
        Clock::time_point begin;
    };
    std::vector<CompileResult> results(requests.size());
    std::vector<Busy> busy(workers_.size());
    size_t next = 0, done = 0;
    while (done < requests.size() && !stopped()) {
        std::vector<pollfd> waits;
        for (size_t i = 0; i < workers_.size(); i++) {
            if (!busy[i].is && next < requests.size()) {
                busy[i] = {true, next++, Clock::now()};
                workers_[i]->send(requests[busy[i].request]);
            }
            waits.push_back({busy[i].is ? workers_[i]->descriptor() : -1, POLLIN, 0});
        }
        constexpr int look_again_ms = 100;  // for time-outs and a stop
        poll(waits.data(), waits.size(), look_again_ms);
        for (size_t i = 0; i < workers_.size(); i++) {
            if (!busy[i].is)
                continue;
            CompileResult &result = results[busy[i].request];
            result.answer = workers_[i]->receive(0);
            result.timed_out = !result.answer && !workers_[i]->lost() && seconds_since(busy[i].begin) > timeout_s_;
            if (result.timed_out)
                result.failure = fmt::format("compiling took more than {} s", timeout_s_);
            else if (workers_[i]->lost())
                result.failure = "the generator ended with " + workers_[i]->end();
            else if (result.answer && result.answer->contains("error"))
                result.failure = (*result.answer)["error"].get<std::string>();
            if (result.timed_out || workers_[i]->lost())
                workers_[i]->restart();
            if (result.answer || !result.failure.empty()) {
                busy[i].is = false;
                done++;
            }
        }
    }
    // A stop leaves some at work: their answers are nobody's.
    for (size_t i = 0; i < workers_.size(); i++)
        if (busy[i].is)
            workers_[i]->restart();
    return results;
}

}  // namespace attune::cli
