#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "registry/download/http_client.hpp"

namespace gantry::sources {

/// Where models come from. URLs without a slash at their ends.
struct Settings {
    download::NetworkSettings network;  ///< `hosts` need not name those of the addresses below
    std::string hugging_face;           ///< "https://huggingface.co"
    std::vector<std::string> mirrors;   ///< of it, asked when it does not answer; they get no token
    std::string hugging_face_token;     ///< empty: none
    std::string model_scope;            ///< "https://www.modelscope.cn"
    std::string ollama;                 ///< "https://registry.ollama.ai"
};

/// What the environment says, as Hugging Face's tools read it: HF_ENDPOINT, HF_TOKEN or the file that `hf auth login`
/// writes, HF_HUB_OFFLINE; the public addresses otherwise. Of `network` only `offline` is set.
Settings environment_settings();

}  // namespace gantry::sources
