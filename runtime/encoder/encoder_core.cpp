#include "runtime/encoder/encoder_core.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

namespace gantry::encoder {
namespace {

constexpr double kHalfLife = 30;  ///< seconds that the measured rate looks back

double seconds_between(Job::Clock::time_point from, Job::Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

}  // namespace

EncoderCore::EncoderCore(std::unique_ptr<EncoderModel> model, const EncoderOptions& options)
    : model_(std::move(model)),
      batcher_({model_->limits().max_step_tokens, model_->limits().max_sequences}, options.priority_ageing,
               options.share_weights) {}

void EncoderCore::add(Job job) {
    const uint64_t number = ++last_number_;
    std::vector<uint32_t> lengths;
    lengths.reserve(job.work.inputs.size());
    for (const Sequence& input : job.work.inputs) {
        lengths.push_back(static_cast<uint32_t>(input.ids.size()));
    }
    job.left = lengths.size();
    job.rows.width = job.work.pooling == GANTRY_POOLING_SCORES ? limits().score_width : limits().embed_width;
    batcher_.add(number, job.work.pooling, lengths, job.work.priority, job.work.share_key, job.arrival);
    numbers_.emplace(job.work.id, number);
    if (job.work.deadline_ms > 0) {
        deadlines_.emplace(job.arrival + std::chrono::milliseconds(job.work.deadline_ms), number);
    }
    jobs_.emplace(number, std::move(job));
    ++stats_.requests;
    ++stats_.waiting;
    stats_.waiting_tokens = batcher_.tokens();
}

void EncoderCore::cancel(const std::string& id) {
    if (const auto found = numbers_.find(id); found != numbers_.end()) {
        ++stats_.cancelled;
        end(found->second, Error{Code::kCancelled, "the request was cancelled"});
    }
}

void EncoderCore::expire(Clock::time_point now) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const uint64_t number = deadlines_.begin()->second;
        deadlines_.erase(deadlines_.begin());
        if (const auto found = jobs_.find(number); found != jobs_.end()) {
            ++stats_.failed;
            ++stats_.expired;
            const Job& job = found->second;
            end(number,
                Error{Code::kDeadlineExceeded,
                      fmt::format("the deadline of {} ms has passed; {} of {} inputs were encoded by then",
                                  job.work.deadline_ms, job.work.inputs.size() - job.left, job.work.inputs.size()),
                      "allow more time, or send fewer inputs"});
        }
    }
}

void EncoderCore::fail_all(const Error& error) {
    while (!jobs_.empty()) {
        ++stats_.failed;
        end(jobs_.begin()->first, error);
    }
}

bool EncoderCore::begin_step() {
    if (batcher_.empty()) {
        return false;
    }
    step_begin_ = Clock::now();
    slots_ = batcher_.next(step_begin_);
    gather();
    stats_.waiting_tokens = batcher_.tokens();
    return true;
}

void EncoderCore::finish_step() {
    const auto before = Clock::now();
    const Status done = model_->encode(batch());
    const auto after = Clock::now();
    if (done) {
        scatter();
    } else if (done.error().code == Code::kInternal) {
        broken_ = done.error();
    } else {
        for (const Slot& slot : slots_) {
            fail(slot.request, done.error());
        }
    }
    measure(slots_.size(), seconds_between(step_begin_, Clock::now()), seconds_between(before, after));
}

void EncoderCore::gather() {
    ids_.clear();
    types_.clear();
    begins_.assign(1, 0);
    bool typed = false;
    for (const Slot& slot : slots_) {
        Job& job = jobs_.at(slot.request);
        if (!job.running) {
            job.running = true;
            job.begun = step_begin_;
            job.rows.values.resize(job.left * job.rows.width);
            --stats_.waiting;
            ++stats_.running;
            meter_.queue_seconds.observe(seconds_between(job.arrival, step_begin_));
        }
        const Sequence& input = job.work.inputs[slot.input];
        ids_.insert(ids_.end(), input.ids.begin(), input.ids.end());
        types_.insert(types_.end(), input.types.begin(), input.types.end());
        types_.resize(ids_.size());
        typed = typed || !input.types.empty();
        begins_.push_back(static_cast<uint32_t>(ids_.size()));
    }
    if (!typed) {
        types_.clear();
    }
}

