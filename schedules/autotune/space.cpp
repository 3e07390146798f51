#include "schedules/autotune/space.h"

#include <fmt/format.h>

#include <cstdint>

namespace attune::autotune {
namespace {

void add_points(const Space &space, Point &point, std::vector<Point> &out) {
    if (point.size() == space.parameters.size()) {
        if (point != space.fallback && space.legal(point))
            out.push_back(point);
        return;
    }
    for (const int value : space.parameters[point.size()].values) {
        point.push_back(value);
        add_points(space, point, out);
        point.pop_back();
    }
}

}  // namespace

std::vector<Point> Space::legal_points() const {
    std::vector<Point> out = {fallback};
    Point point;
    add_points(*this, point, out);
    return out;
}

std::string Space::text(const Point &point) const {
    std::string out;
    for (size_t i = 0; i < parameters.size() && i < point.size(); i++)
        out += fmt::format("{}{}={}", i ? " " : "", parameters[i].name, point[i]);
    return out;
}

std::string Space::fingerprint() const {
    std::string all = family;
    for (const Parameter &parameter : parameters)
        all += fmt::format("\n{}={}", parameter.name, fmt::join(parameter.values, ","));
    all += fmt::format("\n{}", fmt::join(fallback, ","));
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : all)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return fmt::format("{:016x}", hash);
}

}  // namespace attune::autotune
