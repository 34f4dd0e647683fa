// Answers that are messages with headers: OpenAI's harmony (https://cookbook.openai.com/articles/openai-harmony) and
// Functionary 3.2.

#include "runtime/text/output/cursor.hpp"
#include "runtime/text/output/parser.hpp"

namespace gantry::text {
namespace {

constexpr size_t kMaxHeader = 1024;

/// What follows `label` up to white space or a marker.
std::string_view word_after(std::string_view header, std::string_view label) {
    const size_t at = header.find(label);
    if (at == std::string_view::npos) {
        return {};
    }
    const std::string_view rest = header.substr(at + label.size());
    return rest.substr(0, rest.find_first_of(" \n\t<"));
}

/// Whether a text may be the beginning of a header of harmony, which a marker, a recipient or the role opens.
bool may_be_header(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \n\t");
    if (begin == std::string_view::npos) {
        return true;
    }
    const std::string_view rest = text.substr(begin);
    for (const std::string_view lead :
         {std::string_view("<|"), std::string_view("to="), std::string_view("assistant")}) {
        if (rest.starts_with(lead) || lead.starts_with(rest)) {
            return true;
        }
    }
    return false;
}

/// Whether a line, as far as it has come, may be a function's name.
bool may_be_name(std::string_view line) { return line.size() <= 64 && std::ranges::all_of(line, is_name_byte); }

}  // namespace

bool OutputParser::step_header() {
    const bool lines = format_.header_end == "\n";
    const size_t end = pending_.find(format_.header_end);
    const std::string_view header = std::string_view(pending_).substr(0, end);
    const bool plausible = header.size() <= kMaxHeader && (lines ? may_be_name(header) : may_be_header(header));
    if (plausible && end == std::string::npos) {
        if (ended_ && !lines) {
            pending_.clear();  // markers only
        }
        if (ended_) {
            mode_ = Mode::kMessage;
        }
        return ended_ && lines;
    }
    mode_ = Mode::kMessage;
    body_ = Body::kContent;
    if (plausible) {
        const std::string own(header);
        if (read_message_header(own)) {
            return true;
        }
        note("the answer has a message for \"" + own.substr(0, 64) + "\", which is none of the request's tools");
    }
    if (lines || !plausible) {  // text without a header
        content(std::string_view(pending_).substr(0, lines && plausible ? end + 1 : 1));
        consume(lines && plausible ? end + 1 : 1);
        return true;
    }
    consume(end + format_.header_end.size());
    return true;
}

/// Consumes the header unless it is for somebody unknown.
bool OutputParser::read_message_header(std::string_view header) {
    const bool lines = format_.header_end == "\n";
    const std::string_view channel = lines ? std::string_view() : word_after(header, "<|channel|>");
    std::string_view name = lines ? header : word_after(header, "to=");
    if (name.starts_with(format_.name_prefix)) {
        name.remove_prefix(format_.name_prefix.size());
    }
    tool_ = plan_->find(name);
    if (tool_ == nullptr && channel != "analysis" && !name.empty() && name != "all" && name != "user") {
        return false;
    }
    consume(header.size() + format_.header_end.size());
    if (tool_ != nullptr) {
        Call call;
        call.name = name;
        begin_call(call);
        return true;
    }
    body_ = channel == "analysis" ? Body::kReasoning : Body::kContent;
    strip_ = true;
    space_.clear();
    return true;
}

bool OutputParser::step_message() {
    std::vector<std::string_view> markers(format_.message_end);
    markers.push_back(format_.header_begin);
    const MarkerHit hit = find_marker(pending_, markers, ended_);
    const std::string_view text = std::string_view(pending_).substr(0, hit.at);
    body_ == Body::kReasoning ? reason(text) : content(text);
    consume(hit.at);
    if (hit.marker.empty()) {
        return false;
    }
    if (format_.message_end.empty()) {  // a header only where a name and a line's end follow: ">>>" is Python's prompt
        Cursor in(pending_);
        std::string_view name;
        (void)in.eat(format_.header_begin);
        const bool good =
            in.name(name) && in.eat(format_.header_end) && (name == "all" || plan_->find(name) != nullptr);
        if (in.more && !ended_ && pending_.size() <= kMaxHeader) {
            return false;
        }
        if (!good) {
            content(format_.header_begin);
            consume(format_.header_begin.size());
            return true;
        }
    }
    consume(hit.marker.size());
    if (body_ == Body::kReasoning) {
        space_.clear();
    }
    body_ = Body::kContent;
    mode_ = Mode::kHeader;
    return true;
}

}  // namespace gantry::text