const gantry_encode_batch_t& EncoderCore::batch() {
    const uint64_t width = jobs_.at(slots_.front().request).rows.width;
    out_.assign(slots_.size() * width, 0);
    batch_ = {};
    batch_.struct_size = GANTRY_SIZE(gantry_encode_batch_t, adapter_ids);
    batch_.sequence_count = static_cast<uint32_t>(slots_.size());
    batch_.token_count = static_cast<uint32_t>(ids_.size());
    batch_.pooling = batcher_.kind();
    batch_.token_ids = ids_.data();
    batch_.token_begin = begins_.data();
    batch_.type_ids = types_.empty() ? nullptr : types_.data();
    batch_.out = out_.data();
    batch_.out_width = width;
    return batch_;
}

void EncoderCore::scatter() {
    for (size_t i = 0; i < slots_.size(); ++i) {
        const auto found = jobs_.find(slots_[i].request);
        if (found == jobs_.end()) {
            continue;  // an earlier row has ended it
        }
        Job& job = found->second;
        const uint64_t width = job.rows.width;
        const float* row = out_.data() + i * width;
        if (!std::all_of(row, row + width, [](float value) { return std::isfinite(value); })) {
            fail(slots_[i].request, Error{Code::kInternal, "the model gave a value that is not a number",
                                          "its weights may be damaged, or its precision too small for this input"});
            continue;
        }
        std::copy_n(row, width, job.rows.values.data() + slots_[i].input * width);
        if (--job.left == 0) {
            finish(slots_[i].request, job);
        }
    }
}

void EncoderCore::finish(uint64_t number, Job& job) {
    const auto now = Clock::now();
    job.rows.queue_seconds = seconds_between(job.arrival, job.begun);
    job.rows.compute_seconds = seconds_between(job.begun, now);
    meter_.request_seconds.observe(seconds_between(job.arrival, now));
    ++stats_.finished;
    EncodedRows rows = std::move(job.rows);
    end(number, std::move(rows));
}

void EncoderCore::fail(uint64_t number, const Error& error) {
    if (jobs_.contains(number)) {
        ++stats_.failed;
        end(number, error);
    }
}

void EncoderCore::end(uint64_t number, Result<EncodedRows> result) {
    auto node = jobs_.extract(number);
    Job& job = node.mapped();
    batcher_.cancel(number);
    numbers_.erase(job.work.id);
    if (job.work.deadline_ms > 0) {
        deadlines_.erase({job.arrival + std::chrono::milliseconds(job.work.deadline_ms), number});
    }
    --(job.running ? stats_.running : stats_.waiting);
    stats_.waiting_tokens = batcher_.tokens();
    ended_.push_back({std::move(job.work.id), std::move(job.sink), std::move(result)});
}

void EncoderCore::measure(size_t inputs, double whole, double model) {
    ++stats_.steps;
    stats_.inputs += inputs;
    stats_.prompt_tokens += ids_.size();
    stats_.busy_seconds += whole;
    stats_.overhead_seconds += whole - model;
    stats_.waiting_tokens = batcher_.tokens();
    const double keep = std::exp2(-whole / kHalfLife);
    rate_seconds_ = rate_seconds_ * keep + whole;
    rate_tokens_ = rate_tokens_ * keep + static_cast<double>(ids_.size());
    stats_.tokens_per_second = rate_seconds_ > 0 ? rate_tokens_ / rate_seconds_ : 0;
    meter_.step_seconds.observe(whole);
    meter_.step_tokens.observe(static_cast<double>(ids_.size()));
    meter_.step_sequences.observe(static_cast<double>(inputs));
}

}  // namespace gantry::encoder
