#include "registry/formats/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>

#include "registry/formats/dtype.hpp"
#include "registry/formats/fault.hpp"
#include "registry/formats/folder.hpp"
#include "registry/formats/json_cursor.hpp"
#include "registry/formats/json_file.hpp"

namespace gantry::registry {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference library's limit
constexpr uint64_t kMaxRank = 8;                   // GANTRY_MAX_RANK

/// Reads the JSON header of one file.
class HeaderReader {
  public:
    HeaderReader(SafetensorsFile& out, std::string_view header) : out_(out), json_(header, out.origin, 8) {
        data_ = 8 + header.size();
        room_ = out.bytes.size() - data_;
    }

    Status read() {
        GANTRY_CHECK_OK(json_.object("header", [this](const std::string& name, uint64_t at) {
            return name == "__metadata__" ? read_metadata() : read_tensor(name, at);
        }));
        return json_.end("header");
    }

  private:
    Status read_metadata() {
        return json_.object("__metadata__", [this](const std::string& key, uint64_t) -> Status {
            GANTRY_TRY(out_.metadata[key], json_.string("__metadata__ '" + printable(key) + "'"));
            return ok();
        });
    }

    Status read_tensor(const std::string& name, uint64_t at) {
        SafetensorsTensor t;
        t.name = name;
        t.info_offset = at;
        const std::string label = "tensor " + in_quotes(name);
        std::optional<std::string> dtype;
        std::optional<std::array<uint64_t, 2>> range;
        bool has_shape = false;
        uint64_t dtype_at = 0;
        uint64_t range_at = 0;
        GANTRY_CHECK_OK(json_.object(label, [&](const std::string& key, uint64_t) -> Status {
            const std::string field = label + " " + printable(key);
            if (key == "dtype") {
                dtype_at = json_.offset();
                GANTRY_TRY(dtype, json_.string(field));
                return ok();
            }
            if (key == "shape") {
                has_shape = true;
                return read_shape(field, t.shape);
            }
            if (key == "data_offsets") {
                range_at = json_.offset();
                range.emplace();
                return read_range(field, *range);
            }
            return json_.fault(field, json_.offset(), "unknown key");
        }));
        if (!dtype || !has_shape || !range) {
            return json_.fault(label, at,
                               std::string(!dtype       ? "dtype"
                                           : !has_shape ? "shape"
                                                        : "data_offsets") +
                                   " is missing");
        }
        GANTRY_CHECK_OK(place(label, *dtype, dtype_at, *range, range_at, t));
        out_.tensors.push_back(std::move(t));
        return ok();
    }

    Status read_shape(const std::string& field, std::vector<uint64_t>& shape) {
        return json_.array(field, [&](uint64_t i) -> Status {
            if (i >= kMaxRank) {
                return json_.fault(field, json_.offset(), "more than " + std::to_string(kMaxRank) + " dimensions");
            }
            GANTRY_TRY(const uint64_t dim, json_.integer(field));
            shape.push_back(dim);
            return ok();
        });
    }

    Status read_range(const std::string& field, std::array<uint64_t, 2>& range) {
        uint64_t count = 0;
        const uint64_t at = json_.offset();
        GANTRY_CHECK_OK(json_.array(field, [&](uint64_t i) -> Status {
            GANTRY_TRY(const uint64_t value, json_.integer(field));
            if (i < 2) {
                range[i] = value;
            }
            ++count;
            return ok();
        }));
        if (count != 2) {
            return json_.fault(field, at, "has " + std::to_string(count) + " numbers, must have 2");
        }
        return ok();
    }

    Status place(const std::string& label, const std::string& dtype, uint64_t dtype_at,
                 const std::array<uint64_t, 2>& range, uint64_t range_at, SafetensorsTensor& t) {
        const auto* traits = dtype_from_safetensors(dtype);
        if (traits == nullptr) {
            return file_fault(out_.origin, label + " dtype", dtype_at,
                              "type '" + printable(dtype) + "' is not supported", Code::kUnimplemented,
                              "use the model's BF16 or F16 files, or a GGUF");
        }
        t.dtype = traits->id;
        const auto nbytes = tensor_bytes(*traits, t.shape);
        if (!nbytes) {
            return json_.fault(label + " shape", t.info_offset, "the dimensions' product overflows");
        }
        const std::string field = label + " data_offsets";
        const auto [begin, end] = range;
        if (begin > end || end > room_) {
            return json_.fault(field, range_at,
                               "[" + std::to_string(begin) + ", " + std::to_string(end) + ") is not within the " +
                                   std::to_string(room_) + " bytes of tensor data");
        }
        if (end - begin != *nbytes) {
            return json_.fault(
                field, range_at,
                "spans " + std::to_string(end - begin) + " bytes, type and shape need " + std::to_string(*nbytes));
        }
        t.offset = data_ + begin;
        t.nbytes = *nbytes;
        if (t.offset % traits->block_bytes != 0) {
            return file_fault(out_.origin, field, range_at,
                              "the data is not aligned to its type (" + std::string(traits->name) + ")",
                              Code::kUnimplemented, "save the file again with a current safetensors library");
        }
        return ok();
    }

