#pragma once

/// "Did you mean ...?"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gantry {

/// Edits (insert, delete, replace, swap of neighbours) between two texts, letters compared without case.
size_t text_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `text`, if it is near enough to be a likely typo of it.
std::optional<std::string> nearest_name(std::string_view text, std::span<const std::string> candidates);

}  // namespace gantry
