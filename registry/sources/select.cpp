#include "registry/sources/select.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "registry/formats/gguf.hpp"
#include "registry/registry.hpp"

namespace gantry::sources {
namespace {

/// Best first for who does not say which: a good compromise, then better ones, then smaller ones.
constexpr std::array kRanking{"Q4_K_M",  "Q5_K_M", "Q6_K",   "Q8_0",    "Q5_K_S", "Q4_K_S", "IQ4_XS", "IQ4_NL",
                              "Q5_0",    "Q4_0",   "Q4_1",   "Q5_1",    "MXFP4",  "Q3_K_L", "Q3_K_M", "Q3_K_S",
                              "IQ3_M",   "IQ3_S",  "IQ3_XS", "IQ3_XXS", "Q2_K",   "IQ2_M",  "IQ2_S",  "IQ2_XS",
                              "IQ2_XXS", "IQ1_M",  "IQ1_S",  "BF16",    "F16",    "F32"};

/// Memory beside the weights: context and computing.
constexpr uint64_t kBeside = uint64_t{512} << 20;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string gibibytes(uint64_t bytes) {
    return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30));
}

/// The files of one model in GGUF: all parts of it.
struct Choice {
    std::string name;          ///< path without the number of the part
    std::string quantization;  ///< as ranked, or empty
    size_t rank = kRanking.size();
    std::vector<RemoteFile> files;
    uint64_t parts = 1;
    uint64_t bytes() const {
        uint64_t sum = 0;
        for (const RemoteFile& file : files) {
            sum += file.size;
        }
        return sum;
    }
};

std::vector<Choice> gguf_choices(const Listing& listing) {
    std::map<std::string, Choice> by_name;
    for (const RemoteFile& file : listing.files) {
        const std::string name = base_name(file.path);
        // Projectors and matrices of importance are no models.
        if (!name.ends_with(".gguf") || name.starts_with("mmproj") || name.starts_with("imatrix")) {
            continue;
        }
        const auto part = registry::parse_gguf_part_name(name);
        const std::string key = file.path.substr(0, file.path.size() - name.size()) + (part ? part->prefix : name);
        Choice& choice = by_name[key];
        choice.name = key;
        choice.parts = part ? part->count : 1;
        choice.files.push_back(file);
        for (size_t i = 0; i < kRanking.size() && choice.quantization.empty(); ++i) {
            if (registry::has_word(key, kRanking[i]) || registry::has_word(base_name(key), kRanking[i])) {
                choice.rank = i;
                choice.quantization = kRanking[i];
            }
        }
    }
    std::vector<Choice> out;
    for (auto& [key, choice] : by_name) {
        out.push_back(std::move(choice));
    }
    std::ranges::stable_sort(out, [](const Choice& a, const Choice& b) { return a.rank < b.rank; });
    return out;
}

std::string names_of(const std::vector<Choice>& choices) {
    std::string out;
    for (const Choice& choice : choices) {
        out += (out.empty() ? "" : ", ") + (choice.quantization.empty() ? choice.name : choice.quantization);
    }
    return out;
}

Result<Selection> pick_gguf(std::vector<Choice> choices, const Wish& wish) {
    const std::string known = names_of(choices);
    std::string why;
    if (!wish.file.empty()) {
        std::erase_if(choices, [&](const Choice& c) {
            return std::ranges::none_of(c.files, [&](const RemoteFile& f) { return f.path == wish.file; });
        });
        why = "the file that was named";
    } else if (!wish.quantization.empty()) {
        std::erase_if(choices, [&](const Choice& c) {
            return !registry::has_word(c.name, wish.quantization) &&
                   !registry::has_word(base_name(c.name), wish.quantization);
        });
        why = "the quantization that was asked for";
    }
    if (choices.empty()) {
        return Error{Code::kNotFound, "there is no file '" + (wish.file.empty() ? wish.quantization : wish.file) + "'",
                     "there are: " + known};
    }
    const Choice* chosen = &choices.front();
    if (why.empty()) {
        const auto fits = [&](const Choice& c) { return wish.memory == 0 || c.bytes() + kBeside <= wish.memory; };
        const auto found = std::ranges::find_if(choices, fits);
        if (found != choices.end()) {
            chosen = &*found;
            why = wish.memory == 0 ? "the usual compromise"
                  : found == choices.begin()
                      ? fmt::format("the usual compromise, and it fits {} of memory", gibibytes(wish.memory))
                      : fmt::format("the best that fits {} of memory", gibibytes(wish.memory));
        } else {
            chosen = &*std::ranges::min_element(choices, {}, [](const Choice& c) { return c.bytes(); });
            why = fmt::format("the smallest, though it may not fit {} of memory", gibibytes(wish.memory));
        }
    }
    if (chosen->files.size() != chosen->parts) {
        return Error{Code::kDataLoss, fmt::format("{} has {} parts, of which the repository holds {}", chosen->name,
                                                  chosen->parts, chosen->files.size())};
    }
    Selection out{chosen->files, {}, chosen->quantization};
    out.why = fmt::format("{} ({}): {}", chosen->quantization.empty() ? chosen->name : chosen->quantization,
                          gibibytes(out.bytes()), why);
    return out;
}

/// Beside the weights: small files at the top and those of sentence-transformers' modules.
bool belongs_to_safetensors(const std::string& path) {
    const auto slash = path.find('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
    const bool module = folder.size() > 2 && std::isdigit(static_cast<unsigned char>(folder[0])) != 0 &&
                        folder.find('_') != std::string::npos && path.find('/', slash + 1) == std::string::npos;
    if (!folder.empty() && !module) {
        return false;
    }
    const std::string name = base_name(path);
    if (name.ends_with(".safetensors")) {
        // Mistral's own copy of the weights beside Hugging Face's.
        return !name.starts_with("consolidated");
    }
    return name.ends_with(".json") || name.ends_with(".jinja") || name == "tokenizer.model" || name == "vocab.txt" ||
           name == "merges.txt" || name.ends_with(".tiktoken");
}

}  // namespace

uint64_t Selection::bytes() const {
    uint64_t sum = 0;
    for (const RemoteFile& file : files) {
        sum += file.size;
    }
    return sum;
}

Result<Selection> select_files(const Listing& listing, const Wish& wish) {
    auto choices = gguf_choices(listing);
    const bool safetensors = std::ranges::any_of(listing.files, [](const RemoteFile& f) {
        return belongs_to_safetensors(f.path) && f.path.ends_with(".safetensors");
    });
    const bool gguf_wanted = wish.format == "gguf" || !wish.quantization.empty() || wish.file.ends_with(".gguf");
    if (!choices.empty() && wish.format != "safetensors" && (gguf_wanted || !safetensors)) {
        GANTRY_TRY(Selection out, pick_gguf(std::move(choices), wish));
        // What Ollama keeps beside a model.
        for (const RemoteFile& file : listing.files) {
            if (file.path == "template" || file.path == "params" || file.path == "system" || file.path == "license") {
                out.files.push_back(file);
            }
        }
        return out;
    }
    Selection out;
    if (safetensors && !gguf_wanted) {
        std::ranges::copy_if(listing.files, std::back_inserter(out.files),
                             [](const RemoteFile& f) { return belongs_to_safetensors(f.path); });
        out.why = fmt::format("safetensors ({}): weights, configuration and tokenizer", gibibytes(out.bytes()));
        return out;
    }
    return Error{Code::kNotFound, "the repository holds no model that can be launched",
                 "GGUF and safetensors files are; PyTorch's pickled files are not read, as they may contain programs"};
}

}  // namespace gantry::sources
