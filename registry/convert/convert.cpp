#include "registry/convert/convert.hpp"

#include <gantry/abi.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <gantry/transformer/dequantize.hpp>

#include <span>
#include <thread>

#include "registry/convert/output_file.hpp"
#include "registry/convert/quantize.hpp"
#include "registry/formats/dtype.hpp"
#include "registry/formats/gguf_values.hpp"

namespace gantry::registry {
namespace {

constexpr uint64_t kAlignment = 32;
constexpr uint64_t kShareElements = uint64_t{1} << 20;  // decoded at once by one thread: 4 MiB

uint64_t aligned(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

/// Bytes of `count` elements, whole blocks of them.
uint64_t stored_bytes(int32_t dtype, uint64_t count) {
    const auto* traits = dtype_traits(dtype);
    return count / traits->block_elements * traits->block_bytes;
}

template <class T>
void append(std::string& out, T value) {
    const size_t at = out.size();
    out.resize(at + sizeof value);
    std::memcpy(out.data() + at, &value, sizeof value);
}

void append_text(std::string& out, std::string_view text) {
    append(out, uint64_t{text.size()});
    out += text;
}

/// A value's bytes as they stand in its file.
std::string_view stored(const GgufFile& file, const GgufValue& value) {
    uint64_t size = fixed_size(value.type);
    if (const auto* text = std::get_if<std::string_view>(&value.value)) {
        size = 8 + text->size();
    } else if (const auto* array = std::get_if<GgufArray>(&value.value)) {
        size = 4 + 8 + array->raw.size();
    }
    return {reinterpret_cast<const char*>(file.bytes.data()) + value.offset, size};
}

/// Keys that the conversion states anew or that told of the source's parts.
bool replaced(std::string_view key) {
    return key == "general.file_type" || key == "general.quantization_version" || key == "general.alignment" ||
           key.starts_with("split.");
}

std::string header_of(const ConversionPlan& plan) {
    std::string keys;
    uint64_t count = 0;
    const auto number = [&](std::string_view key, uint32_t value) {
        append_text(keys, key);
        append(keys, static_cast<uint32_t>(GgufType::kUint32));
        append(keys, value);
        ++count;
    };
    const GgufFile& first = plan.model->parts.front();
    for (const auto& [key, value] : first.keys) {
        if (!replaced(key)) {
            append_text(keys, key);
            append(keys, static_cast<uint32_t>(value.type));
            keys += stored(first, value);
            ++count;
        }
    }
    number("general.file_type", plan.mixture->file_type);
    number("general.quantization_version", 2);
    std::string out = "GGUF";
    append(out, uint32_t{3});
    append(out, uint64_t{plan.tensors.size()});
    append(out, count);
    out += keys;
    for (const auto& tensor : plan.tensors) {
        append_text(out, tensor.source->name);
        append(out, static_cast<uint32_t>(tensor.source->shape.size()));
        for (auto dim = tensor.source->shape.rbegin(); dim != tensor.source->shape.rend(); ++dim) {
            append(out, *dim);
        }
        append(out, static_cast<uint32_t>(tensor.dtype));
        append(out, tensor.offset);
    }
    out.resize(aligned(out.size()));
    return out;
}

uint64_t integer_key(const GgufFile& file, std::string_view suffix) {
    const auto* architecture = file.find("general.architecture");
    const auto* name = architecture == nullptr ? nullptr : std::get_if<std::string_view>(&architecture->value);
    const auto* entry = name == nullptr ? nullptr : file.find(std::string(*name) + std::string(suffix));
    const auto* value = entry == nullptr ? nullptr : std::get_if<uint64_t>(&entry->value);
    return value == nullptr ? 0 : *value;
}

Error cannot_hold(const PlannedTensor& tensor, std::string_view problem, std::string_view hint) {
    return {Code::kInvalidArgument, "tensor " + std::string(tensor.source->name) + ": " + std::string(problem),
            std::string(hint)};
}

/// Decodes and encodes `count` elements from element `begin`, whole rows' blocks.
Status convert_share(const PlannedTensor& tensor, uint64_t begin, uint64_t count, std::byte* out) {
    std::vector<float> values(count);
    const auto* source = tensor.file->bytes.data() + tensor.source->offset;
    transformer::dequantize(tensor.source->dtype, source + stored_bytes(tensor.source->dtype, begin), values.data(),
                            count);
    float largest = 0;
    for (const float v : values) {
        if (!std::isfinite(v)) {
            return cannot_hold(tensor, "has a value that is not a finite number", "the file is damaged");
        }
        largest = std::max(largest, std::abs(v));
    }
    if (tensor.dtype == GANTRY_DTYPE_F16 && largest > 65504) {
        return cannot_hold(tensor, "has values that F16 cannot hold", "take BF16 or Q8_0");
    }
    quantize_row(tensor.dtype, values, out);
    return ok();
}

/// One tensor at a time; up to `threads` shares of it at once.
class Writer {
  public:
    Writer(const ConversionPlan& plan, OutputFile& out, const ConversionRun& run)
        : plan_(plan), out_(out), run_(run), threads_(std::max(1U, run.threads)) {}

    Status write(const PlannedTensor& tensor) {
        const uint64_t total = *element_count(tensor.source->shape);
        for (uint64_t at = 0; at < total;) {
            if (run_.stop.stop_requested()) {
                return Error{Code::kCancelled, "the conversion was stopped", "nothing was written"};
            }
            // 2^20 is a multiple of every block's size, so each share is whole blocks of both types.
            const uint64_t count = std::min(total - at, kShareElements * threads_);
            GANTRY_CHECK_OK(write_part(tensor, at, count));
            at += count;
            done_ += stored_bytes(tensor.source->dtype, count);
            if (run_.progress) {
                run_.progress(done_, plan_.source_bytes);
            }
        }
        const std::string padding(aligned(tensor.nbytes) - tensor.nbytes, '\0');
        return out_.write(std::as_bytes(std::span(padding)));
    }

  private:
    Status write_part(const PlannedTensor& tensor, uint64_t at, uint64_t count) {
        if (tensor.dtype == tensor.source->dtype) {
            return out_.write(tensor.file->bytes.subspan(tensor.source->offset + stored_bytes(tensor.dtype, at),
                                                         stored_bytes(tensor.dtype, count)));
        }
        buffer_.resize(stored_bytes(tensor.dtype, count));
        const uint64_t shares = (count + kShareElements - 1) / kShareElements;
        std::vector<Status> results(shares, ok());
        const auto work = [&](uint64_t share) {
            const uint64_t begin = share * kShareElements;
            results[share] = convert_share(tensor, at + begin, std::min(count - begin, kShareElements),
                                           buffer_.data() + stored_bytes(tensor.dtype, begin));
        };
        {
            std::vector<std::jthread> others;
            for (uint64_t share = 1; share < shares; ++share) {
                others.emplace_back(work, share);
            }
            work(0);
        }
        for (const auto& result : results) {
            GANTRY_CHECK_OK(result);
        }
        return out_.write(buffer_);
    }

    const ConversionPlan& plan_;
    OutputFile& out_;
    const ConversionRun& run_;
    uint64_t threads_;
    uint64_t done_ = 0;
    std::vector<std::byte> buffer_;
};

}  // namespace

Result<ConversionPlan> plan_conversion(const GgufModel& model, const Mixture& mixture, bool requantize) {
    ConversionPlan plan;
    plan.mixture = &mixture;
    plan.model = &model;
    MixtureModel facts;
    facts.layers = integer_key(model.parts.front(), ".block_count");
    facts.experts = integer_key(model.parts.front(), ".expert_count");
    facts.tied = true;
    for (const auto& part : model.parts) {
        facts.tied =
            facts.tied && std::ranges::find(part.tensors, "output.weight", &GgufTensor::name) == part.tensors.end();
    }
    uint64_t offset = 0;
    for (const auto& part : model.parts) {
        for (const auto& source : part.tensors) {
            PlannedTensor tensor{&source, &part, source.dtype, source.nbytes, offset};
            const auto wanted = mixture_type(mixture, facts, source.name, source.shape);
            const auto traits = transformer::type_traits(source.dtype);
            if (wanted && *wanted != source.dtype) {
                if (!traits.dequantizable) {
                    return Error{Code::kUnimplemented, "tensor " + std::string(source.name) + " is of type " +
                                                           std::string(dtype_name(source.dtype)) +
                                                           ", which cannot be decoded"};
                }
                if (traits.block_elements > 1 && !requantize) {
                    return Error{Code::kInvalidArgument,
                                 "tensor " + std::string(source.name) + " is " + std::string(traits.name) +
                                     " already; quantising it again loses more than quantising the original once",
                                 "convert the F16, BF16 or F32 file, or give --requantize"};
                }
                tensor.dtype = *wanted;
                tensor.nbytes = *tensor_bytes(*dtype_traits(*wanted), source.shape);
            }
            offset += aligned(tensor.nbytes);
            plan.source_bytes += source.nbytes;
            plan.bytes += tensor.nbytes;
            plan.tensors.push_back(tensor);
        }
    }
    return plan;
}

Status run_conversion(const ConversionPlan& plan, const std::filesystem::path& target, const ConversionRun& run) {
    const std::string header = header_of(plan);
    GANTRY_TRY(OutputFile out, OutputFile::create(target, run.overwrite));
    std::error_code ec;
    const auto folder = target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
    const auto space = std::filesystem::space(folder, ec);
    if (!ec && space.available < plan.bytes + header.size()) {
        return Error{Code::kResourceExhausted, folder.string() + " has " + std::to_string(space.available) +
                                                   " bytes free, the file needs " +
                                                   std::to_string(plan.bytes + header.size())};
    }
    GANTRY_CHECK_OK(out.write(std::as_bytes(std::span(header))));
    Writer writer(plan, out, run);
    for (const auto& tensor : plan.tensors) {
        GANTRY_CHECK_OK(writer.write(tensor));
    }
    return out.publish();
}

}  // namespace gantry::registry
