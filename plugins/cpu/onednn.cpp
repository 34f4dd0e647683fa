#include <gantry/cpp/error.hpp>

#include <dnnl.hpp>
#include <map>
#include <string>
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

/// The code of one shape. Weights come as rows of [columns, depth]; most implementations want them in blocks.
struct Code {
    matmul::primitive_desc desc;
    matmul run;
    memory::desc rows;      ///< weights as they come
    dnnl::reorder arrange;  ///< empty where `run` takes them so

    bool arranges() const { return arrange.get(true) != nullptr; }
};

class OneDnn final : public MatrixLibrary {
  public:
    explicit OneDnn(uint32_t threads) : scratch_(threads) {}

    void prepare(std::span<const Shape> shapes) override {
        constexpr size_t kMostShapes = 256;
        if (codes_.size() > kMostShapes) codes_.clear();
        hold_threads();
        for (const Shape& shape : shapes) {
            if (codes_.contains(shape)) continue;
            guarded(shape, [&] { codes_.emplace(shape, make(shape)); });
        }
    }

    void multiply(const Shape& shape, const void* x, const void* weights, const OutTile& out,
                  uint32_t thread) override {
        hold_threads();
        Scratch& mine = scratch_[thread];
        // Its best code writes rows without gaps only.
        const size_t floats = static_cast<size_t>(shape.rows) * shape.columns;
        if (mine.out.size() < floats) mine.out.resize(floats);
        guarded(shape, [&] { run(codes_.at(shape), x, weights, mine); });
        for (uint32_t r = 0; r < shape.rows; ++r) {
            const float* from = mine.out.data() + static_cast<size_t>(r) * shape.columns;
            float* to = out.data + r * out.stride;
            for (uint32_t c = 0; c < shape.columns; ++c) {
                const float value = from[c] + (out.bias == nullptr ? 0.0F : out.bias[c]);
                to[c] = out.accumulate ? to[c] + value : value;
            }
        }
    }

    std::string implementation(Element type, uint32_t rows, uint32_t columns, uint32_t depth) const override {
        return make({type, rows, columns, depth}).desc.impl_info_str();
    }

    std::string name() const override {
        const dnnl_version_t* v = dnnl_version();
        return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    }

  private:
    struct Scratch {
        std::vector<uint8_t> pad;
        std::vector<uint8_t> weights;
        std::vector<float> out;
    };

    /// Every call to oneDNN stays on its own thread; code is made for one thread too.
    static void hold_threads() {
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP
        omp_set_num_threads(1);
#endif
    }

    template <class F>
    static void guarded(const Shape& shape, F&& call) {
        try {
            call();
        } catch (const dnnl::error& e) {
            throw sdk::Error(GANTRY_ERR_INTERNAL, "oneDNN: " + std::string(e.what()) + " in a product of " +
                                                      std::to_string(shape.rows) + " x " + std::to_string(shape.depth) +
                                                      " x " + std::to_string(shape.columns));
        }
    }

    Code make(const Shape& s) const {
        const auto type = s.type == Element::kBf16 ? memory::data_type::bf16 : memory::data_type::f32;
        const memory::dim m = s.rows, n = s.columns, d = s.depth;
        const memory::desc a({m, d}, type, memory::format_tag::ab);
        const memory::desc b({d, n}, type, memory::format_tag::any);
        const memory::desc c({m, n}, memory::data_type::f32, memory::format_tag::ab);
        dnnl::primitive_attr attributes;
        attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
        Code code{describe(engine_, a, b, c, attributes), {}, {{d, n}, type, memory::format_tag::ba}, {}};
        code.run = matmul(code.desc);
        if (code.desc.weights_desc() != code.rows) {
            code.arrange =
                dnnl::reorder(dnnl::reorder::primitive_desc(engine_, code.rows, engine_, code.desc.weights_desc()));
        }
        return code;
    }

    void run(const Code& code, const void* x, const void* weights, Scratch& mine) const {
        dnnl::stream stream(engine_);
        memory rows(code.rows, engine_, const_cast<void*>(weights));
        memory blocks = rows;
        if (code.arranges()) {
            const size_t need = code.desc.weights_desc().get_size();
            if (mine.weights.size() < need) mine.weights.resize(need);
            blocks = memory(code.desc.weights_desc(), engine_, mine.weights.data());
            code.arrange.execute(stream, rows, blocks);
        }
        if (const size_t need = code.desc.scratchpad_desc().get_size(); mine.pad.size() < need) mine.pad.resize(need);
        code.run.execute(stream,
                         {{DNNL_ARG_SRC, memory(code.desc.src_desc(), engine_, const_cast<void*>(x))},
                          {DNNL_ARG_WEIGHTS, blocks},
                          {DNNL_ARG_DST, memory(code.desc.dst_desc(), engine_, mine.out.data())},
                          {DNNL_ARG_SCRATCHPAD, memory(code.desc.scratchpad_desc(), engine_, mine.pad.data())}});
        stream.wait();
    }

    dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
    std::map<Shape, Code> codes_;
    std::vector<Scratch> scratch_;  ///< one per thread
};

}  // namespace

std::unique_ptr<MatrixLibrary> MatrixLibrary::create(uint32_t threads) { return std::make_unique<OneDnn>(threads); }

}  // namespace gantry::cpu
