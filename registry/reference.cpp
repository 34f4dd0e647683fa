#include "registry/reference.hpp"

#include <algorithm>
#include <cctype>

#include "base/crypto.hpp"
#include "registry/hf_cache.hpp"

namespace gantry::registry {
namespace {

constexpr std::string_view kHubForm = "org/repo[@revision][:file or quantisation]";

bool takes(std::string_view& text, std::string_view prefix) {
    const bool has = text.starts_with(prefix);
    text.remove_prefix(has ? prefix.size() : 0);
    return has;
}

Error bad(std::string_view text, std::string form) {
    return {Code::kInvalidArgument, "\"" + std::string(text.substr(0, 200)) + "\" names no model",
            "the form is " + std::move(form)};
}

Result<Reference> hub_reference(Source source, std::string_view text, std::string prefix) {
    Reference out;
    out.source = source;
    const auto colon = text.find(':');
    if (colon != std::string_view::npos) {
        const std::string_view tail = text.substr(colon + 1);
        const bool is_file = tail.ends_with(".gguf") || tail.ends_with(".safetensors");
        (is_file ? out.file : out.quantization) = tail;
        if (tail.empty() || !is_safe_path(tail) || (!is_file && tail.find('/') != std::string_view::npos)) {
            return bad(text, prefix + std::string(kHubForm));
        }
    }
    text = text.substr(0, colon);
    const auto at = text.find('@');
    if (at != std::string_view::npos) {
        out.revision = text.substr(at + 1);
        if (!is_safe_revision(out.revision)) {
            return bad(text, prefix + std::string(kHubForm));
        }
    }
    out.name = text.substr(0, at);
    return is_repository_id(out.name) ? Result<Reference>(std::move(out)) : bad(text, prefix + std::string(kHubForm));
}

Result<Reference> ollama_reference(std::string_view text) {
    Reference out;
    out.source = Source::kOllama;
    const auto colon = text.rfind(':');
    out.revision = colon == std::string_view::npos ? "latest" : std::string(text.substr(colon + 1));
    const std::string_view name = text.substr(0, colon);
    out.name = (name.find('/') == std::string_view::npos ? "library/" : "") + std::string(name);
    const bool good =
        is_repository_id(out.name) && is_safe_revision(out.revision) && out.revision.find('/') == std::string::npos;
    return good ? Result<Reference>(std::move(out)) : bad(text, "ollama:[namespace/]name[:tag]");
}

Result<Reference> url_reference(std::string_view text) {
    Reference out;
    out.source = Source::kUrl;
    const auto hash = text.find('#');
    std::string_view tail = hash == std::string_view::npos ? std::string_view() : text.substr(hash + 1);
    out.name = text.substr(0, hash);
    const std::string_view path = std::string_view(out.name).substr(0, out.name.find('?'));
    out.file = path.substr(path.rfind('/') + 1);
    const bool sum = takes(tail, "sha256=");
    out.sha256 = tail;
    std::ranges::transform(out.sha256, out.sha256.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const bool hex = out.sha256.size() == 64 &&
                     std::ranges::all_of(out.sha256, [](unsigned char c) { return std::isxdigit(c) != 0; });
    const bool good = out.file.ends_with(".gguf") && is_safe_path(out.file) &&
                      out.file.find('%') == std::string::npos && (sum ? hex : tail.empty());
    return good ? Result<Reference>(std::move(out)) : bad(text, "https://host/path/NAME.gguf[#sha256=HEX]");
}

}  // namespace

bool is_safe_path(std::string_view name) {
    if (name.empty() || name.size() > 512 || name.front() == '/' || name.back() == '/') {
        return false;
    }
    while (!name.empty()) {
        const std::string_view part = name.substr(0, name.find('/'));
        const bool plain =
            std::ranges::none_of(part, [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; });
        if (part.empty() || part == "." || part == ".." || part.size() > 200 || !plain) {
            return false;
        }
        name.remove_prefix(std::min(name.size(), part.size() + 1));
    }
    return true;
}

bool is_safe_revision(std::string_view revision) {
    return is_safe_path(revision) && revision.front() != '.' && revision.find('/') == std::string_view::npos &&
           revision.find(' ') == std::string_view::npos;
}

std::string Reference::repository() const {
    return source == Source::kUrl ? "url/" + crypto::hex(crypto::sha256(name)).substr(0, 40) : name;
}

Result<Reference> parse_reference(std::string_view text) {
    const std::string_view whole = text;
    if (takes(text, "hf:")) {
        return hub_reference(Source::kHuggingFace, text, "hf:");
    }
    if (takes(text, "ms:")) {
        return hub_reference(Source::kModelScope, text, "ms:");
    }
    if (takes(text, "ollama:")) {
        return ollama_reference(text);
    }
    if (whole.starts_with("http://") || whole.starts_with("https://")) {
        return url_reference(whole);
    }
    Reference out;
    if (takes(text, "file:")) {
        out.source = Source::kFile;
        takes(text, "//");
    }
    out.name = text;
    return out.name.empty() ? bad(whole, "a name, a path, hf:org/repo, ms:org/repo, ollama:name or a URL")
                            : Result<Reference>(std::move(out));
}

std::filesystem::path store_of(Source source, const std::filesystem::path& hub,
                               const std::filesystem::path& downloads) {
    switch (source) {
        case Source::kHuggingFace:
            return hub;
        case Source::kModelScope:
            return downloads.empty() ? downloads : downloads / "modelscope";
        case Source::kOllama:
            return downloads.empty() ? downloads : downloads / "ollama";
        case Source::kUrl:
            return downloads.empty() ? downloads : downloads / "url";
        case Source::kName:
        case Source::kFile:
            break;
    }
    return {};
}

}  // namespace gantry::registry
