#include "api/dialects/openai/generate.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "api/dialects/openai/render.hpp"
#include "api/http/infill.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::openai {

namespace asio = boost::asio;
using api::ApiError;
using api::Outcome;

namespace {

using Stream = std::unique_ptr<fleet::EventStream>;
using MaybeEvent = std::optional<engine::Event>;

/// Events that are ready together are gathered up to so many bytes before they are written.
constexpr size_t kWriteSize = 32 * 1024;

void add(engine::Usage& sum, const engine::Usage& part) {
    sum.reasoning_tokens += part.reasoning_tokens;
    sum.prompt_tokens += part.prompt_tokens;
    sum.cached_tokens += part.cached_tokens;
    sum.completion_tokens += part.completion_tokens;
    if (!sum.cache_miss) {
        sum.cache_miss = part.cache_miss;  // of several prompts, the first's
    }
    sum.accepted_draft_tokens += part.accepted_draft_tokens;
    sum.rejected_draft_tokens += part.rejected_draft_tokens;
    sum.truncated_tokens += part.truncated_tokens;
    sum.context_shifts += part.context_shifts;
    // Several prompts are computed together: of times, the longest counts.
    const auto longest = [](double& most, double one) { most = std::max(most, one); };
    longest(sum.queue_seconds, part.queue_seconds);
    longest(sum.prefill_seconds, part.prefill_seconds);
    longest(sum.decode_seconds, part.decode_seconds);
    longest(sum.first_token_seconds, part.first_token_seconds);
    longest(sum.gaps.p50, part.gaps.p50);
    longest(sum.gaps.p90, part.gaps.p90);
    longest(sum.gaps.p99, part.gaps.p99);
}

/// The same as the timings of a body, in the form of Server-Timing (W3C): for clients that cannot ask for them.
std::string timing_header(const engine::Usage& usage) {
    return fmt::format(
        "queue;dur={:.3f}, prefill;dur={:.3f}, decode;dur={:.3f}, first_token;dur={:.3f}, "
        "gap_p50;dur={:.3f}, gap_p90;dur={:.3f}, gap_p99;dur={:.3f}",
        usage.queue_seconds * 1e3, usage.prefill_seconds * 1e3, usage.decode_seconds * 1e3,
        usage.first_token_seconds * 1e3, usage.gaps.p50 * 1e3, usage.gaps.p90 * 1e3, usage.gaps.p99 * 1e3);
}

/// What the access log and the traces are to know of a call.
void begin_record(api::Exchange& exchange, const Call& call, const std::string& id) {
    const engine::GenerateRequest& request = call.requests.front();
    api::GenerationRecord& record = exchange.generation.emplace();
    record.model = call.model;
    record.operation = call.chat ? "chat" : "text_completion";
    record.response_id = id;
    record.sampling = request.sampling;
    record.max_tokens = request.max_tokens;
    record.begin = std::chrono::system_clock::now();
}

void end_record(api::Exchange& exchange, const engine::Usage& usage) {
    exchange.generation->usage = usage;
    exchange.generation->end = std::chrono::system_clock::now();
}

/// Starts all prompts of a call, so that they are computed together.
asio::awaitable<Result<std::vector<Stream>>> start_all(fleet::Fleet& fleet, Call& call, const std::string& id) {
    std::vector<Stream> streams;
    for (size_t i = 0; i < call.requests.size(); ++i) {
        call.requests[i].id = call.requests.size() == 1 ? id : id + "-" + std::to_string(i);
        auto stream = co_await fleet.generate(call.model, call.requests[i]);
        if (!stream) {
            co_return call.requests.size() == 1 ? stream.error()
                                                : stream.error().in("prompt[" + std::to_string(i) + "]");
        }
        streams.push_back(std::move(*stream));
    }
    co_return streams;
}

/// An event that is good to be sent, or why there is none.
struct Step {
    explicit Step(Error e) : error(std::move(e)) {}
    explicit Step(engine::Event e) : event(std::move(e)) {}
    std::optional<Error> error;
    engine::Event event;
};

/// The next event; an Error event and an end before the Usage are errors alike.
asio::awaitable<Step> next_event(fleet::EventStream& stream) {
    Result<MaybeEvent> event = co_await stream.next();
    if (!event) {
        co_return Step(event.error());
    }
    if (!*event) {
        co_return Step(Error(Code::kUnavailable, "the model ended its answer before it was whole", "try again"));
    }
    if (const auto* error = std::get_if<Error>(&**event)) {
        co_return Step(*error);
    }
    co_return Step(std::move(**event));
}

asio::awaitable<Outcome> answer_whole(api::Exchange& exchange, const Call& call, AnswerHead head,
                                      std::vector<Stream> streams) {
    std::vector<Answer> answers(call.answers());
    engine::Usage total;
    for (size_t prompt = 0; prompt < streams.size(); ++prompt) {
        const size_t base = prompt * call.answers_each();
        for (bool whole = false; !whole;) {
            Step step = co_await next_event(*streams[prompt]);
            if (step.error) {
                co_return ApiError(std::move(*step.error));
            }
            if (auto* delta = std::get_if<engine::Delta>(&step.event)) {
                const uint32_t index = delta->index;
                answers.at(base + index).add(std::move(*delta));
            } else if (const auto* prompt_tokens = std::get_if<engine::PromptLogprobs>(&step.event)) {
                for (size_t i = base; i < base + call.answers_each(); ++i) {
                    answers.at(i).prompt = prompt_tokens->tokens;
                }
            } else if (const auto* finish = std::get_if<engine::Finish>(&step.event)) {
                answers.at(base + finish->index).reason = finish->reason;
                exchange.generation->finish_reasons.emplace_back(engine::finish_name(finish->reason));
                answers.at(base + finish->index).tool_error = finish->tool_error;
            } else if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
                add(total, *usage);
                whole = true;
            }
        }
    }
    exchange.ignored(call.ignored);
    exchange.header("X-Gantry-Timing", timing_header(total));
    end_record(exchange, total);
    if (total.cache_miss) {
        exchange.header("X-Gantry-Cache", "cached=" + std::to_string(total.cached_tokens) +
                                              "; miss=" + total.cache_miss->reason +
                                              "; at=" + std::to_string(total.cache_miss->at));
    }
    co_return api::json_response(render_whole(call, head, answers, total));
}

