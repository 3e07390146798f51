#pragma once
#include "schedules/autotune/trial.h"

#include <nlohmann/json.hpp>

namespace attune::autotune {

/// A trial as a line of the journal. Numbers come back bit by bit.
nlohmann::json trial_json(const Trial &trial);
/// Throws nlohmann's exceptions, or std::invalid_argument, for what is no trial of so many parameters.
Trial trial_of(const nlohmann::json &json, size_t parameters);

/// {"block_q": 192, "tile_q": 3}
nlohmann::json point_json(const std::vector<Parameter> &parameters, const Point &point);

}  // namespace attune::autotune
