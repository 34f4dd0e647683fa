/// gantry show, tokenize, detokenize, template: work on model files directly, without a server.

#include <charconv>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <sstream>

#include "api/cli/command_list.hpp"
#include "api/cli/terminal.hpp"
#include "base/paths.hpp"
#include "registry/describe.hpp"
#include "registry/registry.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/output/format.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

Result<registry::ModelManifest> open_model(const std::string& reference) {
    GANTRY_TRY(const auto registry, registry::Registry::open(registry::RegistryPaths::standard(paths::share_dir())));
    GANTRY_TRY(const auto model, registry.resolve(reference));
    return registry::load_manifest(model.path);
}

Result<std::shared_ptr<const text::Tokenizer>> open_tokenizer(const Arguments& args) {
    const auto model = args.value("model");
    if (!model) {
        return Error{Code::kInvalidArgument, "--model is required", "it names the model whose tokenizer to use"};
    }
    GANTRY_TRY(const auto manifest, open_model(*model));
    return text::Tokenizer::create(manifest.tokenizer);
}

Result<std::string> read_file(const std::string& path) {
    if (path == "-") {
        return std::string(std::istreambuf_iterator<char>(std::cin), {});
    }
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        return Error{Code::kNotFound, "cannot read " + path};
    }
    return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<std::vector<int32_t>> parse_ids(std::string_view line) {
    std::vector<int32_t> ids;
    size_t at = 0;
    while (at < line.size()) {
        if (std::string_view(" ,[]\t\r").find(line[at]) != std::string_view::npos) {
            ++at;
            continue;
        }
        int32_t id = 0;
        const auto [end, ec] = std::from_chars(line.data() + at, line.data() + line.size(), id);
        if (ec != std::errc{} || id < 0) {
            return Error{Code::kInvalidArgument, "\"" + std::string(line.substr(at, 12)) + "\" is not a token id",
                         "give whole numbers separated by spaces or commas"};
        }
        ids.push_back(id);
        at = static_cast<size_t>(end - line.data());
    }
    return ids;
}

/// Calls `f` on the operand, or on every line of standard input.
template <class F>
int each_line(const Arguments& args, F&& f) {
    if (!args.operands.empty()) {
        return f(args.operands[0]);
    }
    for (std::string line; std::getline(std::cin, line);) {
        if (const int code = f(line); code != 0) {
            return code;
        }
    }
    return 0;
}

/// `now` of a template file: seconds, or "YYYY-MM-DD HH:MM:SS".
Result<std::chrono::sys_seconds> parse_now(const json::value& value) {
    if (value.is_number()) {
        return std::chrono::sys_seconds(std::chrono::seconds(value.to_number<int64_t>()));
    }
    std::tm tm{};
    if (value.is_string()) {
        std::istringstream in(json::value_to<std::string>(value));
        in >> std::get_time(&tm, value.as_string().find('T') == std::string_view::npos ? "%Y-%m-%d %H:%M:%S"
                                                                                       : "%Y-%m-%dT%H:%M:%S");
        if (!in.fail()) {
            return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&tm)));
        }
    }
    return Error{Code::kInvalidArgument, "\"now\" is neither seconds since 1970 nor \"YYYY-MM-DD HH:MM:SS\""};
}

}  // namespace

