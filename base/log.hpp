#pragma once

/// The program's log: text or JSON lines on stderr. The only singleton of the program; any thread may write.

#include <fmt/core.h>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError, kOff };
enum class Format { kText, kJson };

/// "trace", "debug", "info", "warn", "error", "off"; kInvalidArgument names the choices.
Result<Level> level_from_name(std::string_view name);

/// Called once by main, before threads exist. Without it: level info, text.
void setup(Level level, Format format);

/// Whether a line of this level would be written; asks before work is put into one.
bool enabled(Level level);

/// A named value beside the message: key=value in text, a member in JSON. `raw` values are numbers or booleans.
struct Field {
    std::string_view key;
    std::string value;
    bool raw = false;
};

/// One line. Line breaks within message and values are escaped, so that one event stays one line.
void write(Level level, std::string_view message, std::span<const Field> fields);
inline void write(Level level, std::string_view message, std::initializer_list<Field> fields = {}) {
    write(level, message, std::span(fields.begin(), fields.size()));
}

/// The line as it would be written, without time; for tests and for the runner's log tail.
std::string render(Format format, Level level, std::string_view time, std::string_view message,
                   std::span<const Field> fields);
inline std::string render(Format format, Level level, std::string_view time, std::string_view message,
                          std::initializer_list<Field> fields) {
    return render(format, level, time, message, std::span(fields.begin(), fields.size()));
}

template <class... Args>
void emit(Level level, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) {
        write(level, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kDebug, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kInfo, format, std::forward<Args>(args)...);
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kWarn, format, std::forward<Args>(args)...);
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kError, format, std::forward<Args>(args)...);
}

}  // namespace gantry::log
