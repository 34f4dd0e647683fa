/// gantry run

#include <unistd.h>

#include <charconv>
#include <iostream>
#include <iterator>

#include "api/cli/command_list.hpp"
#include "api/cli/server_client.hpp"
#include "api/cli/terminal.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

/// The request's sampling fields from the options.
Result<json::object> sampling(const Arguments& args) {
    json::object out;
    for (const auto& [option, field] : {std::pair{"temperature", "temperature"}, std::pair{"top-p", "top_p"}}) {
        if (const auto text = args.value(option)) {
            double x = 0;
            const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), x);
            if (ec != std::errc{} || end != text->data() + text->size()) {
                return Error{Code::kInvalidArgument,
                             "--" + std::string(option) + " takes a number, not \"" + *text + "\""};
            }
            out[field] = x;
        }
    }
    for (const auto& [option, field] :
         {std::pair{"top-k", "top_k"}, std::pair{"seed", "seed"}, std::pair{"max-tokens", "max_tokens"}}) {
        if (args.has(option)) {
            GANTRY_TRY(const long n, args.number(option, 0, 0, 1L << 40));
            out[field] = n;
        }
    }
    return out;
}

class Chat {
  public:
    Chat(ServerClient& client, std::string uid, json::object fields, bool stats)
        : client_(client), uid_(std::move(uid)), fields_(std::move(fields)), stats_(stats) {}

    void set_system(const std::string& text) { system_ = text; }
    void clear() { messages_.clear(); }

    /// Asks and prints the answer as it comes; keeps both in the conversation.
    Status ask(const std::string& prompt) {
        messages_.push_back({{"role", "user"}, {"content", prompt}});
        json::object body = fields_;
        body["model"] = uid_;
        body["stream"] = true;
        body["stream_options"] = {{"include_usage", true}};
        json::array all;
        if (!system_.empty()) {
            all.push_back({{"role", "system"}, {"content", system_}});
        }
        all.insert(all.end(), messages_.begin(), messages_.end());
        body["messages"] = std::move(all);

        std::string answer;
        json::value usage;
        std::optional<Error> failed;
        const auto started = std::chrono::steady_clock::now();
        auto status = client_.stream("/v1/chat/completions", body, [&](std::string_view data) {
            boost::system::error_code ec;
            const auto event = json::parse({data.data(), data.size()}, ec);
            if (ec || !event.is_object()) {
                failed = Error{Code::kDataLoss, "the server sent an event that is not JSON"};
                return false;
            }
            if (const auto* e = event.as_object().if_contains("error"); e != nullptr && !e->is_null()) {
                failed = Error{Code::kUnavailable, e->is_string() ? json::value_to<std::string>(*e)
                                                                  : json::value_to<std::string>(e->at("message"))};
                return false;
            }
            if (const auto* u = event.as_object().if_contains("usage"); u != nullptr && u->is_object()) {
                usage = *u;
            }
            const auto& choices = event.at("choices").as_array();
            if (!choices.empty()) {
                if (const auto* text = choices[0].at("delta").as_object().if_contains("content");
                    text != nullptr && text->is_string()) {
                    std::cout << text->as_string().c_str() << std::flush;
                    answer += text->as_string();
                }
            }
            return true;
        });
        std::cout << std::endl;
        if (failed) {
            status = *failed;
        }
        if (!status && status.error().code != Code::kCancelled) {
            messages_.pop_back();
            return status;
        }
        messages_.push_back({{"role", "assistant"}, {"content", answer}});
        if (stats_ && usage.is_object()) {
            const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
            const auto tokens = usage.at("completion_tokens").to_number<uint64_t>();
            std::cerr << usage.at("prompt_tokens").to_number<uint64_t>() << " tokens in, " << tokens << " out, "
                      << static_cast<double>(tokens) / seconds << " tokens/s\n";
        }
        return ok();
    }

  private:
    ServerClient& client_;
    std::string uid_;
    json::object fields_;
    bool stats_;
    std::string system_;
    json::array messages_;
};

int interactive(Chat& chat, const std::string& uid) {
    const bool terminal = ::isatty(STDIN_FILENO) == 1;
    if (terminal) {
        std::cerr << dim("Chatting with " + uid + ". /bye leaves, /clear forgets, /help lists the rest.") << "\n";
    }
    while (true) {
        if (terminal) {
            std::cout << bold(">>> ") << std::flush;
        }
        std::string line;
        if (!std::getline(std::cin, line)) {
            if (terminal) {
                std::cout << "\n";
            }
            return 0;
        }
        if (line == "/bye" || line == "/exit" || line == "/quit") {
            return 0;
        }
        if (line == "/clear") {
            chat.clear();
            continue;
        }
        if (line.starts_with("/system ")) {
            chat.set_system(line.substr(8));
            continue;
        }
        if (line == "/help") {
            std::cerr << "/bye  leave\n/clear  forget the conversation\n/system TEXT  set the system message\n"
                         "\"\"\"  begins and ends a message of several lines\nCtrl-C  stops an answer\n";
            continue;
        }
        if (line.starts_with('/')) {
            std::cerr << "no such command: " << line << "; /help lists them\n";
            continue;
        }
        if (line.starts_with("\"\"\"")) {
            std::string text = line.substr(3);
            while (std::getline(std::cin, line) && !line.ends_with("\"\"\"")) {
                text += "\n" + line;
            }
            line = text + "\n" + (line.ends_with("\"\"\"") ? line.substr(0, line.size() - 3) : "");
        }
        if (line.find_first_not_of(" \t") == std::string::npos) {
            continue;
        }
        if (const auto status = chat.ask(line); !status) {
            fail(status.error());
            if (!terminal) {
                return 1;
            }
        }
    }
}

}  // namespace

int cmd_run(const Arguments& args) {
    auto client = ServerClient::from(args);
    if (!client) {
        return fail(client.error());
    }
    auto fields = sampling(args);
    if (!fields) {
        return fail(fields.error());
    }
    std::unique_ptr<OwnServer> own;
    if (!client->alive()) {
        auto started = OwnServer::start(*client, args.has("keep-server"));
        if (!started) {
            return fail(started.error());
        }
        own = std::move(*started);
    }
    json::object launch{{"model_name", args.operands[0]}, {"model_engine", args.value("engine").value_or("auto")}};
    if (args.has("context")) {
        const auto context = args.number("context", 0, 1, 1L << 30);
        if (!context) {
            return fail(context.error());
        }
        launch["context_length"] = *context;
    }
    const auto uid = ensure_launched(*client, std::move(launch), args.has("quiet"), true);
    if (!uid) {
        return fail(uid.error());
    }
    Chat chat(*client, *uid, std::move(*fields), args.has("stats"));
    if (const auto system = args.value("system")) {
        chat.set_system(*system);
    }
    if (args.operands.size() == 2) {
        std::string prompt = args.operands[1];
        if (prompt == "-") {
            prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
        } else if (args.has("then-chat")) {
            std::cerr << bold(">>> ") << prompt << "\n";
        }
        if (const auto status = chat.ask(prompt); !status) {
            return fail(status.error());
        }
        if (!args.has("then-chat") || ::isatty(STDIN_FILENO) != 1) {
            return 0;
        }
    }
    return interactive(chat, *uid);
}

}  // namespace gantry::cli
