#pragma once

/// Limits of one rendering. A hostile template runs into them instead of hanging or exhausting the process.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/text/jinja/error.hpp"

namespace gantry::text::jinja {

inline constexpr size_t kMaxSourceBytes = size_t{4} << 20;  ///< of a template
inline constexpr uint64_t kMaxSteps = 30'000'000;           ///< evaluated nodes, iterated items, blocks of text
inline constexpr size_t kMaxLiveBytes = size_t{256} << 20;  ///< values that the template holds at one time
inline constexpr size_t kMaxTextBytes = size_t{64} << 20;   ///< one string, and the output
inline constexpr uint32_t kMaxEvalDepth = 1500;             ///< nested statements and expressions, macros included
inline constexpr uint32_t kMaxValueDepth = 400;             ///< lists in lists

class Budget {
  public:
    void step(uint64_t n = 1) {
        steps_ += n;
        if (steps_ > kMaxSteps) {
            raise(ErrorKind::kLimit, "the template needs too many steps");
        }
    }
    /// For work that grows with a text's length.
    void step_text(size_t bytes) { step(1 + bytes / 64); }

    void require(size_t bytes) const {
        if (bytes > kMaxLiveBytes || live_ > kMaxLiveBytes - bytes) {
            raise(ErrorKind::kLimit, "the template needs too much memory");
        }
    }
    void acquire(size_t bytes) {
        require(bytes);
        live_ += bytes;
    }
    void release(size_t bytes) noexcept { live_ -= bytes; }

    void enter() {
        if (depth_ >= kMaxEvalDepth) {
            raise(ErrorKind::kRecursion, "maximum recursion depth exceeded");
        }
        ++depth_;
    }
    void leave() noexcept { --depth_; }

  private:
    uint64_t steps_ = 0;
    size_t live_ = 0;
    uint32_t depth_ = 0;
};

/// One level of nesting, for as long as it lives.
class DepthGuard {
  public:
    explicit DepthGuard(Budget& budget) : budget_(budget) { budget_.enter(); }
    ~DepthGuard() { budget_.leave(); }
    DepthGuard(const DepthGuard&) = delete;
    DepthGuard& operator=(const DepthGuard&) = delete;

  private:
    Budget& budget_;
};

/// A text under construction that refuses to grow past kMaxTextBytes.
class TextBuilder {
  public:
    void add(std::string_view s) {
        check(s.size());
        text_ += s;
    }
    void add(size_t count, char c) {
        check(count);
        text_.append(count, c);
    }
    size_t size() const { return text_.size(); }
    const std::string& view() const { return text_; }
    std::string take() { return std::move(text_); }

  private:
    void check(size_t more) const {
        if (more > kMaxTextBytes || text_.size() > kMaxTextBytes - more) {
            raise(ErrorKind::kLimit, "the template makes too long a text");
        }
    }
    std::string text_;
};

}  // namespace gantry::text::jinja
