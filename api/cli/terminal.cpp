#include "api/cli/terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace gantry::cli {
namespace {

bool takes_colour(int fd) {
    const char* term = std::getenv("TERM");
    const char* no_colour = std::getenv("NO_COLOR");
    return ::isatty(fd) == 1 && (no_colour == nullptr || *no_colour == 0) &&
           (term == nullptr || std::string_view(term) != "dumb");
}

std::string wrapped(const char* code, std::string_view text) {
    return colour_out() ? std::string(code) + std::string(text) + "\x1b[0m" : std::string(text);
}

}  // namespace

bool colour_out() { return takes_colour(STDOUT_FILENO); }
bool colour_err() { return takes_colour(STDERR_FILENO); }
std::string bold(std::string_view text) { return wrapped("\x1b[1m", text); }
std::string dim(std::string_view text) { return wrapped("\x1b[2m", text); }

std::string human_bytes(uint64_t bytes) {
    constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits.at(unit));
    return text.data();
}

int fail(const Error& error) {
    const bool colour = colour_err();
    std::cerr << (colour ? "\x1b[31merror:\x1b[0m " : "error: ") << error.message << "\n";
    if (!error.hint.empty()) {
        std::cerr << "       " << error.hint << "\n";
    }
    return 1;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    std::string out;
    for (size_t r = 0; r < rows.size(); ++r) {
        std::string line;
        for (size_t i = 0; i < rows[r].size(); ++i) {
            line += rows[r][i];
            if (i + 1 < rows[r].size()) {
                line.append(widths[i] - rows[r][i].size() + 2, ' ');
            }
        }
        out += (r == 0 ? bold(line) : line) + "\n";
    }
    return out;
}

ProgressLine::ProgressLine(bool quiet) : active_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::update(std::string_view label, uint64_t done, uint64_t total) {
    if (!active_) {
        return;
    }
    constexpr size_t kWidth = 30;
    std::string line = "\r\x1b[K" + std::string(label);
    if (total > 0) {
        const size_t filled = std::min<size_t>(kWidth, static_cast<size_t>(done * kWidth / total));
        line += "  [" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "]  " +
                std::to_string(std::min<uint64_t>(100, done * 100 / total)) + " %  " + human_bytes(done) + " of " +
                human_bytes(total);
    }
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    drawn_ = true;
}

void ProgressLine::clear() {
    if (drawn_) {
        std::fputs("\r\x1b[K", stderr);
        std::fflush(stderr);
        drawn_ = false;
    }
}

}  // namespace gantry::cli
