#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <chrono>
#include <ctime>
#include <memory>

namespace gantry::log {
namespace {

constexpr std::array<std::string_view, 6> kNames{"trace", "debug", "info", "warn", "error", "off"};

struct State {
    std::atomic<Level> level{Level::kInfo};
    std::atomic<Format> format{Format::kText};
    std::shared_ptr<spdlog::logger> logger;

    State() {
        logger = std::make_shared<spdlog::logger>("gantry", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        logger->set_pattern("%v", spdlog::pattern_time_type::utc);
        logger->set_level(spdlog::level::trace);
        logger->flush_on(spdlog::level::trace);
    }
};

State& state() {
    static State instance;
    return instance;
}

std::string now_text() {
    thread_local std::time_t made = 0;
    thread_local std::array<char, 32> buffer{};  ///< the second `made`
    const auto now = std::chrono::system_clock::now();
    const auto seconds = std::chrono::system_clock::to_time_t(now);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    if (seconds != made) {
        std::tm tm{};
        gmtime_r(&seconds, &tm);
        std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &tm);
        made = seconds;
    }
    return fmt::format("{}.{:03}Z", buffer.data(), ms);
}

std::string quoted(std::string_view text) { return boost::json::serialize(boost::json::string_view(text)); }

/// Control characters would break the line (or a terminal): they are shown as escapes.
void append_plain(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            out += c;
        }
    }
}

}  // namespace

Result<Level> level_from_name(std::string_view name) {
    for (size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] == name) {
            return static_cast<Level>(i);
        }
    }
    return Error(Code::kInvalidArgument, std::string(name) + " is not a log level",
                 "use trace, debug, info, warn, error or off");
}

void setup(Level level, Format format) {
    state().level = level;
    state().format = format;
}

bool enabled(Level level) { return level >= state().level.load(std::memory_order_relaxed) && level != Level::kOff; }

std::string render(Format format, Level level, std::string_view time, std::string_view message,
                   std::span<const Field> fields) {
    const std::string_view name = kNames[static_cast<size_t>(level)];
    std::string out;
    if (format == Format::kJson) {
        out = fmt::format(R"({{"time":"{}","level":"{}","message":{})", time, name, quoted(message));
        for (const Field& field : fields) {
            out += fmt::format(",{}:{}", quoted(field.key), field.raw ? field.value : quoted(field.value));
        }
        out += '}';
        return out;
    }
    out.reserve(256);
    out.append(time).append(" ").append(name).append(name.size() < 5 ? 6 - name.size() : 1, ' ');
    append_plain(out, message);
    for (const Field& field : fields) {
        out.append(" ").append(field.key).append("=");
        const bool bare = field.raw || (!field.value.empty() && field.value.find_first_of(" \"=") == std::string::npos);
        append_plain(out, bare ? field.value : quoted(field.value));
    }
    return out;
}

void write(Level level, std::string_view message, std::span<const Field> fields) {
    if (!enabled(level)) {
        return;
    }
    const std::string line = render(state().format.load(std::memory_order_relaxed), level, now_text(), message, fields);
    state().logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace gantry::log