/// Writes one prompt's events. The last finish waits for the usage, which it carries with `tells_usage`.
class PromptStream {
  public:
    PromptStream(ChunkWriter& writer, uint32_t base, uint32_t answers, bool tells_usage)
        : writer_(writer), base_(base), answers_(answers), open_(answers), tells_usage_(tells_usage) {}

    /// Appends what to send for an event. `total` is the usage up to and with it.
    void take(const engine::Event& event, const engine::Usage& total, std::string& out) {
        if (const auto* delta = std::get_if<engine::Delta>(&event)) {
            writer_.delta(base_ + delta->index, *delta, out);
            return;
        }
        if (const auto* prompt = std::get_if<engine::PromptLogprobs>(&event)) {
            writer_.prompt(base_, answers_, prompt->tokens);
            return;
        }
        if (const auto* finish = std::get_if<engine::Finish>(&event)) {
            if (--open_ == 0) {
                held_ = *finish;
            } else {
                out += writer_.finish(base_ + finish->index, *finish, nullptr);
            }
            return;
        }
        if (const auto* queued = std::get_if<engine::Queued>(&event)) {
            out += writer_.queued(*queued);
            return;
        }
        whole_ = true;
        if (held_) {
            out += writer_.finish(base_ + held_->index, *held_, tells_usage_ ? &total : nullptr);
        }
    }
    bool whole() const { return whole_; }

  private:
    ChunkWriter& writer_;
    uint32_t base_;
    uint32_t answers_;
    uint32_t open_;
    bool tells_usage_;
    bool whole_ = false;
    std::optional<engine::Finish> held_;
};

