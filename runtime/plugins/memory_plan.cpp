#include "runtime/plugins/memory_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace gantry::plugins {
namespace {

/// What a runner needs besides the model: its code, tokenizer, buffers. Measured at 20 to 40 MiB.
constexpr uint64_t kProcessBytes = uint64_t{32} << 20;
/// Below this a chat is no use, so a shorter context is never chosen, only given when asked for.
constexpr uint32_t kMinContext = 256;
/// Tokens of a conversation, for which room is kept for each sequence.
constexpr uint64_t kConversation = 2048;

uint64_t blocks_for(uint64_t tokens, uint32_t block_size) { return (tokens + block_size - 1) / block_size; }

Error does_not_fit(const MemoryPlan& plan, const MemoryWish& wish) {
    std::string message = "the model does not fit into memory: " + plan.sum() + ", but only " +
                          bytes_text(wish.available) + " are free for models";
    if (!wish.available_text.empty()) {
        message += " (" + wish.available_text + ")";
    }
    return {Code::kOutOfMemory, std::move(message),
            "stop another model, choose a smaller quantisation, or ask for a shorter context"};
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
    constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    std::array<char, 32> text{};
    const int decimals = unit >= 3 || (unit == 2 && value < 10) ? 1 : 0;
    std::snprintf(text.data(), text.size(), "%.*f %s", decimals, value, kUnits[unit]);
    return text.data();
}

std::string MemoryPlan::sum() const {
    std::string out;
    const auto add = [&](const char* name, uint64_t bytes, const std::string& note = {}) {
        if (bytes != 0) {
            out += (out.empty() ? "" : " + ") + std::string(name) + ' ' + bytes_text(bytes) + note;
        }
    };
    add("weights", weights);
    add("mapped file", mapped);
    add("KV cache", kv, " (context of " + std::to_string(context) + " tokens)");
    add("scratch", scratch);
    add("process", process);
    return out + " = " + bytes_text(total());
}

Result<MemoryPlan> plan_memory(const Assessment& assessment, const MemoryWish& wish) {
    const uint32_t block_size = std::max(assessment.block_size, 1U);
    const uint32_t sequences = std::max(wish.max_sequences, 1U);
    if (wish.context && (*wish.context == 0 || *wish.context > assessment.max_context)) {
        return Error{Code::kInvalidArgument, "a context of " + std::to_string(*wish.context) +
                                                 " tokens was asked for; the model allows 1 to " +
                                                 std::to_string(assessment.max_context)};
    }
    MemoryPlan plan;
    plan.weights = assessment.weights_bytes;
    plan.mapped = assessment.mapped_bytes;
    plan.scratch = assessment.scratch_bytes + assessment.state_bytes_per_slot * sequences;
    plan.process = kProcessBytes;
    const uint64_t fixed = plan.total();
    const uint64_t left = wish.available > fixed ? wish.available - fixed : 0;
    const uint64_t per_block = assessment.kv_bytes_per_block;
    const auto affordable = [&](uint64_t bytes) { return per_block == 0 ? UINT64_MAX : bytes / per_block; };

    plan.context = wish.context.value_or(assessment.max_context);
    if (!wish.context && blocks_for(plan.context, block_size) > affordable(left / 2)) {
        const uint64_t tokens = affordable(left / 2) * block_size;
        plan.context = static_cast<uint32_t>(std::max<uint64_t>(tokens, std::min(kMinContext, assessment.max_context)));
        plan.context_reduced = true;
    }
    const uint64_t one_context = blocks_for(plan.context, block_size);
    const uint64_t everybody = sequences * blocks_for(std::min<uint64_t>(plan.context, kConversation), block_size);
    // Two spare blocks: the end of a full context and the copy of a shared one.
    plan.block_count = std::max(one_context, std::min(everybody, affordable(left / 2))) + 2;
    plan.kv = plan.block_count * per_block;
    if (plan.total() > wish.available) {
        return does_not_fit(plan, wish);
    }
    return plan;
}

}  // namespace gantry::plugins
