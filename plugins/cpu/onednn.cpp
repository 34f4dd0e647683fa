#include <gantry/cpp/error.hpp>

#include <dnnl.hpp>
#include <map>
#include <tuple>
#include <vector>

#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
#include <omp.h>
#endif

#include "plugins/cpu/matrix_library.hpp"

namespace gantry::cpu {
namespace {

using dnnl::matmul;
using dnnl::memory;

// The same for the second and the third major version of oneDNN.
#if DNNL_VERSION_MAJOR >= 3
matmul::primitive_desc describe(const dnnl::engine& engine, const memory::desc& a, const memory::desc& b,
                                const memory::desc& c, const dnnl::primitive_attr& attributes) {
    return {engine, a, b, c, attributes};
}
#else
matmul::primitive_desc describe(const dnnl::engine& engine, const memory::desc& a, const memory::desc& b,
                                const memory::desc& c, const dnnl::primitive_attr& attributes) {
    return {matmul::desc(a, b, c), attributes, engine};
}
#endif

/// What a primitive is made for.
struct Key {
    Element type;
    uint32_t rows, columns, depth;
    size_t out_stride;
    bool accumulate;
    auto tie() const { return std::tie(type, rows, columns, depth, out_stride, accumulate); }
    bool operator<(const Key& other) const { return tie() < other.tie(); }
};

struct Primitive {
    matmul::primitive_desc desc;
    matmul run;
};

class OneDnn final : public MatrixLibrary {
  public:
    explicit OneDnn(uint32_t threads) : threads_(threads) {}

    void multiply(const Product& p, uint32_t thread) override {
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
        omp_set_num_threads(1);  // of this thread; primitives are made for it too
#endif
        try {
            run(p, threads_[thread]);
        } catch (const dnnl::error& e) {
            throw sdk::Error(GANTRY_ERR_INTERNAL, "oneDNN: " + std::string(e.what()) + " in a product of " +
                                                      std::to_string(p.rows) + " x " + std::to_string(p.depth) + " x " +
                                                      std::to_string(p.columns));
        }
        if (p.bias == nullptr) return;
        for (uint32_t r = 0; r < p.rows; ++r) {
            for (uint32_t c = 0; c < p.columns; ++c) p.out[r * p.out_stride + c] += p.bias[c];
        }
    }

    std::string implementation(Element type, uint32_t rows, uint32_t columns, uint32_t depth) const override {
        return make({type, rows, columns, depth, columns, false}).desc.impl_info_str();
    }

    std::string name() const override {
        const dnnl_version_t* v = dnnl_version();
        return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    }

  private:
    struct PerThread {
        std::map<Key, Primitive> primitives;
        std::vector<uint8_t> scratch;
    };

    Primitive make(const Key& k) const {
        const auto type = k.type == Element::kBf16 ? memory::data_type::bf16 : memory::data_type::f32;
        const auto stride = static_cast<memory::dim>(k.out_stride);
        const memory::dim m = k.rows, n = k.columns, d = k.depth;
        const memory::desc a({m, d}, type, memory::format_tag::ab);
        const memory::desc b({d, n}, type, memory::format_tag::ba);
        const memory::desc c({m, n}, memory::data_type::f32, memory::dims{stride, 1});
        dnnl::primitive_attr attributes;
        attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
        if (k.accumulate) {
            dnnl::post_ops after;
            after.append_sum(1.0F);
            attributes.set_post_ops(after);
        }
        auto desc = describe(engine_, a, b, c, attributes);
        return {desc, matmul(desc)};
    }

    void run(const Product& p, PerThread& mine) {
        constexpr size_t kMostPrimitives = 256;
        const Key key{p.type, p.rows, p.columns, p.depth, p.out_stride, p.accumulate};
        auto found = mine.primitives.find(key);
        if (found == mine.primitives.end()) {
            if (mine.primitives.size() >= kMostPrimitives) mine.primitives.clear();
            found = mine.primitives.emplace(key, make(key)).first;
        }
        const auto& desc = found->second.desc;
        if (const size_t need = desc.scratchpad_desc().get_size(); mine.scratch.size() < need)
            mine.scratch.resize(need);
        dnnl::stream stream(engine_);
        found->second.run.execute(
            stream, {{DNNL_ARG_SRC, memory(desc.src_desc(), engine_, const_cast<void*>(p.x))},
                     {DNNL_ARG_WEIGHTS, memory(desc.weights_desc(), engine_, const_cast<void*>(p.weights))},
                     {DNNL_ARG_DST, memory(desc.dst_desc(), engine_, p.out)},
                     {DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), engine_, mine.scratch.data())}});
        stream.wait();
    }

    dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
    std::vector<PerThread> threads_;
};

}  // namespace

std::unique_ptr<MatrixLibrary> MatrixLibrary::create(uint32_t threads) { return std::make_unique<OneDnn>(threads); }

}  // namespace gantry::cpu