asio::awaitable<Outcome> answer_stream(api::Exchange& exchange, const Call& call, AnswerHead head,
                                       std::vector<Stream> streams) {
    ChunkWriter writer(call, std::move(head));
    engine::Usage total;
    bool started = false;
    std::string pending;  // what is ready together is written together: a client that is behind catches up
    for (size_t prompt = 0; prompt < streams.size(); ++prompt) {
        // Clients add up what chunks tell, so it is told once: with the last finish, or in a chunk of its own.
        const bool tells_usage = prompt + 1 == streams.size() && !call.include_usage;
        PromptStream out(writer, static_cast<uint32_t>(prompt) * call.answers_each(), call.answers_each(), tells_usage);
        while (!out.whole()) {
            const Step step = co_await next_event(*streams[prompt]);
            if (step.error && !started) {
                co_return ApiError(*step.error);
            }
            if (!started) {
                started = true;
                exchange.ignored(call.ignored);
                if (!co_await exchange.start(200, "text/event-stream; charset=utf-8")) {
                    co_return api::Streamed{};
                }
            }
            if (step.error) {
                pending += ChunkWriter::error(*step.error);
                (void)co_await exchange.write(std::move(pending));
                (void)co_await exchange.finish();
                co_return api::Streamed{};
            }
            if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
                add(total, *usage);
                end_record(exchange, total);
            }
            if (const auto* finish = std::get_if<engine::Finish>(&step.event)) {
                exchange.generation->finish_reasons.emplace_back(engine::finish_name(finish->reason));
            }
            out.take(step.event, total, pending);
            const bool last = out.whole() && prompt + 1 == streams.size();
            const bool more = last || (!out.whole() && pending.size() < kWriteSize && streams[prompt]->ready());
            if (!pending.empty() && !more) {
                std::string text = std::exchange(pending, std::string());
                if (!co_await exchange.write(std::move(text))) {
                    co_return api::Streamed{};
                }
            }
        }
    }
    pending += (call.include_usage ? writer.usage(total) : std::string()) + ChunkWriter::done();
    (void)co_await exchange.write(std::move(pending));
    (void)co_await exchange.finish();
    co_return api::Streamed{};
}

/// Puts the prompts of a completion with a suffix into the form that the model knows.
asio::awaitable<Status> set_infill(fleet::Fleet& fleet, Call& call) {
    for (engine::GenerateRequest& request : call.requests) {
        auto& input = std::get<engine::TextInput>(request.input);
        auto prompt = co_await api::infill_prompt(fleet, call.model, input.text, call.suffix);
        if (!prompt) {
            co_return prompt.error();
        }
        input.text = std::move(*prompt);
    }
    co_return ok();
}

}  // namespace

asio::awaitable<Outcome> run_call(api::Services& services, api::Exchange& exchange, Call call) {
    if (!call.suffix.empty()) {
        const Status set = co_await set_infill(services.fleet, call);
        if (!set) {
            co_return ApiError(set.error(), set.error().code == Code::kNotFound ? "model" : "suffix");
        }
    }
    AnswerHead head{(call.chat ? "chatcmpl-" : "cmpl-") + services.new_id(), static_cast<int64_t>(std::time(nullptr)),
                    call.model};
    begin_record(exchange, call, head.id);
    for (engine::GenerateRequest& request : call.requests) {
        request.traceparent = exchange.trace.text();
        if (request.share_key.empty()) {
            request.share_key = exchange.principal.key_id.substr(0, engine::kMaxShareKey);
        }
    }
    Result<std::vector<Stream>> streams =
        co_await start_all(services.fleet, call, call.request_id.empty() ? head.id : call.request_id);
    if (!streams) {
        co_return ApiError(streams.error(), streams.error().code == Code::kNotFound ? "model" : "");
    }
    if (call.stream) {
        co_return co_await answer_stream(exchange, call, std::move(head), std::move(*streams));
    }
    co_return co_await answer_whole(exchange, call, std::move(head), std::move(*streams));
}

}  // namespace gantry::dialects::openai
