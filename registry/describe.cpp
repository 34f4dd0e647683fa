#include "registry/describe.hpp"

#include <map>

#include "registry/formats/dtype.hpp"
#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

namespace json = boost::json;

json::value to_json(const HyperValue& value) {
    return std::visit(
        [](const auto& v) -> json::value {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::string>) {
                return json::string(valid_utf8(v));
            } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
                json::array out;
                for (const auto& s : v) {
                    out.emplace_back(valid_utf8(s));
                }
                return out;
            } else {
                return json::value_from(v);
            }
        },
        value);
}

json::object tensors_json(const ModelManifest& m, bool all) {
    struct Sum {
        uint64_t count = 0;
        uint64_t bytes = 0;
    };
    std::map<std::string_view, Sum> by_type;
    json::array list;
    for (const auto& t : m.tensors) {
        auto& sum = by_type[dtype_name(t.dtype)];
        ++sum.count;
        sum.bytes += t.nbytes;
        if (all) {
            list.push_back(json::object{{"name", t.name},
                                        {"type", dtype_name(t.dtype)},
                                        {"shape", json::value_from(t.shape)},
                                        {"file", t.file},
                                        {"offset", t.offset},
                                        {"bytes", t.nbytes}});
        }
    }
    json::object types;
    for (const auto& [name, sum] : by_type) {
        types[name] = json::object{{"count", sum.count}, {"bytes", sum.bytes}};
    }
    json::object out{{"count", m.tensors.size()}, {"types", std::move(types)}};
    if (all) {
        out["list"] = std::move(list);
    }
    return out;
}

json::value tokenizer_json(const TokenizerSource& source) {
    if (const auto* gguf = std::get_if<TokenizerGguf>(&source)) {
        json::object out{{"source", "gguf"},
                         {"model", valid_utf8(gguf->model)},
                         {"pre", valid_utf8(gguf->pre)},
                         {"tokens", gguf->tokens.size()},
                         {"merges", gguf->merges.size()}};
        for (const auto& [name, id] : {std::pair("bos", gguf->bos),
                                       {"eos", gguf->eos},
                                       {"eot", gguf->eot},
                                       {"unk", gguf->unk},
                                       {"pad", gguf->pad}}) {
            if (id) {
                out[name] = *id;
            }
        }
        return out;
    }
    if (const auto* file = std::get_if<TokenizerJson>(&source)) {
        return json::object{{"source", "tokenizer.json"}, {"bytes", file->tokenizer_json.size()}};
    }
    return nullptr;
}

json::object templates_json(const ModelManifest& m, bool text) {
    json::object out;
    const auto add = [&](std::string_view name, const std::string& source) {
        out[name] = text ? json::value(valid_utf8(source)) : json::value(json::object{{"bytes", source.size()}});
    };
    if (!m.chat_template.empty()) {
        add("default", m.chat_template);
    }
    for (const auto& [name, source] : m.chat_templates) {
        add(valid_utf8(name), source);
    }
    return out;
}

json::object generation_json(const GenerationDefaults& g) {
    json::object out{{"eos_token_ids", json::value_from(g.eos_token_ids)}};
    for (const auto& [name, value] : {std::pair("temperature", g.temperature),
                                      {"top_p", g.top_p},
                                      {"min_p", g.min_p},
                                      {"repetition_penalty", g.repetition_penalty}}) {
        if (value) {
            out[name] = *value;
        }
    }
    if (g.top_k) {
        out["top_k"] = *g.top_k;
    }
    return out;
}

json::value encoder_json(const std::optional<EncoderInfo>& info) {
    if (!info) {
        return nullptr;
    }
    json::array prompts;
    for (const auto& [name, text] : info->prompts) {
        prompts.push_back(json::object{{"name", valid_utf8(name)}, {"text", valid_utf8(text)}});
    }
    json::array labels;
    for (const auto& label : info->labels) {
        labels.emplace_back(valid_utf8(label));
    }
    return json::object{{"task", encoder_task_name(info->task)},
                        {"pooling", pooling_name(info->pooling)},
                        {"normalize", info->normalize},
                        {"max_tokens", info->max_tokens},
                        {"width", info->width},
                        {"dimensions", json::value_from(info->dimensions)},
                        {"similarity", valid_utf8(info->similarity)},
                        {"prompts", std::move(prompts)},
                        {"default_prompt", valid_utf8(info->default_prompt_name)},
                        {"labels", std::move(labels)}};
}

}  // namespace

json::object describe(const ModelManifest& m, DescribeOptions options) {
    json::object hyper;
    for (const auto& [name, value] : m.hyper) {
        hyper[name] = to_json(value);
    }
    json::array files;
    for (size_t i = 0; i < m.file_paths.size(); ++i) {
        files.push_back(json::object{{"path", valid_utf8(m.file_paths[i].string())},
                                     {"bytes", i < m.files.size() ? m.files[i]->bytes().size() : 0}});
    }
    return json::object{{"name", valid_utf8(m.name)},
                        {"format", m.format},
                        {"architecture", m.architecture},
                        {"quantization", m.quantization},
                        {"parameter_count", m.parameter_count},
                        {"weight_bytes", m.weight_bytes()},
                        {"context_length", m.context_length},
                        {"hyper", std::move(hyper)},
                        {"files", std::move(files)},
                        {"tensors", tensors_json(m, options.tensors)},
                        {"tokenizer", tokenizer_json(m.tokenizer)},
                        {"bos_token", valid_utf8(m.bos_token)},
                        {"eos_token", valid_utf8(m.eos_token)},
                        {"chat_templates", templates_json(m, options.templates)},
                        {"encoder", encoder_json(m.encoder)},
                        {"generation", generation_json(m.generation)}};
}

}  // namespace gantry::registry
