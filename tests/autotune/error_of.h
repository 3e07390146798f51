#pragma once
#include "generator/spec/error.h"

#include <gtest/gtest.h>

namespace attune::test {

/// The error that `action` throws, which has an argument, an expectation and a cure.
template <class Action> Error error_of(const Action &action) {
    try {
        action();
    } catch (const Error &error) {
        EXPECT_NE(error.details().argument, "") << error.what();
        EXPECT_NE(error.details().expected, "") << error.what();
        EXPECT_NE(error.details().cure, "") << error.what();
        return error;
    }
    ADD_FAILURE() << "no error";
    return Error({});
}

}  // namespace attune::test
