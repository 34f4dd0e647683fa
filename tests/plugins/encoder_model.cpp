#include "tests/plugins/encoder_model.hpp"

#include <gantry/ext/encoder.h>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "base/mapped_file.hpp"
#include "registry/formats/safetensors.hpp"
#include "registry/registry.hpp"

namespace gantry::test {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(GANTRY_SOURCE_DIR) / "tests/plugins/encoders";

template <class T>
std::vector<T> values(const MappedFile& file, const registry::SafetensorsFile& tensors, const std::string& name) {
    for (const auto& t : tensors.tensors) {
        if (t.name != name) continue;
        std::vector<T> out(t.nbytes / sizeof(T));
        std::memcpy(out.data(), file.bytes().data() + t.offset, t.nbytes);
        return out;
    }
    return {};
}

Rows rows_of(const std::vector<float>& flat, size_t rows) {
    Rows out;
    const size_t width = flat.size() / rows;
    for (size_t r = 0; r < rows; ++r) {
        const auto first = flat.begin() + static_cast<std::ptrdiff_t>(r * width);
        out.emplace_back(first, first + static_cast<std::ptrdiff_t>(width));
    }
    return out;
}

}  // namespace

TestModel to_test_model(const registry::ModelManifest& m) {
    TestModel out;
    out.architecture = m.architecture;
    for (const auto& [key, value] : m.hyper) {
        std::visit(
            [&](const auto& v) {
                if constexpr (!std::is_same_v<std::decay_t<decltype(v)>, std::vector<std::string>>) out.hyper[key] = v;
            },
            value);
    }
    for (const auto& t : m.tensors) {
        const auto bytes = m.data(t);
        const auto* data = reinterpret_cast<const char*>(bytes.data());
        out.tensors.push_back({t.name, t.dtype, t.shape, {data, data + bytes.size()}});
    }
    return out;
}

EncoderCase read_expected(const std::filesystem::path& path) {
    EncoderCase out;
    const auto file = MappedFile::open(path).value();
    const auto tensors = registry::parse_safetensors(file.bytes(), path.string()).value();
    const auto ids = values<int32_t>(file, tensors, "ids");
    const auto types = values<int32_t>(file, tensors, "types");
    const auto begin = values<int32_t>(file, tensors, "begin");
    for (size_t s = 0; s + 1 < begin.size(); ++s) {
        Tokens text{{ids.begin() + begin[s], ids.begin() + begin[s + 1]}};
        if (!types.empty()) text.types.assign(types.begin() + begin[s], types.begin() + begin[s + 1]);
        out.batch.push_back(std::move(text));
    }
    const auto hidden = values<float>(file, tensors, "hidden");
    if (!hidden.empty()) out.hidden = rows_of(hidden, ids.size());
    const auto pooled = values<float>(file, tensors, "pooled");
    out.pooled = rows_of(pooled.empty() ? values<float>(file, tensors, "vectors") : pooled, out.batch.size());
    return out;
}

std::vector<std::string> encoder_names() {
    return {"bert",
            "bert.gguf",
            "bert_cls_dense",
            "bert_rerank",
            "bert_rerank.gguf",
            "roberta_classify",
            "xlm_roberta",
            "distilbert",
            "distilbert_classify",
            "modernbert",
            "modernbert_rerank",
            "nomic_bert",
            "gte",
            "gte_rerank",
            "qwen3_embedding",
            "qwen3_embedding.gguf",
            "qwen3_reranker"};
}

EncoderCase read_encoder(const std::string& name) {
    auto manifest = registry::load_manifest(kFolder / name);
    if (!manifest) throw std::runtime_error(manifest.error().text());
    const std::string folder = name.substr(0, name.find('.'));
    EncoderCase out = read_expected(kFolder / folder / "expected.safetensors");
    out.model = to_test_model(*manifest);
    out.info = manifest->encoder.value();
    return out;
}

std::optional<Failure> try_encode(const Model& model, const std::vector<Tokens>& batch, int32_t pooling, bool normalize,
                                  Rows& out) {
    std::vector<int32_t> ids, types;
    std::vector<uint32_t> begin{0};
    for (const Tokens& t : batch) {
        ids.insert(ids.end(), t.ids.begin(), t.ids.end());
        types.insert(types.end(), t.types.begin(), t.types.end());
        types.resize(ids.size());
        begin.push_back(static_cast<uint32_t>(ids.size()));
    }
    uint64_t width = 0;
    if (auto failure = take(model.encoder().width(model.get(), pooling, &width))) return failure;
    const size_t rows = pooling == GANTRY_POOLING_NONE ? ids.size() : batch.size();
    std::vector<float> flat(rows * width);
    gantry_encode_batch_t b{};
    b.struct_size = GANTRY_SIZE(gantry_encode_batch_t, adapter_ids);
    b.sequence_count = static_cast<uint32_t>(batch.size());
    b.token_count = static_cast<uint32_t>(ids.size());
    b.pooling = pooling;
    b.token_ids = ids.data();
    b.token_begin = begin.data();
    b.type_ids = types.data();
    b.out = flat.data();
    b.out_width = width;
    b.normalize = normalize ? 1 : 0;
    if (auto failure = take(model.encoder().encode(model.get(), &b))) return failure;
    out = rows_of(flat, rows);
    return std::nullopt;
}

Rows encode(const Model& model, const std::vector<Tokens>& batch, int32_t pooling, bool normalize) {
    Rows out;
    if (const auto failure = try_encode(model, batch, pooling, normalize, out)) {
        throw std::runtime_error("encode: " + failure->message);
    }
    return out;
}

}  // namespace gantry::test
