#include "registry/sources/puller.hpp"

#include "registry/download/hosts.hpp"
#include "registry/reference.hpp"
#include "registry/sources/publish.hpp"

namespace gantry::sources {
namespace {

using registry::Reference;
using registry::Source;

/// A repository that has what is wanted, and what to take of it.
struct Target {
    Reference reference;
    Wish wish;
};

Target hub_target(Reference reference, const PullRequest& request) {
    Wish wish;
    wish.file = reference.file;
    wish.quantization = request.options.quantization.empty() ? reference.quantization : request.options.quantization;
    wish.format = registry::normalized_format(request.options.format);
    wish.memory = request.memory;
    return {std::move(reference), std::move(wish)};
}

/// Where a catalog's model can be had: each hub of the first form that a user may mean.
std::vector<Target> catalog_targets(const registry::CatalogEntry& entry, const PullRequest& request,
                                    const registry::ResolveOptions& options) {
    std::vector<Target> out;
    for (const registry::ModelSpec* spec : registry::matching_specs(entry, options)) {
        const auto quantizations = registry::wanted_quantizations(*spec, options.quantization);
        if (spec->hubs.empty() || quantizations.empty()) {
            continue;
        }
        for (const auto& [hub, source] :
             {std::pair("huggingface", Source::kHuggingFace), std::pair("modelscope", Source::kModelScope)}) {
            const std::string repository = spec->repository(hub, quantizations.front());
            if (repository.empty()) {
                continue;
            }
            Target target;
            target.reference.source = source;
            target.reference.name = repository;
            target.reference.revision = source == Source::kHuggingFace ? spec->revision : std::string();
            target.wish.format = spec->format == "gguf" ? "gguf" : "safetensors";
            target.wish.memory = request.memory;
            if (spec->format == "gguf") {
                // One that was asked for, or one of which the template has no other: else the best that fits.
                const bool one_repository = repository == spec->repository(hub, quantizations.back());
                const bool open = options.quantization.empty() && quantizations.size() > 1 && one_repository;
                target.wish.file = open ? std::string() : spec->file_for(quantizations.front());
            }
            out.push_back(std::move(target));
        }
        break;
    }
    return out;
}

Result<std::vector<Target>> targets_of(const registry::Registry& registry, const PullRequest& request) {
    GANTRY_TRY(Reference reference, registry::parse_reference(request.model));
    if (reference.source != Source::kName) {
        return std::vector{hub_target(std::move(reference), request)};
    }
    registry::ResolveOptions options = request.options;
    if (const auto* entry = registry.find_entry(request.model, options)) {
        auto targets = catalog_targets(*entry, request, options);
        if (targets.empty()) {
            return Error{Code::kNotFound, "the catalog names no place from which '" + request.model + "' can be had"};
        }
        return targets;
    }
    if (registry::is_repository_id(request.model)) {
        reference.source = Source::kHuggingFace;
        return std::vector{hub_target(std::move(reference), request)};
    }
    return Error{Code::kNotFound, "'" + request.model + "' is nothing that can be downloaded",
                 "give a name of the catalog, hf:org/repo, ms:org/repo, ollama:name or https://..."};
}

/// Another hub may help where one is away or has not got it; not where the disk is full.
bool other_hub_may_help(Code code) {
    return code != Code::kCancelled && code != Code::kResourceExhausted && code != Code::kFailedPrecondition;
}

}  // namespace

Puller::Puller(Settings settings) : settings_(std::move(settings)) {
    auto& hosts = settings_.network.hosts;
    // An address that the user has set may be asked; without encryption only where it says so itself.
    std::vector<std::string> addresses{settings_.hugging_face, settings_.model_scope, settings_.ollama};
    addresses.insert(addresses.end(), settings_.mirrors.begin(), settings_.mirrors.end());
    for (const std::string& address : addresses) {
        if (const auto url = download::parse_url(address)) {
            hosts.push_back((url->scheme == "http" ? "http://" : "") + url->host);
        }
    }
    client_ = std::make_unique<download::HttpClient>(settings_.network);
}

Puller::~Puller() = default;

bool Puller::can_pull(const registry::Registry& registry, const PullRequest& request) {
    const auto reference = registry::parse_reference(request.model);
    return reference && reference->source != Source::kFile && targets_of(registry, request).has_value();
}

namespace {

Result<Pulled> pull_target(download::HttpClient& client, const Settings& settings, const registry::Registry& registry,
                           const Target& target, const PullRequest& request,
                           const std::function<void(const PullProgress&)>& on_progress, const std::stop_token& stop) {
    PullProgress progress;
    progress.stage = "resolve";
    on_progress(progress);
    const Reference& reference = target.reference;
    GANTRY_TRY(const Listing listing, list_files(client, settings, reference, stop));
    GANTRY_TRY(const Selection selection, select_files(listing, target.wish));
    const auto store = registry::store_of(reference.source, registry.paths().hf_hub, registry.paths().downloads);
    const CacheFolder cache(store, reference.repository());
    progress.total = selection.bytes();
    uint64_t before = 0;
    for (const RemoteFile& file : selection.files) {
        download::FileTask task;
        task.name = file.path;
        task.sources = file.sources;
        task.size = file.size;
        task.checksum = file.checksum;
        task.identity = file.blob;
        task.target = cache.blob(file);
        task.lock = cache.lock(file);
        task.priority = request.priority;
        progress.file = file.path;
        progress.digest = file.checksum.kind == download::ChecksumKind::kSha256 ? "sha256:" + file.checksum.hex : "";
        progress.file_total = file.size;
        const auto tell = [&](const download::FileProgress& part) {
            progress.stage = part.stage == download::FileStage::kWaiting       ? "wait"
                             : part.stage == download::FileStage::kDownloading ? "download"
                                                                               : "verify";
            progress.file_done = part.done;
            // What is verified has been downloaded already.
            progress.done = before + (part.stage == download::FileStage::kVerifying ? file.size : part.done);
            on_progress(progress);
        };
        if (!cache.has(listing.commit, file)) {
            GANTRY_CHECK_OK(download::download_file(client, task, tell, stop));
        }
        before += file.size;
    }
    progress.stage = "publish";
    progress.done = before;
    on_progress(progress);
    const std::string usual = reference.source == Source::kModelScope ? "master" : "main";
    GANTRY_CHECK_OK(
        cache.publish(listing.commit, reference.revision.empty() ? usual : reference.revision, selection.files));
    Pulled out{cache.snapshot(listing.commit), selection.why, selection.bytes()};
    const std::string& first = selection.files.front().path;
    if (first.ends_with(".gguf")) {
        out.path /= first;
    }
    return out;
}

}  // namespace

Result<Pulled> Puller::pull(const registry::Registry& registry, const PullRequest& request,
                            const std::function<void(const PullProgress&)>& on_progress, std::stop_token stop) {
    GANTRY_TRY(const auto targets, targets_of(registry, request));
    std::optional<Error> error;
    for (const Target& target : targets) {
        auto pulled = pull_target(*client_, settings_, registry, target, request, on_progress, stop);
        if (pulled || !other_hub_may_help(pulled.error().code)) {
            return pulled;
        }
        error =
            error ? Error{error->code, error->message + "; " + pulled.error().message, error->hint} : pulled.error();
    }
    return *error;
}

}  // namespace gantry::sources
