#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::fleet {

/// 1 to 100 of letters, digits, '.', '_', '-' and ':', beginning with a letter or digit, not ending in "-rep<digits>"
/// (which names a replica), and not one of the words that are routes of their own. kInvalidArgument says what is wrong.
Status check_uid(std::string_view uid);

/// What a launch is called that names no uid: the model's name, or the last part of its path.
std::string launch_name(const std::string& model, const std::string& model_path);

/// A uid made of a model's name: what check_uid refuses is replaced, and eight random letters and digits are put
/// behind it while `taken`, as Xinference does.
std::string make_uid(std::string_view model_name, const std::function<bool(const std::string&)>& taken);

}  // namespace gantry::fleet
