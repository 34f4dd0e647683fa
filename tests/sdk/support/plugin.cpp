#include "tests/sdk/support/plugin.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gantry/cpp/error.hpp>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace gantry::test {
namespace {

void must(gantry_error_t* error, const char* what) {
    if (auto failure = take(error)) {
        throw std::runtime_error(std::string(what) + ": " + failure->message + " (" + failure->hint + ")");
    }
}

/// A load spec over the arguments, which outlive it.
class Spec {
  public:
    explicit Spec(const LoadArgs& args, bool for_load) {
        for (const auto& [key, value] : args.options) options_.push_back({sdk::to_abi(key), sdk::to_abi(value)});
        abi_.struct_size = GANTRY_SIZE(gantry_load_spec_t, options);
        abi_.device_count = static_cast<uint32_t>(args.devices.size());
        abi_.devices = args.devices.data();
        abi_.block_size = args.block_size;
        abi_.block_count = for_load ? args.block_count : 0;
        abi_.max_step_tokens = args.max_step_tokens;
        abi_.max_sequences = args.max_sequences;
        abi_.max_logit_rows = args.max_logit_rows;
        abi_.max_context = args.max_context;
        abi_.option_count = static_cast<uint32_t>(options_.size());
        abi_.options = options_.data();
    }
    const gantry_load_spec_t* get() const { return &abi_; }

  private:
    std::vector<gantry_option_t> options_;
    gantry_load_spec_t abi_{};
};

}  // namespace

std::optional<Failure> take(gantry_error_t* error) {
    if (error == nullptr) return std::nullopt;
    Failure out{error->code, std::string(sdk::from_abi(error->message)), std::string(sdk::from_abi(error->hint))};
    error->destroy(error);
    return out;
}

TestHost::TestHost() {
    abi_.struct_size = GANTRY_SIZE(gantry_host_t, get_extension);
    abi_.abi_version = GANTRY_ABI_VERSION;
    abi_.name = {"test", 4};
    abi_.version = {"0", 1};
    abi_.log = [](const gantry_host_t*, int32_t, gantry_str_t) {};
    abi_.get_extension = [](const gantry_host_t*, const char* id) -> const void* {
        static constexpr gantry_host_threads_t kThreads = {GANTRY_SIZE(gantry_host_threads_t, numa_node), 2, nullptr, 0,
                                                           -1};
        return std::string_view(id) == GANTRY_HOST_THREADS ? &kThreads : nullptr;
    };
}

Model::Model(gantry_model_t* model, std::unique_ptr<TestManifest> manifest)
    : model_(model),
      manifest_(std::move(manifest)),
      lm_(static_cast<const gantry_causal_lm_t*>(model->get_extension(model, GANTRY_CAUSAL_LM))),
      encoder_(static_cast<const gantry_encoder_t*>(model->get_extension(model, GANTRY_ENCODER))) {
    if (lm_ == nullptr && encoder_ == nullptr) {
        throw std::runtime_error("the model has neither " GANTRY_CAUSAL_LM " nor " GANTRY_ENCODER);
    }
}

Model::~Model() { model_->destroy(model_); }

gantry_model_info_t Model::info() const {
    gantry_model_info_t info{};
    info.struct_size = GANTRY_SIZE(gantry_model_info_t, plan);
    must(model_->info(model_, &info), "info");
    return info;
}

Plugin::Plugin(const std::filesystem::path& library) {
    void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    entry_ = reinterpret_cast<gantry_backend_entry_fn>(dlsym(handle, GANTRY_ENTRY_SYMBOL));
    if (entry_ == nullptr) throw std::runtime_error(library.string() + " has no " GANTRY_ENTRY_SYMBOL);
    gantry_entry_args_t args{};
    args.struct_size = GANTRY_SIZE(gantry_entry_args_t, backend);
    args.host_abi_min = args.host_abi_max = GANTRY_ABI_VERSION;
    args.host = host_.get();
    must(entry_(&args), "entry");
    backend_ = args.backend;
}

Plugin::~Plugin() { backend_->destroy(backend_); }

std::string Plugin::id() const { return std::string(sdk::from_abi(backend_->id)); }

