#include "api/cli/command_list.hpp"

namespace gantry::cli {

std::vector<Command> command_list() {
    // Every place a model can be named takes the same three forms.
    constexpr std::string_view kModelForms =
        "MODEL is a name from the catalog, the path of a GGUF file, or the path of a folder with safetensors files.";
    return {
        {"run", "MODEL [PROMPT]", 1, 2, "Chat with a model; starts a server and launches the model as needed.",
         "With PROMPT prints one answer and ends. PROMPT \"-\" reads it from standard input. Without PROMPT it chats: "
         "/bye or Ctrl-D leaves, /clear forgets the conversation, Ctrl-C stops an answer.\n"
         "A server that this command had to start ends with it, unless --keep-server is given.",
         {{"system", 0, "TEXT", "System message."},
          {"temperature", 't', "X", "0 takes the likeliest token always; the model's own default otherwise."},
          {"top-p", 0, "X", "Nucleus sampling."},
          {"top-k", 0, "N", "Take one of the N likeliest tokens only."},
          {"seed", 0, "N", "Makes the answer repeatable."},
          {"max-tokens", 'n', "N", "Longest answer, in tokens."},
          {"engine", 'e', "ID", "Backend plugin (default: the best for this machine)."},
          {"context", 'c', "N", "Context length in tokens."},
          {"then-chat", 0, "", "Go on chatting after PROMPT when standard input is a terminal."},
          {"stats", 0, "", "Show tokens and times after each answer."},
          {"keep-server", 0, "", "Leave a server running that this command started."}},
         false, cmd_run},
        {"serve", "", 0, 0, "Run the server.",
         "Settings come from gantry.toml, then GANTRY_* variables, then these flags. Ends on SIGTERM or Ctrl-C after "
         "requests in flight have finished.",
         {{"config", 0, "FILE", "Configuration file."},
          {"host", 0, "ADDR", "Address to listen on (default 127.0.0.1)."},
          {"port", 'p', "N", "Port to listen on (default 9997)."},
          {"set", 0, "KEY=VALUE", "Any key of gantry.toml; may be repeated."},
          {"die-with", 0, "FD", "End when this file descriptor closes (used by gantry run)."}},
         false, cmd_serve},
        {"launch", "MODEL", 1, 1, "Launch a model on the server and wait until it is ready.", kModelForms,
         {{"uid", 'u', "NAME", "Name under which it is served (default: from the model's name)."},
          {"engine", 'e', "ID", "Backend plugin (default: the best for this machine)."},
          {"quantization", 0, "TYPE", "Which of the model's quantisations to take."},
          {"context", 'c', "N", "Context length in tokens."},
          {"max-sequences", 0, "N", "Most requests computed at once."},
          {"threads", 0, "N", "CPU threads."},
          {"option", 'o', "KEY=VALUE", "Option for the plugin; may be repeated."},
          {"no-wait", 0, "", "Return as soon as the launch is accepted."}},
         false, cmd_launch},
        {"ps", "", 0, 0, "List launched models.", "With --quiet only their names.", {}, false, cmd_ps},
        {"stop", "MODEL...", 0, 64, "Stop launched models; returns when their memory is free.", "",
         {{"all", 'a', "", "Every model."}}, false, cmd_stop},
        {"show", "MODEL", 1, 1, "Print all that is known of a model.", kModelForms,
         {{"tensors", 0, "", "List the tensors too."}, {"template", 0, "", "Print the chat template only."}}, false,
         cmd_show},
        {"backends", "", 0, 0, "List backend plugins with their devices, and why one cannot be used.", "", {}, false,
         cmd_backends},
        {"tokenize", "[TEXT]", 0, 1, "Turn text into token ids.",
         "Without TEXT each line of standard input gives one line of ids.",
         {{"model", 'm', "MODEL", "Whose tokenizer (required)."},
          {"special", 0, "", "Add the model's begin and end tokens."},
          {"plain", 0, "", "Take added tokens inside the text as plain text."}},
         false, cmd_tokenize},
        {"detokenize", "[IDS]", 0, 1, "Turn token ids into text.",
         "Without IDS each line of standard input gives one line of text.",
         {{"model", 'm', "MODEL", "Whose tokenizer (required)."}, {"special", 0, "", "Keep special tokens."}}, false,
         cmd_detokenize},
        {"template", "FILE", 1, 1, "Render a chat template.",
         "FILE is JSON with messages, tools and any other variables of the template; \"-\" reads standard input. The "
         "key now (seconds since 1970, or \"YYYY-MM-DD HH:MM:SS\") sets the clock. Exit code 1, with the reason, where "
         "the template refuses.",
         {{"model", 'm', "MODEL", "Whose template."}, {"template", 't', "FILE", "A template file instead."}}, false,
         cmd_template},
        {"version", "", 0, 0, "Print the version.", "", {}, false, cmd_version},
        {"help", "[COMMAND]", 0, 1, "Explain a command.", "", {}, false, cmd_help},
        {"completion", "SHELL", 1, 1, "Print a completion script for bash, zsh or fish.",
         "For bash: gantry completion bash > ~/.local/share/bash-completion/completions/gantry", {}, false,
         cmd_completion},
        {"man", "[COMMAND]", 0, 1, "Print a manual page in roff.", "Read it with: gantry man run | man -l -", {}, true,
         cmd_man},
        {"runner", "[UID]", 0, 1, "The process around one model; started by the server, which talks to it over pipes.",
         "", {}, true, cmd_runner},
        {"probe", "", 0, 0, "Ask the plugins what they can do; started by the server, reads a request as JSON.", "", {},
         true, cmd_probe},
    };
}

}  // namespace gantry::cli