int cmd_show(const Arguments& args) {
    const auto manifest = open_model(args.operands[0]);
    if (!manifest) {
        return fail(manifest.error());
    }
    if (args.has("template")) {
        std::cout << manifest->chat_template << "\n";
        return 0;
    }
    auto all = registry::describe(*manifest, {.tensors = args.has("tensors")});
    const text::OutputFormat* const calls = text::detect_output_format(manifest->chat_template);
    all["tool_parser"] = calls != nullptr ? calls->name : "none";
    all["reasoning_tag"] = text::detect_reasoning_tags(manifest->chat_template).begin;
    if (args.has("json")) {
        std::cout << json::serialize(all) << "\n";
        return 0;
    }
    for (const auto& [key, value] : all) {
        if (value.is_object() || value.is_array()) {
            std::cout << bold(key) << "\n";
            const auto line = [](std::string_view name, const json::value& v) {
                std::cout << "  " << name << (name.empty() ? "" : ": ")
                          << (v.is_string() ? json::value_to<std::string>(v) : json::serialize(v)) << "\n";
            };
            if (value.is_object()) {
                for (const auto& [k, v] : value.as_object()) {
                    line(k, v);
                }
            } else {
                for (const auto& v : value.as_array()) {
                    line("", v);
                }
            }
        } else {
            std::cout << bold(key) << ": "
                      << (value.is_string() ? json::value_to<std::string>(value) : json::serialize(value)) << "\n";
        }
    }
    return 0;
}

int cmd_tokenize(const Arguments& args) {
    const auto tokenizer = open_tokenizer(args);
    if (!tokenizer) {
        return fail(tokenizer.error());
    }
    const text::EncodeOptions options{.add_special = args.has("special"), .parse_special = !args.has("plain")};
    return each_line(args, [&](const std::string& line) {
        const auto ids = (*tokenizer)->encode(line, options);
        if (args.has("json")) {
            json::array out;
            for (const auto id : ids) {
                out.push_back({{"id", id}, {"token", (*tokenizer)->id_to_token(id)}});
            }
            std::cout << json::serialize(out) << "\n";
            return 0;
        }
        for (size_t i = 0; i < ids.size(); ++i) {
            std::cout << (i == 0 ? "" : " ") << ids[i];
        }
        std::cout << "\n";
        return 0;
    });
}

int cmd_detokenize(const Arguments& args) {
    const auto tokenizer = open_tokenizer(args);
    if (!tokenizer) {
        return fail(tokenizer.error());
    }
    return each_line(args, [&](const std::string& line) {
        const auto ids = parse_ids(line);
        if (!ids) {
            return fail(ids.error());
        }
        const auto text = (*tokenizer)->decode(*ids, !args.has("special"));
        std::cout << (args.has("json") ? json::serialize(json::value(text)) : text) << "\n";
        return 0;
    });
}

int cmd_template(const Arguments& args) {
    const auto file = read_file(args.operands[0]);
    if (!file) {
        return fail(file.error());
    }
    boost::system::error_code ec;
    auto value = json::parse(*file, ec);
    if (ec || !value.is_object()) {
        return fail(
            {Code::kInvalidArgument, args.operands[0] + " is not a JSON object" + (ec ? ": " + ec.message() : "")});
    }
    auto& variables = value.as_object();
    std::string source;
    if (const auto path = args.value("template")) {
        const auto text = read_file(*path);
        if (!text) {
            return fail(text.error());
        }
        source = *text;
    } else if (const auto model = args.value("model")) {
        const auto manifest = open_model(*model);
        if (!manifest) {
            return fail(manifest.error());
        }
        if (manifest->chat_template.empty()) {
            return fail({Code::kNotFound, *model + " has no chat template", "give one with --template FILE"});
        }
        source = manifest->chat_template;
        variables.emplace("bos_token", manifest->bos_token);
        variables.emplace("eos_token", manifest->eos_token);
    } else {
        return fail({Code::kInvalidArgument, "either --model or --template is required"});
    }
    std::optional<std::chrono::sys_seconds> now;
    if (const auto* given = variables.if_contains("now")) {
        const auto parsed = parse_now(*given);
        if (!parsed) {
            return fail(parsed.error());
        }
        now = *parsed;
        variables.erase("now");
    }
    const auto compiled = text::ChatTemplate::compile(source);
    if (!compiled) {
        return fail(compiled.error());
    }
    const auto rendered = compiled->render(variables, now);
    if (!rendered) {
        return fail(rendered.error());
    }
    std::cout << (args.has("json") ? json::serialize(json::value(*rendered)) : *rendered);
    return 0;
}

}  // namespace gantry::cli
