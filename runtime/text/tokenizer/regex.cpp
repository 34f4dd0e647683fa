#include "runtime/text/tokenizer/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <utility>

#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {
namespace {

struct Free {
    void operator()(pcre2_code* p) const { pcre2_code_free(p); }
    void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
    void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
    void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

PCRE2_SPTR units(std::string_view s) { return reinterpret_cast<PCRE2_SPTR>(s.data()); }

/// Back-tracking inside one match; far above what any tokenizer's pattern needs, far below a hang.
constexpr uint32_t kMatchLimit = 50'000'000;
constexpr size_t kJitStackStart = size_t{32} * 1024;
constexpr size_t kJitStackMax = size_t{8} * 1024 * 1024;

}  // namespace

struct Regex::Impl {
    std::unique_ptr<pcre2_code, Free> code;
    std::string literal;  ///< where `code` is null
    bool jit = false;

    /// False where there is no match at or after `from`.
    bool search(std::string_view text, size_t from, pcre2_match_data* data, pcre2_match_context* context) const {
        int rc = PCRE2_ERROR_JIT_STACKLIMIT;
        if (jit) {
            rc = pcre2_jit_match(code.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK, data, context);
        }
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
            rc = pcre2_match(code.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                             context);
        }
        return rc >= 0;
    }
};

Regex::Regex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view onig_pattern) {
    GANTRY_TRY(const std::string pattern, translate_onig(onig_pattern));
    int code = 0;
    PCRE2_SIZE offset = 0;
    auto impl = std::make_unique<Impl>();
    impl->code.reset(pcre2_compile(units(pattern), pattern.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &code,
                                   &offset, nullptr));
    if (!impl->code) {
        std::array<PCRE2_UCHAR, 256> message{};
        pcre2_get_error_message(code, message.data(), message.size());
        return Error{Code::kInvalidArgument, "bad regular expression at offset " + std::to_string(offset) + " of \"" +
                                                 pattern + "\": " + reinterpret_cast<const char*>(message.data())};
    }
    impl->jit = pcre2_jit_compile(impl->code.get(), PCRE2_JIT_COMPLETE) == 0;
    return Regex(std::move(impl));
}

Result<Regex> Regex::literal(std::string_view text) {
    if (text.empty()) {
        return compile("");
    }
    auto impl = std::make_unique<Impl>();
    impl->literal = text;
    return Regex(std::move(impl));
}

void Regex::find_all(std::string_view text, std::vector<Match>& out) const {
    if (!impl_->code) {
        const std::string& needle = impl_->literal;
        for (size_t pos = text.find(needle); pos != std::string_view::npos;
             pos = text.find(needle, pos + needle.size())) {
            out.push_back({pos, pos + needle.size()});
        }
        return;
    }
    const std::unique_ptr<pcre2_match_data, Free> data(pcre2_match_data_create(1, nullptr));
    const std::unique_ptr<pcre2_match_context, Free> context(pcre2_match_context_create(nullptr));
    std::unique_ptr<pcre2_jit_stack, Free> stack;
    if (!data || !context) {
        return;
    }
    pcre2_set_match_limit(context.get(), kMatchLimit);
    if (impl_->jit && text.size() > 4096) {  // short texts do with the machine stack
        stack.reset(pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr));
        pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    size_t from = 0;
    size_t last_end = std::string_view::npos;
    while (from <= text.size() && impl_->search(text, from, data.get(), context.get())) {
        const size_t begin = bounds[0];
        const size_t end = bounds[1];
        if (end < begin || (begin == end && end == last_end)) {
            from += from < text.size() ? utf8_length(text[from]) : 1;
            continue;
        }
        out.push_back({begin, end});
        from = last_end = end;
    }
}

}  // namespace gantry::text::tok
