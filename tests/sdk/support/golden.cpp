#include "tests/sdk/support/golden.hpp"

#include <boost/json.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace gantry::test {
namespace {

namespace json = boost::json;

const std::string kFolder = GANTRY_SOURCE_DIR "/tests/sdk/transformer/golden/";

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Our own few lines for a file that we wrote ourselves; the registry's reader is not under test here.
std::vector<TestTensor> read_safetensors(const std::string& path) {
    const std::string bytes = read_file(path);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    const json::value parsed = json::parse(bytes.substr(8, header));
    std::vector<TestTensor> tensors;
    for (const auto& [name, entry] : parsed.as_object()) {
        if (name == "__metadata__") continue;
        TestTensor t;
        t.name = name;
        const auto& type = entry.at("dtype").as_string();
        t.dtype = type == "BF16" ? GANTRY_DTYPE_BF16 : type == "I32" ? GANTRY_DTYPE_I32 : GANTRY_DTYPE_F32;
        t.shape = json::value_to<std::vector<uint64_t>>(entry.at("shape"));
        const auto range = json::value_to<std::vector<uint64_t>>(entry.at("data_offsets"));
        const char* start = bytes.data() + 8 + header;
        t.data.assign(start + range.at(0), start + range.at(1));
        tensors.push_back(std::move(t));
    }
    return tensors;
}

std::string canonical(std::string name) {
    static const std::pair<const char*, const char*> kParts[] = {
        {"model.", ""},
        {"embed_tokens", "token_embd"},
        {"lm_head", "output"},
        {"input_layernorm", "attn_norm"},
        {"post_attention_layernorm", "ffn_norm"},
        {"self_attn.q_proj", "attn_q"},
        {"self_attn.k_proj", "attn_k"},
        {"self_attn.v_proj", "attn_v"},
        {"self_attn.o_proj", "attn_out"},
        {"self_attn.q_norm", "attn_q_norm"},
        {"self_attn.k_norm", "attn_k_norm"},
        {"mlp.gate_proj", "ffn_gate"},
        {"mlp.up_proj", "ffn_up"},
        {"mlp.down_proj", "ffn_down"},
    };
    for (const auto& [from, to] : kParts) {
        if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, std::strlen(from), to);
    }
    return name == "norm.weight" ? "output_norm.weight" : name;
}

template <class T>
std::vector<T> values(const std::vector<TestTensor>& tensors, const std::string& name) {
    for (const TestTensor& t : tensors) {
        if (t.name != name) continue;
        std::vector<T> out(t.data.size() / sizeof(T));
        std::memcpy(out.data(), t.data.data(), t.data.size());
        return out;
    }
    throw std::runtime_error("no " + name);
}

void read_config(const std::string& path, TestModel& model) {
    const json::object config = json::parse(read_file(path)).as_object();
    model.architecture = std::string(config.at("model_type").as_string());
    const auto integer = [&](const char* key, const char* from) {
        if (const auto* v = config.if_contains(from); v != nullptr && v->is_int64()) model.hyper[key] = v->as_int64();
    };
    integer("vocab_size", "vocab_size");
    integer("hidden_size", "hidden_size");
    integer("layer_count", "num_hidden_layers");
    integer("head_count", "num_attention_heads");
    integer("kv_head_count", "num_key_value_heads");
    integer("head_dim", "head_dim");
    integer("ffn_size", "intermediate_size");
    integer("context_length", "max_position_embeddings");
    integer("sliding_window", "sliding_window");
    if (model.architecture == "qwen2" || model.architecture == "qwen3") model.hyper.erase("sliding_window");
    model.hyper["norm_eps"] = config.at("rms_norm_eps").to_number<double>();
    model.hyper["tie_embeddings"] = config.at("tie_word_embeddings").as_bool();
    const json::object& rope = config.at("rope_parameters").as_object();
    const std::string type(rope.at("rope_type").as_string());
    model.hyper["rope.scaling"] = type == "default" ? std::string("none") : type;
    for (const auto& [key, name] :
         std::vector<std::pair<std::string, std::string>>{{"rope.theta", "rope_theta"},
                                                          {"rope.factor", "factor"},
                                                          {"rope.low_freq_factor", "low_freq_factor"},
                                                          {"rope.high_freq_factor", "high_freq_factor"}}) {
        if (const auto* v = rope.if_contains(name)) model.hyper[key] = v->to_number<double>();
    }
    if (const auto* v = rope.if_contains("original_max_position_embeddings")) {
        model.hyper["rope.original_context"] = v->as_int64();
    }
}

}  // namespace

std::vector<std::string> golden_names() { return {"llama", "llama_biased", "qwen2", "qwen3", "mistral"}; }

Golden read_golden(const std::string& name) {
    Golden g;
    const std::string folder = kFolder + name + "/";
    read_config(folder + "config.json", g.model);
    g.model.tensors = read_safetensors(folder + "model.safetensors");
    for (TestTensor& t : g.model.tensors) t.name = canonical(t.name);
    const auto expected = read_safetensors(folder + "expected.safetensors");
    g.prompt = values<int32_t>(expected, "prompt");
    g.logits = values<float>(expected, "logits");
    g.greedy = values<int32_t>(expected, "greedy");
    g.greedy_logits = values<float>(expected, "greedy_logits");
    return g;
}

}  // namespace gantry::test