std::optional<Failure> Plugin::load(const TestModel& model, const LoadArgs& args, std::unique_ptr<Model>& out) const {
    auto manifest = std::make_unique<TestManifest>(model, true);
    const Spec spec(args, true);
    gantry_progress_t progress = args.progress;
    progress.struct_size = GANTRY_SIZE(gantry_progress_t, report);
    gantry_model_t* loaded = nullptr;
    if (auto failure = take(backend_->load(backend_, manifest->get(), spec.get(), &progress, &loaded))) return failure;
    out = std::make_unique<Model>(loaded, std::move(manifest));
    return std::nullopt;
}

std::unique_ptr<Model> Plugin::load(const TestModel& model, const LoadArgs& args) const {
    std::unique_ptr<Model> out;
    if (auto failure = load(model, args, out)) throw std::runtime_error("load: " + failure->message);
    return out;
}

std::optional<Failure> Plugin::assess(const TestModel& model, const LoadArgs& args, gantry_assessment_t& out) const {
    const TestManifest manifest(model, false);
    const Spec spec(args, false);
    out = {};
    out.struct_size = GANTRY_SIZE(gantry_assessment_t, max_context);
    return take(backend_->assess(backend_, manifest.get(), spec.get(), &out));
}

std::filesystem::path built_plugin(const std::string& id) {
    return std::filesystem::path(GANTRY_BUILD_DIR) / "lib/gantry/plugins" / id / (id + ".gantry.so");
}

std::vector<Rows> run(const Model& model, const std::vector<Part>& parts, uint32_t flags) {
    std::vector<int32_t> ids, tree;
    std::vector<uint32_t> positions, token_begin{0}, context, block_begin{0}, blocks, rows, adapters;
    bool has_tree = false;
    for (const Part& p : parts) {
        const auto first = static_cast<uint32_t>(ids.size());
        const auto count = static_cast<uint32_t>(p.tokens.size());
        ids.insert(ids.end(), p.tokens.begin(), p.tokens.end());
        has_tree = has_tree || !p.tree.empty();
        for (uint32_t i = 0; i < count; ++i) {
            positions.push_back(p.positions.empty() ? p.context + i : p.positions[i]);
            tree.push_back(p.tree.empty() ? static_cast<int32_t>(i) - 1 : p.tree[i]);
            if (!p.last_row_only || i + 1 == count) rows.push_back(first + i);
        }
        token_begin.push_back(static_cast<uint32_t>(ids.size()));
        context.push_back(p.context);
        adapters.push_back(p.adapter);
        blocks.insert(blocks.end(), p.blocks.begin(), p.blocks.end());
        block_begin.push_back(static_cast<uint32_t>(blocks.size()));
    }
    const size_t vocab = model.info().vocab_size;
    std::vector<float> logits(rows.size() * vocab);
    gantry_batch_t b{};
    b.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
    b.sequence_count = static_cast<uint32_t>(parts.size());
    b.token_count = static_cast<uint32_t>(ids.size());
    b.logit_row_count = static_cast<uint32_t>(rows.size());
    b.token_ids = ids.data();
    b.positions = positions.data();
    b.token_begin = token_begin.data();
    b.context_len = context.data();
    b.block_begin = block_begin.data();
    b.block_ids = blocks.data();
    b.logit_rows = rows.data();
    b.logits = logits.data();
    b.tree_parent = has_tree ? tree.data() : nullptr;
    b.adapter_ids = adapters.data();
    b.flags = flags;
    must(model.lm().execute(model.get(), &b), "execute");

    std::vector<Rows> out;
    const float* next = logits.data();
    for (const Part& p : parts) {
        Rows part;
        for (size_t i = 0; i < (p.last_row_only ? 1 : p.tokens.size()); ++i, next += vocab) {
            part.emplace_back(next, next + vocab);
        }
        out.push_back(std::move(part));
    }
    return out;
}

Rows run(const Model& model, const Part& part) { return run(model, std::vector{part}).front(); }

std::vector<uint32_t> blocks_from(uint32_t first, uint32_t count) {
    std::vector<uint32_t> out(count);
    std::iota(out.begin(), out.end(), first);
    return out;
}

int32_t argmax(const std::vector<float>& row) {
    return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

float difference(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) return std::numeric_limits<float>::infinity();
    float most = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return std::numeric_limits<float>::infinity();
        most = std::max(most, std::abs(a[i] - b[i]));
    }
    return most;
}

float difference(const Rows& a, const Rows& b) {
    if (a.size() != b.size()) return std::numeric_limits<float>::infinity();
    float most = 0;
    for (size_t i = 0; i < a.size(); ++i) most = std::max(most, difference(a[i], b[i]));
    return most;
}

}  // namespace gantry::test
