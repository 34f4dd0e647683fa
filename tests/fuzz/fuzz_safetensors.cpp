// A safetensors file image.

#include <cstdint>
#include <cstdlib>

#include "registry/formats/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace gantry::registry;
    const auto file = parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz.safetensors");
    if (!file && file.error().message.find(" at byte ") == std::string::npos) {
        std::abort();
    }
    return 0;
}
