#pragma once

/// Which files of a repository a launch needs.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/sources/listing.hpp"

namespace gantry::sources {

struct Wish {
    std::string file{};          ///< this one, with its other parts
    std::string quantization{};  ///< of GGUF files
    std::string format{};        ///< "gguf", "safetensors"; empty: what there is, GGUF where quantised files are
    uint64_t memory = 0;         ///< bytes that the model may use; 0: unknown
};

struct Selection {
    std::vector<RemoteFile> files;
    std::string why;           ///< "Q4_K_M (4.4 GiB): ...", for people
    std::string quantization;  ///< that was chosen; empty where there is nothing to choose
    uint64_t bytes() const;
};

/// GGUF: one quantisation with all its parts. Safetensors: weights, their index, configuration, tokenizer, chat
/// template, and what sentence-transformers reads. kNotFound says what there is.
Result<Selection> select_files(const Listing& listing, const Wish& wish);

}  // namespace gantry::sources
