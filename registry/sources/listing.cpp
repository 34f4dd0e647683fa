#include "registry/sources/listing.hpp"

#include <algorithm>

#include "base/crypto.hpp"
#include "base/http/types.hpp"
#include "base/json.hpp"
#include "registry/download/hosts.hpp"

namespace gantry::sources {

namespace bj = boost::json;
using download::ChecksumKind;
using download::encode_path;
using download::HttpReply;

namespace {

Error strange(const std::string& host, const std::string& what) {
    return {Code::kDataLoss, host + " answers in a form that is not understood: " + what};
}

Result<bj::object> ask(download::HttpClient& client, const download::HttpRequest& request,
                       const std::stop_token& stop) {
    GANTRY_TRY(const HttpReply reply, client.get(request, stop));
    if (reply.status != 200) {
        return download::reply_error(reply);
    }
    auto object = json::parse_object(reply.text);
    return object ? std::move(object) : Result<bj::object>(strange(request.url, object.error().message));
}

std::string text_of(const bj::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

uint64_t number_of(const bj::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    if (value == nullptr || !value->is_number()) {
        return 0;
    }
    boost::system::error_code failed;
    const auto number = value->to_number<uint64_t>(failed);
    return failed ? 0 : number;
}

const bj::array* array_of(const bj::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value == nullptr ? nullptr : value->if_array();
}

/// A file of Hugging Face's listing; its data are named by the SHA-256 where they lie in LFS, else by git's SHA-1.
std::optional<RemoteFile> hugging_face_file(const bj::object& entry) {
    RemoteFile file;
    file.path = text_of(entry, "rfilename");
    file.size = number_of(entry, "size");
    const auto* lfs = entry.if_contains("lfs");
    if (lfs != nullptr && lfs->is_object()) {
        std::string sum = text_of(lfs->as_object(), "sha256");
        if (sum.empty()) {
            sum = text_of(lfs->as_object(), "oid");
        }
        file.size = number_of(lfs->as_object(), "size");
        file.checksum = {ChecksumKind::kSha256, sum};
    } else {
        file.checksum = {ChecksumKind::kGitSha1, text_of(entry, "blobId")};
    }
    file.blob = file.checksum.hex;
    const size_t digits = file.checksum.kind == ChecksumKind::kSha256 ? 64 : 40;
    return registry::is_safe_path(file.path) && is_hex(file.blob, digits) ? std::optional(std::move(file))
                                                                          : std::nullopt;
}

}  // namespace

bool is_hex(std::string_view text, size_t digits) {
    return text.size() == digits &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// https://huggingface.co/docs/hub/api: GET /api/models/{repo}/revision/{revision}?blobs=true
Result<Listing> list_hugging_face(download::HttpClient& client, const Settings& settings,
                                  const registry::Reference& reference, const std::stop_token& stop) {
    std::vector<std::string> hosts{settings.hugging_face};
    hosts.insert(hosts.end(), settings.mirrors.begin(), settings.mirrors.end());
    const std::string revision = reference.revision.empty() ? "main" : reference.revision;
    const std::string target =
        "/api/models/" + reference.name + "/revision/" + http::percent_encode(revision) + "?blobs=true";
    const auto token_for = [&](const std::string& host) {
        return host == settings.hugging_face ? settings.hugging_face_token : std::string();
    };
    Result<bj::object> answer = Error{Code::kUnavailable, "there is no Hugging Face endpoint"};
    for (const std::string& host : hosts) {
        download::HttpRequest request;
        request.url = host + target;
        request.token = token_for(host);
        answer = ask(client, request, stop);
        const bool elsewhere =
            !answer && (answer.error().code == Code::kUnavailable || answer.error().code == Code::kDeadlineExceeded ||
                        answer.error().code == Code::kResourceExhausted);
        if (!elsewhere) {
            break;
        }
    }
    if (!answer) {
        return answer.error().in("hf:" + reference.name);
    }
    Listing out;
    out.commit = text_of(*answer, "sha");
    const auto* siblings = array_of(*answer, "siblings");
    if (!is_hex(out.commit, 40) || siblings == nullptr) {
        return strange(settings.hugging_face, "no commit or no files");
    }
    for (const bj::value& sibling : *siblings) {
        auto file = sibling.is_object() ? hugging_face_file(sibling.as_object()) : std::nullopt;
        if (!file) {
            continue;  // what cannot be stored or checked is not offered
        }
        for (const std::string& host : hosts) {
            file->sources.push_back(
                {host + "/" + reference.name + "/resolve/" + out.commit + "/" + encode_path(file->path),
                 token_for(host)});
        }
        out.files.push_back(std::move(*file));
    }
    return out;
}

// modelscope's hub/api.py: GET /api/v1/models/{repo}/repo/files?Revision=&Recursive=true
Result<Listing> list_model_scope(download::HttpClient& client, const Settings& settings,
                                 const registry::Reference& reference, const std::stop_token& stop) {
    const std::string revision = reference.revision.empty() ? "master" : reference.revision;
    const std::string base = settings.model_scope + "/api/v1/models/" + reference.name + "/repo";
    download::HttpRequest request;
    request.url = base + "/files?Recursive=true&Revision=" + http::percent_encode(revision);
    const auto answer = ask(client, request, stop);
    if (!answer) {
        return answer.error().in("ms:" + reference.name);
    }
    const auto* data = answer->if_contains("Data");
    const auto* files = data != nullptr && data->is_object() ? array_of(data->as_object(), "Files") : nullptr;
    if (files == nullptr) {
        return strange(settings.model_scope, "no files: " + text_of(*answer, "Message"));
    }
    Listing out;
    std::string all;
    for (const bj::value& value : *files) {
        if (!value.is_object() || text_of(value.as_object(), "Type") == "tree") {
            continue;
        }
        RemoteFile file;
        file.path = text_of(value.as_object(), "Path");
        file.size = number_of(value.as_object(), "Size");
        file.checksum = {ChecksumKind::kSha256, text_of(value.as_object(), "Sha256")};
        file.blob = file.checksum.hex;
        if (!registry::is_safe_path(file.path) || !is_hex(file.blob, 64)) {
            continue;
        }
        file.sources.push_back(
            {base + "?Revision=" + http::percent_encode(revision) + "&FilePath=" + http::percent_encode(file.path),
             {}});
        all += file.path + "\n" + file.blob + "\n";
        out.files.push_back(std::move(file));
    }
    // The hub has no name for a state of all files; their names and checksums make one.
    out.commit = crypto::hex(crypto::sha256(all)).substr(0, 40);
    return out;
}

// Docker's registry API v2, as Ollama uses it: a manifest whose layers are blobs named by their SHA-256.
Result<Listing> list_ollama(download::HttpClient& client, const Settings& settings,
                            const registry::Reference& reference, const std::stop_token& stop) {
    const std::string base = settings.ollama + "/v2/" + reference.name;
    download::HttpRequest request;
    request.url = base + "/manifests/" + http::percent_encode(reference.revision);
    request.headers = {"Accept: application/vnd.docker.distribution.manifest.v2+json"};
    GANTRY_TRY(const HttpReply reply, client.get(request, stop));
    if (reply.status != 200) {
        return download::reply_error(reply).in("ollama:" + reference.name + ":" + reference.revision);
    }
    const auto manifest = json::parse_object(reply.text);
    const auto* layers = manifest ? array_of(*manifest, "layers") : nullptr;
    if (layers == nullptr) {
        return strange(settings.ollama, "no layers");
    }
    Listing out;
    out.commit = crypto::hex(crypto::sha256(reply.text)).substr(0, 40);
    constexpr std::string_view kKind = "application/vnd.ollama.image.";
    constexpr std::string_view kSum = "sha256:";
    for (const bj::value& value : *layers) {
        const bj::object* layer = value.if_object();
        const std::string type = layer == nullptr ? "" : text_of(*layer, "mediaType");
        const std::string digest = layer == nullptr ? "" : text_of(*layer, "digest");
        if (!type.starts_with(kKind) || !digest.starts_with(kSum) || !is_hex(digest.substr(kSum.size()), 64)) {
            continue;
        }
        const std::string kind = type.substr(kKind.size());
        RemoteFile file;
        file.path = kind == "model" ? "model.gguf" : kind == "projector" ? "mmproj.gguf" : kind;
        file.size = number_of(*layer, "size");
        file.checksum = {ChecksumKind::kSha256, digest.substr(kSum.size())};
        file.blob = file.checksum.hex;
        file.sources.push_back({base + "/blobs/" + digest, {}});
        const bool again = std::ranges::any_of(out.files, [&](const RemoteFile& f) { return f.path == file.path; });
        if (registry::is_safe_path(file.path) && !again) {  // several licences, say: the first is kept
            out.files.push_back(std::move(file));
        }
    }
    return out;
}

Result<Listing> list_url(download::HttpClient& client, const registry::Reference& reference,
                         const std::stop_token& stop) {
    download::HttpRequest request;
    request.url = reference.name;
    request.head = true;
    GANTRY_TRY(const HttpReply reply, client.get(request, stop));
    if (reply.status != 200) {
        return download::reply_error(reply);
    }
    RemoteFile file;
    file.path = reference.file;
    file.size = std::strtoull(reply.header("content-length").c_str(), nullptr, 10);
    if (file.size == 0) {
        return Error{Code::kUnimplemented, reference.name + ": the host does not say how long the file is"};
    }
    if (!reference.sha256.empty()) {
        file.checksum = {ChecksumKind::kSha256, reference.sha256};
    }
    const std::string etag = reply.header("etag") + " " + std::to_string(file.size);
    file.blob = reference.sha256.empty() ? crypto::hex(crypto::sha256(reference.name + " " + etag)) : reference.sha256;
    file.sources.push_back({reference.name, {}});
    Listing out;
    out.commit = file.blob.substr(0, 40);
    out.files.push_back(std::move(file));
    return out;
}

Result<Listing> list_files(download::HttpClient& client, const Settings& settings, const registry::Reference& reference,
                           const std::stop_token& stop) {
    switch (reference.source) {
        case registry::Source::kHuggingFace:
            return list_hugging_face(client, settings, reference, stop);
        case registry::Source::kModelScope:
            return list_model_scope(client, settings, reference, stop);
        case registry::Source::kOllama:
            return list_ollama(client, settings, reference, stop);
        case registry::Source::kUrl:
            return list_url(client, reference, stop);
        case registry::Source::kName:
        case registry::Source::kFile:
            break;
    }
    return Error{Code::kInvalidArgument, "'" + reference.name + "' is nothing that is downloaded"};
}

}  // namespace gantry::sources
