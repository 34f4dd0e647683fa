#pragma once

/// Writes GGUF images field by field and remembers where each field lies, so that tests can damage exactly one.

#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "registry/formats/gguf.hpp"

namespace gantry::registry::testing {

class GgufBuilder {
  public:
    struct Tensor {
        std::string name;
        std::vector<uint64_t> ne;  ///< in the file's order
        uint32_t type = 0;
        uint64_t nbytes = 0;
        std::string data = {};  ///< empty: zeros
    };

    explicit GgufBuilder(uint32_t version = 3) : version_(version) {}

    GgufBuilder& text(const std::string& key, const std::string& value) {
        return kv(key, GgufType::kString, string_bytes(value));
    }
    template <class T>
    GgufBuilder& number(const std::string& key, GgufType type, T value) {
        return kv(key, type, bytes_of(value));
    }
    GgufBuilder& u32(const std::string& key, uint32_t value) { return number(key, GgufType::kUint32, value); }
    GgufBuilder& f32(const std::string& key, float value) { return number(key, GgufType::kFloat32, value); }
    GgufBuilder& texts(const std::string& key, const std::vector<std::string>& values) {
        std::string body;
        for (const auto& v : values) {
            body += string_bytes(v);
        }
        return array(key, GgufType::kString, values.size(), body);
    }
    /// `body`: the elements as stored.
    GgufBuilder& array(const std::string& key, GgufType element, uint64_t count, const std::string& body) {
        return kv(key, GgufType::kArray, bytes_of(static_cast<uint32_t>(element)) + bytes_of(count) + body);
    }
    GgufBuilder& kv(const std::string& key, GgufType type, const std::string& value) {
        keys_.push_back({key, static_cast<uint32_t>(type), value});
        return *this;
    }
    GgufBuilder& tensor(Tensor t) {
        tensors_.push_back(std::move(t));
        return *this;
    }
    GgufBuilder& alignment(uint64_t bytes) {
        alignment_ = bytes;
        return *this;
    }

    /// The image. Fields are then known as "magic", "version", "tensors", "keys", "KEY/key", "KEY/type", "KEY/value",
    /// "TENSOR/name", "TENSOR/rank", "TENSOR/dim0", "TENSOR/type", "TENSOR/offset", "data".
    std::string build() {
        out_.clear();
        mark("magic", "GGUF");
        mark("version", bytes_of(version_));
        mark("tensors", bytes_of(uint64_t{tensors_.size()}));
        mark("keys", bytes_of(uint64_t{keys_.size()}));
        for (const auto& k : keys_) {
            mark(k.name + "/key", string_bytes(k.name));
            mark(k.name + "/type", bytes_of(k.type));
            mark(k.name + "/value", k.value);
        }
        uint64_t offset = 0;
        for (const auto& t : tensors_) {
            mark(t.name + "/name", string_bytes(t.name));
            mark(t.name + "/rank", bytes_of(static_cast<uint32_t>(t.ne.size())));
            for (size_t i = 0; i < t.ne.size(); ++i) {
                mark(t.name + "/dim" + std::to_string(i), bytes_of(t.ne[i]));
            }
            mark(t.name + "/type", bytes_of(t.type));
            mark(t.name + "/offset", bytes_of(offset));
            offset += (t.nbytes + alignment_ - 1) / alignment_ * alignment_;
        }
        if (!tensors_.empty()) {
            out_.resize((out_.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
        }
        std::string data;
        for (const auto& t : tensors_) {
            data += t.data;
            data.resize(data.size() + (t.nbytes + alignment_ - 1) / alignment_ * alignment_ - t.data.size(), '\0');
        }
        mark("data", data);
        return out_;
    }

    /// Byte position of a field of the last build().
    uint64_t at(const std::string& field) const {
        const auto it = offsets_.find(field);
        if (it == offsets_.end()) {
            throw std::out_of_range(field);
        }
        return it->second;
    }

    template <class T>
    static std::string bytes_of(T value) {
        static_assert(std::is_trivially_copyable_v<T>);
        std::string out(sizeof value, '\0');
        std::memcpy(out.data(), &value, sizeof value);
        return out;
    }
    static std::string string_bytes(const std::string& s) { return bytes_of(uint64_t{s.size()}) + s; }

  private:
    struct Key {
        std::string name;
        uint32_t type;
        std::string value;
    };
    void mark(const std::string& field, const std::string& bytes) {
        offsets_[field] = out_.size();
        out_ += bytes;
    }

    uint32_t version_;
    uint64_t alignment_ = 32;
    std::vector<Key> keys_;
    std::vector<Tensor> tensors_;
    std::string out_;
    std::map<std::string, uint64_t> offsets_;
};

inline std::span<const std::byte> as_bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

/// Overwrites bytes of an image.
template <class T>
void poke(std::string& image, uint64_t at, T value) {
    std::memcpy(image.data() + at, &value, sizeof value);
}

}  // namespace gantry::registry::testing
