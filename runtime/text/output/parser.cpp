#include "runtime/text/output/parser.hpp"

#include <algorithm>
#include <utility>

#include "runtime/text/output/cursor.hpp"

namespace gantry::text {

using Kind = OutputPiece::Kind;

namespace {
const OutputFormat kNoFormat;
}

const ToolInfo* OutputPlan::find(std::string_view name) const {
    const auto found = std::ranges::find(tools, name, &ToolInfo::name);
    return found == tools.end() ? nullptr : &*found;
}

OutputParser::OutputParser(std::shared_ptr<const OutputPlan> plan, std::string id_base)
    : plan_(std::move(plan)),
      format_(plan_->format != nullptr ? *plan_->format : kNoFormat),
      id_base_(std::move(id_base)) {
    if (format_.syntax == CallSyntax::kChannels) {
        mode_ = Mode::kHeader;  // the prompt ends with the beginning of one
    } else if (plan_->starts_in_reasoning && plan_->reasoning) {
        begin_reasoning();
    }
}

void OutputParser::push(std::string_view text, std::vector<OutputPiece>& out) {
    pending_ += text;
    run(out);
}

void OutputParser::finish(std::vector<OutputPiece>& out) {
    ended_ = true;
    run(out);
    out_ = &out;
    if (in_call_ && (mode_ == Mode::kNameTail || mode_ == Mode::kJsonTail)) {
        end_call();  // only its end marker is missing
    } else if (in_call_) {
        break_call("the answer ended inside of the call");
    }
    if (!pending_.empty()) {
        content(std::exchange(pending_, {}));
    }
    if (!reasoning() && !space_.empty()) {
        emit({Kind::kContent, 0, std::exchange(space_, {}), {}, {}});
    }
    out_ = nullptr;
}

void OutputParser::run(std::vector<OutputPiece>& out) {
    out_ = &out;
    while (!pending_.empty() && step()) {
    }
    out_ = nullptr;
}

/// One decision; false when it takes more text.
bool OutputParser::step() {
    switch (mode_) {
        case Mode::kText:
            return step_text();
        case Mode::kReasoning:
            return step_reasoning();
        case Mode::kJsonArguments:
            return step_json_arguments();
        case Mode::kJsonTail:
            return step_json_tail();
        case Mode::kNameTail:
            return step_name_tail();
        case Mode::kListGap:
            return step_list_gap();
        case Mode::kKeys:
            return step_keys();
        case Mode::kValue:
            return step_value();
        case Mode::kPython:
            return step_python();
        case Mode::kHeader:
            return step_header();
        case Mode::kMessage:
            return step_message();
    }
    return false;
}

bool OutputParser::step_text() {
    bool waits = false;
    if (format_.bare && !plan_->tools.empty() && !bare_failed_ && !seen_content_ && calls_ == 0) {
        if (step_bare(waits)) {
            return true;
        }
    }
    if (waits) {
        return false;
    }
    std::vector<std::string_view> markers(format_.dropped);
    if (!plan_->tools.empty()) {
        markers.insert(markers.end(), format_.section_begin.begin(), format_.section_begin.end());
        markers.insert(markers.end(), format_.call_begin.begin(), format_.call_begin.end());
        if (in_section_) {
            markers.insert(markers.end(), format_.section_end.begin(), format_.section_end.end());
        }
    }
    if (plan_->reasoning && !seen_content_) {
        markers.push_back(plan_->reasoning.begin);
    }
    const MarkerHit hit = find_marker(pending_, markers, ended_);
    if (hit.at > 0) {
        content(std::string_view(pending_).substr(0, hit.at));
        consume(hit.at);
        return true;  // content may have ended what is looked for
    }
    return !hit.marker.empty() && step_marker(hit.marker);
}

/// The answer's first byte decides whether it may be a call without marker.
bool OutputParser::step_bare(bool& waits) {
    size_t at = 0;
    while (at < pending_.size() && is_output_space(pending_[at])) {
        ++at;
    }
    if (at == pending_.size()) {
        return false;  // step_text keeps white space for later
    }
    const char opening = format_.syntax == CallSyntax::kPythonic ? '[' : '{';
    if (pending_[at] != opening) {
        return false;
    }
    if (at > 0) {
        content(std::string_view(pending_).substr(0, at));
        consume(at);
    }
    const Verdict verdict = try_call(false);
    waits = verdict == Verdict::kMore && !ended_;
    if (verdict == Verdict::kYes) {
        return true;
    }
    if (!waits) {
        bare_failed_ = true;
    }
    return false;
}

bool OutputParser::step_marker(std::string_view marker) {
    const auto among = [&](const std::vector<std::string_view>& list) {
        return std::ranges::find(list, marker) != list.end();
    };
    if (plan_->reasoning && marker == plan_->reasoning.begin) {
        consume(marker.size());
        begin_reasoning();
        return true;
    }
    if (among(format_.dropped) || (in_section_ && among(format_.section_end))) {
        in_section_ = in_section_ && !among(format_.section_end);
        strip_ = strip_ || !seen_content_;
        consume(marker.size());
        return true;
    }
    return after_verdict(try_call(false), marker.size());
}

/// `skipped` bytes are kept as content where the call was none, so that the search goes on behind them.
bool OutputParser::after_verdict(Verdict verdict, size_t skipped) {
    if (verdict == Verdict::kYes) {
        return true;
    }
    if (verdict == Verdict::kMore && !ended_) {
        return false;
    }
    note(verdict == Verdict::kMore ? "the answer ended inside of the call" : "a call is not well formed");
    content(std::string_view(pending_).substr(0, skipped));
    consume(skipped);
    return true;
}

bool OutputParser::step_reasoning() {
    const std::string_view end = plan_->reasoning.end;
    const MarkerHit hit = find_marker(pending_, std::initializer_list<std::string_view>{end}, ended_);
    reason(std::string_view(pending_).substr(0, hit.at));
    consume(hit.at);
    if (hit.marker.empty()) {
        return false;
    }
    consume(end.size());
    end_reasoning();
    return true;
}

void OutputParser::begin_reasoning() {
    mode_ = Mode::kReasoning;
    strip_ = true;
    space_.clear();
}

void OutputParser::end_reasoning() {
    mode_ = Mode::kText;
    strip_ = true;
    space_.clear();
}

OutputParser::Verdict OutputParser::try_call(bool in_list) {
    Cursor in(pending_);
    Call call;
    call.list = in_list;
    const Verdict verdict =
        in_list && format_.syntax != CallSyntax::kPythonic ? read_members(in, call) : read_call(in, call);
    // A head that does not end would be read again with every piece that comes.
    constexpr size_t kMaxHead = size_t{16} << 10;
    if (verdict != Verdict::kYes) {
        return verdict == Verdict::kMore && pending_.size() > kMaxHead ? Verdict::kNo : verdict;
    }
    if (in.at() > kMaxHead) {
        return Verdict::kNo;  // however the text is cut
    }
    const ToolInfo* const tool = plan_->find(call.name);
    if (tool == nullptr) {
        note("the model called \"" + call.name.substr(0, 64) + "\", which is none of the request's tools");
        return Verdict::kNo;
    }
    consume(in.at());
    tool_ = tool;
    begin_call(call);
    return Verdict::kYes;
}

void OutputParser::begin_call(const Call& call) {
    space_.clear();
    in_call_ = true;
    empty_arguments_ = true;
    in_list_ = call.list;
    in_section_ = in_section_ || call.section;
    mode_ = call.next;
    scanner_ = JsonScanner();
    emit({Kind::kToolBegin, calls_, {}, call.id.empty() ? make_id() : call.id, tool_->name});
    ++calls_;
    object_call_ = call.object;
    if (call.complete) {
        arguments(call.arguments);
        end_arguments();
    }
}

void OutputParser::end_call() {
    emit({Kind::kToolEnd, calls_ - 1, {}, {}, {}});
    in_call_ = false;
    strip_ = true;
    if (format_.syntax == CallSyntax::kChannels) {
        mode_ = Mode::kMessage;
    } else {
        mode_ = in_list_ || format_.separator == ";" ? Mode::kListGap : Mode::kText;
    }
    body_ = Body::kContent;
}

/// The arguments and the object around them are whole.
void OutputParser::end_arguments() {
    if (in_list_ || (format_.call_end.empty() && format_.after_args.empty())) {
        end_call();
    } else {
        mode_ = Mode::kNameTail;
    }
}

/// What follows a broken call is content; the call keeps what it has.
void OutputParser::break_call(std::string_view why) {
    note(why);
    in_list_ = false;
    end_call();
    mode_ = mode_ == Mode::kListGap ? Mode::kText : mode_;
}

void OutputParser::note(std::string_view why) {
    if (fault_.empty()) {
        fault_ = why;
    }
}

void OutputParser::content(std::string_view text) {
    if (let_out(Kind::kContent, text)) {
        seen_content_ = true;
    }
}

void OutputParser::reason(std::string_view text) { let_out(Kind::kReasoning, text); }

bool OutputParser::let_out(Kind kind, std::string_view text) {
    size_t begin = 0;
    while (strip_ && begin < text.size() && is_output_space(text[begin])) {
        ++begin;
    }
    text.remove_prefix(begin);
    size_t end = text.size();
    while (end > 0 && is_output_space(text[end - 1])) {
        --end;
    }
    if (end > 0) {
        emit({kind, 0, std::exchange(space_, {}) + std::string(text.substr(0, end)), {}, {}});
        strip_ = false;
    }
    space_ += text.substr(end);
    return end > 0;
}

void OutputParser::arguments(std::string_view json) {
    if (!json.empty()) {
        empty_arguments_ = false;
        emit({Kind::kToolArguments, calls_ - 1, std::string(json), {}, {}});
    }
}

void OutputParser::emit(OutputPiece piece) {
    if (!out_->empty() && out_->back().kind == piece.kind && out_->back().call == piece.call && piece.id.empty() &&
        !piece.text.empty()) {
        out_->back().text += piece.text;
        return;
    }
    out_->push_back(std::move(piece));
}

std::string OutputParser::make_id() const {
    constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t state = 0xcbf29ce484222325u;  // FNV-1a of what is unique, then splitmix64
    for (const char c : id_base_) {
        state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
    state += calls_ * 0x2545f4914f6cdd1du;
    const bool nine = format_.ids == CallIds::kNine;
    std::string out = nine ? "" : "call_";
    for (int i = 0; i < (nine ? 9 : 24); ++i) {
        state += 0x9e3779b97f4a7c15u;
        uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        out += kDigits[(z ^ (z >> 31)) % kDigits.size()];
    }
    return out;
}

}  // namespace gantry::text
