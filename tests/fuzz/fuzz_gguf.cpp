// A GGUF file image: header, keys, tensor table, and the translation into a manifest.

#include <cstdint>
#include <cstdlib>

#include "registry/describe.hpp"
#include "registry/loaders.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace gantry::registry;
    auto file = parse_gguf(std::as_bytes(std::span(data, size)), "fuzz.gguf");
    if (!file) {
        // Every refusal of a damaged file names its place.
        if (file.error().message.find(" at byte ") == std::string::npos) {
            std::abort();
        }
        return 0;
    }
    GgufModel model;
    model.parts.push_back(std::move(*file));
    if (const auto manifest = manifest_from_gguf(std::move(model))) {
        (void)boost::json::serialize(describe(*manifest, {.tensors = true, .templates = true}));
    }
    return 0;
}
