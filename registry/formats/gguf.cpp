#include "registry/formats/gguf.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "registry/formats/dtype.hpp"
#include "registry/formats/fault.hpp"
#include "registry/formats/gguf_values.hpp"

namespace gantry::registry {
namespace {

constexpr uint64_t kMaxKeyBytes = 65535;      // the specification's limit
constexpr uint64_t kMaxTensorNameBytes = 64;  // likewise
constexpr uint32_t kMaxRank = 4;              // likewise
constexpr int kMaxArrayDepth = 4;             // no published file nests at all
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

/// Which part of the file is being read. Turned into text only when it is wrong, since arrays have many elements.
struct Field {
    std::string_view part;        ///< "version", "type", "element"
    std::string_view group = {};  ///< "kv" or "tensor"
    uint64_t index = 0;
    std::string_view name = {};  ///< the key or tensor, once known
    std::optional<uint64_t> element = {};

    std::string text() const {
        std::string out;
        if (!group.empty()) {
            out.append(group).append("[").append(std::to_string(index)).append("] ");
        }
        if (!name.empty()) {
            out.append("'").append(printable(name)).append("' ");
        }
        out.append(part);
        if (element) {
            out.append(" ").append(std::to_string(*element));
        }
        return out;
    }
    Field with(std::string_view what, std::optional<uint64_t> i = std::nullopt) const {
        Field f = *this;
        f.part = what;
        f.element = i;
        return f;
    }
};

class Reader {
  public:
    Reader(std::span<const std::byte> bytes, std::string_view origin) : bytes_(bytes), origin_(origin) {}

    uint64_t pos() const { return pos_; }
    uint64_t left() const { return bytes_.size() - pos_; }

    Error fault(const Field& field, uint64_t at, std::string_view problem, Code code = Code::kDataLoss,
                std::string_view hint = {}) const {
        return file_fault(origin_, field.text(), at, problem, code, hint);
    }

    Result<std::span<const std::byte>> take(uint64_t count, const Field& field) {
        if (count > left()) {
            return fault(field, pos_,
                         "needs " + std::to_string(count) + " bytes, the file ends after " + std::to_string(left()));
        }
        const auto out = bytes_.subspan(pos_, count);
        pos_ += count;
        return out;
    }

    template <class T>
    Result<T> number(const Field& field) {
        GANTRY_TRY(const auto raw, take(sizeof(T), field));
        return load_bytes<T>(raw.data());
    }

    Result<std::string_view> string(const Field& field, uint64_t limit) {
        const uint64_t at = pos_;
        GANTRY_TRY(const uint64_t length, number<uint64_t>(field));
        if (length > left()) {
            return fault(field, at,
                         "length " + std::to_string(length) + " exceeds the " + std::to_string(left()) + " bytes left");
        }
        if (length > limit) {
            return fault(field, at,
                         "length " + std::to_string(length) + " is over the limit of " + std::to_string(limit));
        }
        GANTRY_TRY(const auto raw, take(length, field));
        return std::string_view(reinterpret_cast<const char*>(raw.data()), raw.size());
    }

    Result<GgufType> type(const Field& field) {
        const uint64_t at = pos_;
        GANTRY_TRY(const uint32_t number_of_type, number<uint32_t>(field));
        if (number_of_type > static_cast<uint32_t>(GgufType::kFloat64)) {
            return fault(field, at, "unknown value type " + std::to_string(number_of_type));
        }
        return static_cast<GgufType>(number_of_type);
    }

    /// Checks an array's elements and returns where they lie.
    Result<GgufArray> array(const Field& field, int depth) {
        GANTRY_TRY(const GgufType element, type(field.with("array element type")));
        const uint64_t at = pos_;
        GANTRY_TRY(const uint64_t count, number<uint64_t>(field.with("array length")));
        const uint64_t size = fixed_size(element);
        const uint64_t smallest = size != 0 ? size : element == GgufType::kString ? 8 : 12;
        if (!fits(count, smallest, left())) {
            return fault(field.with("array length"), at,
                         std::to_string(count) + " elements of " + std::string(gguf_type_name(element)) +
                             " do not fit in the " + std::to_string(left()) + " bytes left");
        }
        const uint64_t begin = pos_;
        if (size != 0) {
            GANTRY_TRY(const auto raw, take(count * size, field));
            if (element == GgufType::kBool) {
                GANTRY_CHECK_OK(check_bools(raw, begin, field));
            }
        } else if (element == GgufType::kString) {
            for (uint64_t i = 0; i < count; ++i) {
                GANTRY_CHECK_OK(string(field.with("element", i), std::numeric_limits<uint64_t>::max()));
            }
        } else {
            if (depth >= kMaxArrayDepth) {
                return fault(field.with("array element type"), at - 4,
                             "arrays nest deeper than " + std::to_string(kMaxArrayDepth));
            }
            for (uint64_t i = 0; i < count; ++i) {
                GANTRY_CHECK_OK(array(field.with("element", i), depth + 1));
            }
        }
        return GgufArray{element, count, bytes_.subspan(begin, pos_ - begin)};
    }