    SafetensorsFile& out_;
    JsonCursor json_;
    uint64_t data_ = 0;
    uint64_t room_ = 0;
};

/// The data must be covered without overlap or gap.
Status check_coverage(SafetensorsFile& file, uint64_t data) {
    std::ranges::sort(file.tensors, {}, [](const auto& t) { return std::pair(t.offset, t.nbytes); });
    uint64_t expected = data;
    for (const auto& t : file.tensors) {
        if (t.offset != expected) {
            return file_fault(file.origin, "tensor " + in_quotes(t.name) + " data_offsets", t.info_offset,
                              t.offset < expected
                                  ? "overlaps another tensor's data"
                                  : std::to_string(t.offset - expected) + " bytes before it belong to no tensor");
        }
        expected = t.offset + t.nbytes;
    }
    if (expected != file.bytes.size()) {
        return file_fault(file.origin, "tensor data", expected,
                          std::to_string(file.bytes.size() - expected) + " bytes at the end belong to no tensor");
    }
    return ok();
}

Status add_file(const std::filesystem::path& path, SafetensorsModel& model) {
    GANTRY_TRY(auto mapped, MappedFile::open(path));
    auto file = std::make_shared<const MappedFile>(std::move(mapped));
    GANTRY_TRY(auto parsed, parse_safetensors(file->bytes(), path.string()));
    model.parts.push_back(std::move(parsed));
    model.paths.push_back(path);
    model.files.push_back(std::move(file));
    return ok();
}

/// weight_map: tensor → shard. The names of shards come from the file, so they must stay in the folder.
Result<std::map<std::string, std::string>> read_weight_map(const JsonFile& index) {
    const auto* weight_map = index.find("weight_map");
    if (weight_map == nullptr || !weight_map->is_object()) {
        return index.fault("weight_map", weight_map == nullptr ? "is missing" : "must be an object");
    }
    std::map<std::string, std::string> out;
    for (const auto& [tensor, shard] : weight_map->get_object()) {
        if (!shard.is_string()) {
            return index.fault("weight_map", "'" + printable(tensor) + "' must name a file");
        }
        const std::string name(shard.get_string());
        if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos ||
            name.starts_with("..") || !name.ends_with(".safetensors")) {
            return index.fault("weight_map", "'" + printable(name) + "' is not the name of a shard in this folder");
        }
        out.emplace(tensor, name);
    }
    return out;
}

Result<SafetensorsModel> open_sharded(const std::filesystem::path& folder, const JsonFile& index) {
    GANTRY_TRY(const auto weight_map, read_weight_map(index));
    std::map<std::string, std::set<std::string_view>> shards;
    for (const auto& [tensor, shard] : weight_map) {
        shards[shard].insert(tensor);
    }
    SafetensorsModel model;
    std::set<std::string> seen;
    for (auto& [shard, expected] : shards) {
        const auto path = folder / shard;
        if (!std::filesystem::exists(path)) {
            return index.fault("weight_map", "shard " + printable(shard) + " is missing", Code::kDataLoss,
                               "the download is incomplete; fetch the missing file");
        }
        GANTRY_CHECK_OK(add_file(path, model));
        for (const auto& t : model.parts.back().tensors) {
            expected.erase(t.name);
            if (!seen.insert(t.name).second) {
                return file_fault(path.string(), "tensor " + in_quotes(t.name), t.info_offset,
                                  "occurs in another shard too");
            }
        }
        if (!expected.empty()) {
            return index.fault("weight_map",
                               "tensor " + in_quotes(*expected.begin()) + " is not in " + printable(shard));
        }
    }
    if (model.parts.empty()) {
        return index.fault("weight_map", "names no tensor");
    }
    return model;
}

}  // namespace

Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, std::string_view origin) {
    SafetensorsFile out;
    out.origin = origin;
    out.bytes = bytes;
    uint64_t length = 0;
    if (bytes.size() < sizeof length) {
        return file_fault(origin, "header length", 0,
                          "needs 8 bytes, the file ends after " + std::to_string(bytes.size()));
    }
    std::memcpy(&length, bytes.data(), sizeof length);
    if (length > bytes.size() - 8 || length < 2) {
        return file_fault(
            origin, "header length", 0,
            std::to_string(length) + " bytes do not fit in the " + std::to_string(bytes.size() - 8) + " that follow");
    }
    if (length > kMaxHeaderBytes) {
        return file_fault(origin, "header length", 0,
                          std::to_string(length) + " bytes are over the limit of " + std::to_string(kMaxHeaderBytes));
    }
    const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + 8, length);
    GANTRY_CHECK_OK(HeaderReader(out, header).read());
    GANTRY_CHECK_OK(check_coverage(out, 8 + length));
    return out;
}

Result<SafetensorsModel> open_safetensors(const std::filesystem::path& folder) {
    GANTRY_TRY(const auto index, read_json_file(folder / "model.safetensors.index.json"));
    if (index) {
        return open_sharded(folder, *index);
    }
    std::filesystem::path single = folder / "model.safetensors";
    if (!std::filesystem::exists(single)) {
        auto found = entries_of(folder);
        std::erase_if(found, [](const auto& path) { return path.extension() != ".safetensors"; });
        if (found.size() != 1) {
            return Error{Code::kNotFound,
                         folder.string() + " has " + (found.empty() ? "no" : "several") +
                             " .safetensors files and neither model.safetensors nor model.safetensors.index.json",
                         "check that all of the model's files were fetched"};
        }
        single = found.front();
    }
    SafetensorsModel model;
    GANTRY_CHECK_OK(add_file(single, model));
    return model;
}

}  // namespace gantry::registry
