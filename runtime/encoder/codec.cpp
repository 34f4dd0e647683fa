#include <bit>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/json.hpp"
#include "runtime/encoder/types.hpp"

namespace gantry::encoder {
namespace bj = boost::json;
namespace {

static_assert(std::endian::native == std::endian::little, "the wire form is the machine's own on every known target");

constexpr size_t kMaxHead = size_t{64} << 20;

bj::value input_json(const Input& input) {
    if (const auto* text = std::get_if<std::string>(&input)) {
        return bj::value(*text);
    }
    if (const auto* ids = std::get_if<std::vector<int32_t>>(&input)) {
        return bj::object{{"ids", bj::array(ids->begin(), ids->end())}};
    }
    const auto& pair = std::get<TextPair>(input);
    return bj::object{{"pair", bj::array{pair.first, pair.second}}};
}

Result<Input> input_from(const bj::value& value, const std::string& where) {
    const Error wrong{Code::kInvalidArgument, where + R"( must be a text, {"ids": [...]} or {"pair": [text, text]})"};
    if (value.is_string()) {
        return Input(std::string(value.get_string()));
    }
    const bj::object* object = value.if_object();
    if (object == nullptr) {
        return wrong;
    }
    if (const bj::value* ids = object->if_contains("ids"); ids != nullptr && ids->is_array()) {
        std::vector<int32_t> out;
        for (const bj::value& id : ids->get_array()) {
            boost::system::error_code ec;
            out.push_back(id.is_number() ? id.to_number<int32_t>(ec) : -1);
            if (ec || out.back() < 0) {
                return wrong;
            }
        }
        return Input(std::move(out));
    }
    const bj::value* pair = object->if_contains("pair");
    const bj::array* texts = pair == nullptr ? nullptr : pair->if_array();
    if (texts == nullptr || texts->size() != 2 || !(*texts)[0].is_string() || !(*texts)[1].is_string()) {
        return wrong;
    }
    return Input(TextPair{std::string((*texts)[0].get_string()), std::string((*texts)[1].get_string())});
}

Result<Task> task_from(std::string_view name) {
    for (const Task task : {Task::kEmbed, Task::kScore, Task::kClassify}) {
        if (name == task_name(task)) {
            return task;
        }
    }
    return Error{Code::kInvalidArgument, "task must be \"embed\", \"score\" or \"classify\""};
}

}  // namespace

std::string_view task_name(Task task) {
    switch (task) {
        case Task::kEmbed:
            return "embed";
        case Task::kScore:
            return "score";
        default:
            return "classify";
    }
}

uint64_t EncodeResult::tokens() const {
    return std::accumulate(prompt_tokens.begin(), prompt_tokens.end(), uint64_t{0});
}

std::string to_json(const EncodeRequest& request) {
    bj::array inputs;
    inputs.reserve(request.inputs.size());
    for (const Input& input : request.inputs) {
        inputs.push_back(input_json(input));
    }
    bj::object out{{"id", request.id}, {"task", task_name(request.task)}, {"inputs", std::move(inputs)}};
    if (request.dimensions) {
        out["dimensions"] = *request.dimensions;
    }
    if (request.normalize) {
        out["normalize"] = *request.normalize;
    }
    if (!request.prompt_name.empty()) {
        out["prompt_name"] = request.prompt_name;
    }
    if (!request.input_type.empty()) {
        out["input_type"] = request.input_type;
    }
    if (request.raw_scores) {
        out["raw_scores"] = true;
    }
    if (!request.add_special) {
        out["add_special"] = false;
    }
    if (request.truncate_prompt_tokens) {
        out["truncate_prompt_tokens"] = *request.truncate_prompt_tokens;
    }
    if (request.priority != 0) {
        out["priority"] = request.priority;
    }
    if (!request.share_key.empty()) {
        out["share_key"] = request.share_key;
    }
    if (request.deadline_ms) {
        out["deadline_ms"] = *request.deadline_ms;
    }
    return bj::serialize(out);
}

Result<EncodeRequest> encode_request_from_json(std::string_view text) {
    json::ParseLimits limits;
    limits.max_bytes = size_t{256} << 20;
    GANTRY_TRY(const bj::object body, json::parse_object(text, limits));
    json::Reader reader(body);
    EncodeRequest out;
    out.id = reader.string("id").value_or("");
    GANTRY_TRY(out.task, task_from(reader.string("task").value_or("embed")));
    if (const auto value = reader.integer("dimensions", 1, std::numeric_limits<int32_t>::max())) {
        out.dimensions = static_cast<uint32_t>(*value);
    }
    out.normalize = reader.boolean("normalize");
    out.prompt_name = reader.string("prompt_name").value_or("");
    out.input_type = reader.choice("input_type", {"query", "document"}).value_or("");
    out.raw_scores = reader.boolean("raw_scores").value_or(false);
    out.add_special = reader.boolean("add_special").value_or(true);
    if (const auto value = reader.integer("truncate_prompt_tokens", -1, std::numeric_limits<int32_t>::max())) {
        if (*value == 0) {
            reader.fail("truncate_prompt_tokens", "must be -1 or at least 1, not 0");
        }
        out.truncate_prompt_tokens = static_cast<int32_t>(*value);
    }
    out.priority = static_cast<int32_t>(reader.integer("priority", -1000, 1000).value_or(0));
    out.share_key = reader.string("share_key").value_or("");
    if (const auto value = reader.integer("deadline_ms", 1, 86'400'000)) {
        out.deadline_ms = static_cast<uint32_t>(*value);
    }
    const bj::array* inputs = reader.array("inputs");
    if (inputs == nullptr || inputs->empty()) {
        reader.fail("inputs", "must be a list of at least one input");
    }
    GANTRY_CHECK_OK(reader.status());
    out.inputs.reserve(inputs->size());
    for (size_t i = 0; i < inputs->size(); ++i) {
        GANTRY_TRY(Input input, input_from((*inputs)[i], "inputs[" + std::to_string(i) + "]"));
        out.inputs.push_back(std::move(input));
    }
    return out;
}

std::string to_wire(const EncodeResult& result) {
    const bj::object head{{"width", result.width},
                          {"prompt_tokens", bj::array(result.prompt_tokens.begin(), result.prompt_tokens.end())},
                          {"truncated_inputs", result.truncated_inputs},
                          {"queue_seconds", result.queue_seconds},
                          {"compute_seconds", result.compute_seconds}};
    std::string out = bj::serialize(head);
    out += '\n';
    const size_t begin = out.size();
    out.resize(begin + result.values.size() * sizeof(float));
    std::memcpy(out.data() + begin, result.values.data(), result.values.size() * sizeof(float));
    return out;
}

Result<EncodeResult> encode_result_from_wire(std::string_view bytes) {
    const Error damaged{Code::kDataLoss, "the model's process gave rows in a form that is not ours"};
    const size_t line = bytes.substr(0, kMaxHead).find('\n');
    if (line == std::string_view::npos) {
        return damaged;
    }
    boost::system::error_code ec;
    const bj::value head = bj::parse(bytes.substr(0, line), ec);
    const bj::object* object = ec ? nullptr : head.if_object();
    const bj::value* counts = object == nullptr ? nullptr : object->if_contains("prompt_tokens");
    if (counts == nullptr || !counts->is_array()) {
        return damaged;
    }
    const auto number = [&](std::string_view name) {
        const bj::value* value = object->if_contains(name);
        return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
    };
    EncodeResult out;
    for (const bj::value& count : counts->get_array()) {
        boost::system::error_code bad;
        out.prompt_tokens.push_back(count.is_number() ? count.to_number<uint32_t>(bad) : 0);
        if (bad) {
            return damaged;
        }
    }
    const double width = number("width");
    if (!(width >= 1 && width <= 1e9)) {
        return damaged;
    }
    out.width = static_cast<uint64_t>(width);
    out.truncated_inputs = static_cast<uint64_t>(std::max(number("truncated_inputs"), 0.0));
    out.queue_seconds = number("queue_seconds");
    out.compute_seconds = number("compute_seconds");
    bytes.remove_prefix(line + 1);
    if (bytes.size() != out.prompt_tokens.size() * out.width * sizeof(float)) {
        return damaged;
    }
    out.values.resize(bytes.size() / sizeof(float));
    std::memcpy(out.values.data(), bytes.data(), bytes.size());
    return out;
}

}  // namespace gantry::encoder