    Result<GgufValue> value(const Field& field) {
        GgufValue out;
        GANTRY_TRY(out.type, type(field.with("value type")));
        out.offset = pos_;
        if (out.type == GgufType::kString) {
            GANTRY_TRY(out.value, string(field.with("value"), std::numeric_limits<uint64_t>::max()));
        } else if (out.type == GgufType::kArray) {
            GANTRY_TRY(out.value, array(field, 1));
        } else {
            GANTRY_TRY(const auto raw, take(fixed_size(out.type), field.with("value")));
            if (out.type == GgufType::kBool) {
                GANTRY_CHECK_OK(check_bools(raw, out.offset, field.with("value")));
            }
            std::visit([&](auto v) { out.value = v; }, load_scalar(out.type, raw.data()));
        }
        return out;
    }

  private:
    Status check_bools(std::span<const std::byte> raw, uint64_t begin, const Field& field) const {
        const auto bad = std::ranges::find_if(raw, [](std::byte b) { return b > std::byte{1}; });
        if (bad != raw.end()) {
            return fault(field, begin + static_cast<uint64_t>(bad - raw.begin()),
                         "a bool must be 0 or 1, is " + std::to_string(std::to_integer<int>(*bad)));
        }
        return ok();
    }

    std::span<const std::byte> bytes_;
    std::string_view origin_;
    uint64_t pos_ = 0;
};

struct Counts {
    uint64_t tensors = 0;
    uint64_t keys = 0;
};

Status check_version(const Reader& in, uint32_t version) {
    const Field field{"version"};
    if (version == 2 || version == 3) {
        return ok();
    }
    if (version != 0 && (version & 0xFFFF) == 0) {
        return in.fault(field, 4, "the file is big-endian, only little-endian GGUF is supported", Code::kUnimplemented,
                        "fetch the little-endian file or convert it with gguf-py's gguf-convert-endian");
    }
    return in.fault(field, 4, "GGUF version " + std::to_string(version) + ", versions 2 and 3 are supported",
                    version == 1 ? Code::kUnimplemented : Code::kDataLoss,
                    version == 1 ? "convert the model anew" : "");
}

Result<Counts> read_header(Reader& in, GgufFile& out) {
    GANTRY_TRY(const auto magic, in.take(4, Field{"magic"}));
    if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
        return in.fault(Field{"magic"}, 0,
                        "is '" + printable({reinterpret_cast<const char*>(magic.data()), 4}) + "', not 'GGUF'",
                        Code::kDataLoss, "this is not a GGUF file, or its download went wrong");
    }
    GANTRY_TRY(out.version, in.number<uint32_t>(Field{"version"}));
    GANTRY_CHECK_OK(check_version(in, out.version));
    Counts counts;
    GANTRY_TRY(counts.tensors, in.number<uint64_t>(Field{"tensor count"}));
    GANTRY_TRY(counts.keys, in.number<uint64_t>(Field{"key count"}));
    if (!fits(counts.tensors, kMinTensorBytes, in.left())) {
        return in.fault(Field{"tensor count"}, 8,
                        std::to_string(counts.tensors) + " tensors cannot be described in the " +
                            std::to_string(in.left()) + " bytes left");
    }
    if (!fits(counts.keys, kMinKeyBytes, in.left())) {
        return in.fault(
            Field{"key count"}, 16,
            std::to_string(counts.keys) + " keys do not fit in the " + std::to_string(in.left()) + " bytes left");
    }
    return counts;
}

Status read_keys(Reader& in, uint64_t count, GgufFile& out) {
    for (uint64_t i = 0; i < count; ++i) {
        Field field{"key", "kv", i};
        const uint64_t at = in.pos();
        GANTRY_TRY(field.name, in.string(field, kMaxKeyBytes));
        if (field.name.empty()) {
            return in.fault(field, at, "is empty");
        }
        if (out.keys.contains(field.name)) {
            return in.fault(field, at, "occurs twice");
        }
        GANTRY_TRY(auto value, in.value(field));
        out.keys.emplace(field.name, std::move(value));
    }
    return ok();
}

Status read_alignment(const Reader& in, GgufFile& out) {
    const auto* entry = out.find("general.alignment");
    if (entry == nullptr) {
        return ok();
    }
    const Field field{"'general.alignment' value"};
    const auto* value = std::get_if<uint64_t>(&entry->value);
    if (value == nullptr) {
        return in.fault(field, entry->offset,
                        "must be an unsigned integer, is of type " + std::string(gguf_type_name(entry->type)));
    }
    if (*value < 8 || !std::has_single_bit(*value) || *value > (uint64_t{1} << 31)) {
        return in.fault(field, entry->offset, std::to_string(*value) + " is not a power of two of at least 8");
    }
    out.alignment = *value;
    return ok();
}

Status read_dimensions(Reader& in, const Field& field, GgufTensor& out) {
    const uint64_t at = in.pos();
    GANTRY_TRY(const uint32_t rank, in.number<uint32_t>(field.with("rank")));
    if (rank == 0 || rank > kMaxRank) {
        return in.fault(field.with("rank"), at, std::to_string(rank) + " dimensions, 1 to 4 are possible");
    }
    for (uint32_t i = 0; i < rank; ++i) {
        const uint64_t dim_at = in.pos();
        GANTRY_TRY(const uint64_t dim, in.number<uint64_t>(field.with("dimension", i)));
        if (dim == 0 || dim > uint64_t{std::numeric_limits<int64_t>::max()}) {
            return in.fault(field.with("dimension", i), dim_at, std::to_string(dim) + " is not a possible size");
        }
        out.shape.push_back(dim);
    }
    std::ranges::reverse(out.shape);
    return ok();
}

Result<GgufTensor> read_tensor_info(Reader& in, uint64_t index) {
    Field field{"name", "tensor", index};
    GgufTensor out;
    out.info_offset = in.pos();
    GANTRY_TRY(out.name, in.string(field, kMaxTensorNameBytes));
    field.name = out.name;
    if (out.name.empty()) {
        return in.fault(field, out.info_offset, "is empty");
    }
    GANTRY_CHECK_OK(read_dimensions(in, field, out));
    const uint64_t type_at = in.pos();
    GANTRY_TRY(const uint32_t type, in.number<uint32_t>(field.with("type")));
    const auto* traits = type < 1000 ? dtype_traits(static_cast<int32_t>(type)) : nullptr;
    if (traits == nullptr) {
        return in.fault(field.with("type"), type_at, "unknown tensor type " + std::to_string(type));
    }
    out.dtype = traits->id;
    if (!element_count(out.shape)) {
        return in.fault(field.with("dimension", 0), type_at - 8 * out.shape.size(),
                        "the dimensions' product overflows");
    }
    const auto nbytes = tensor_bytes(*traits, out.shape);
    if (!nbytes) {
        return in.fault(field.with("dimension", 0), type_at - 8 * out.shape.size(),
                        "rows of " + std::to_string(out.shape.back()) + " elements are not whole blocks of " +
                            std::to_string(traits->block_elements) + " (" + std::string(traits->name) + ")");
    }
    out.nbytes = *nbytes;
    GANTRY_TRY(out.offset, in.number<uint64_t>(field.with("offset")));
    return out;
}

/// Makes the offsets absolute and checks them against the file's end and each other.
Status place_tensors(const Reader& in, GgufFile& file) {
    const uint64_t data = (in.pos() + file.alignment - 1) / file.alignment * file.alignment;
    const uint64_t room = data < file.bytes.size() ? file.bytes.size() - data : 0;
    std::vector<size_t> order;
    for (size_t i = 0; i < file.tensors.size(); ++i) {
        auto& t = file.tensors[i];
        const Field field{"offset", "tensor", i, t.name};
        const uint64_t at = t.info_offset + 8 + t.name.size() + 4 + 8 * t.shape.size() + 4;
        if (t.offset % file.alignment != 0) {
            return in.fault(
                field, at,
                std::to_string(t.offset) + " is not a multiple of the alignment " + std::to_string(file.alignment));
        }
        if (t.offset > room || t.nbytes > room - t.offset) {
            return in.fault(field, at,
                            std::to_string(t.nbytes) + " bytes at " + std::to_string(t.offset) +
                                " reach past the end of the tensor data, which has " + std::to_string(room) + " bytes");
        }
        t.offset += data;
        order.push_back(i);
    }
    std::ranges::sort(order, {}, [&](size_t i) { return file.tensors[i].offset; });
    for (size_t k = 1; k < order.size(); ++k) {
        const auto& before = file.tensors[order[k - 1]];
        const auto& t = file.tensors[order[k]];
        if (before.offset + before.nbytes > t.offset) {
            return in.fault(Field{"offset", "tensor", order[k], t.name},
                            t.info_offset + 8 + t.name.size() + 4 + 8 * t.shape.size() + 4,
                            "overlaps the data of '" + printable(before.name) + "'");
        }
    }
    return ok();
}

}  // namespace

const GgufValue* GgufFile::find(std::string_view key) const {
    const auto it = keys.find(key);
    return it == keys.end() ? nullptr : &it->second;
}

Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string_view origin) {
    GgufFile out;
    out.origin = origin;
    out.bytes = bytes;
    Reader in(bytes, origin);
    GANTRY_TRY(const Counts counts, read_header(in, out));
    GANTRY_CHECK_OK(read_keys(in, counts.keys, out));
    GANTRY_CHECK_OK(read_alignment(in, out));
    std::set<std::string_view> names;
    for (uint64_t i = 0; i < counts.tensors; ++i) {
        GANTRY_TRY(auto tensor, read_tensor_info(in, i));
        if (!names.insert(tensor.name).second) {
            return in.fault(Field{"name", "tensor", i, tensor.name}, tensor.info_offset, "occurs twice");
        }
        out.tensors.push_back(std::move(tensor));
    }
    GANTRY_CHECK_OK(place_tensors(in, out));
    return out;
}

}  // namespace gantry::registry
