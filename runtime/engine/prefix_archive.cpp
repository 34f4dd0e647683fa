#include "runtime/engine/prefix_archive.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <limits>
#include <system_error>
#include <utility>

namespace gantry::engine {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "archives are little-endian");

constexpr std::array<char, 8> kMagic{'G', 'A', 'N', 'T', 'R', 'Y', 'K', 'V'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kMaxIdentity = 4096;

struct Header {
    std::array<char, 8> magic;
    uint32_t version;
    uint32_t block_size;
    uint64_t block_bytes;
    uint64_t block_count;
    uint32_t identity_length;
    uint32_t unused;
};

/// Eight bytes at a time; a rest is padded with zeros.
class Checksum {
  public:
    void add(const void* data, size_t size) {
        const auto* bytes = static_cast<const unsigned char*>(data);
        for (; size > 0; bytes += std::min<size_t>(size, 8), size -= std::min<size_t>(size, 8)) {
            uint64_t word = 0;
            std::memcpy(&word, bytes, std::min<size_t>(size, 8));
            sum_ = std::rotl((sum_ ^ word) * 0x9e3779b97f4a7c15u, 31);
        }
    }
    uint64_t value() const { return sum_; }

  private:
    uint64_t sum_ = 0x243f6a8885a308d3u;
};

class Writer {
  public:
    explicit Writer(const fs::path& path) : out_(path, std::ios::binary | std::ios::trunc) {}
    void write(const void* data, size_t size) {
        checksum_.add(data, size);
        out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    }
    bool finish() {
        const uint64_t sum = checksum_.value();
        out_.write(reinterpret_cast<const char*>(&sum), sizeof(sum));
        out_.close();
        return !out_.fail();
    }

  private:
    std::ofstream out_;
    Checksum checksum_;
};

Error damaged(const fs::path& path, const std::string& what) {
    return {Code::kDataLoss, "the saved text " + path.filename().string() + " " + what, "save it again"};
}

}  // namespace

Status write_archive(const PrefixArchive& archive, const fs::path& path) {
    const fs::path part = path.string() + ".part";
    const Header header{kMagic,
                        kVersion,
                        archive.block_size,
                        archive.block_bytes,
                        archive.block_count(),
                        static_cast<uint32_t>(archive.identity.size()),
                        0};
    Writer out(part);
    out.write(&header, sizeof(header));
    out.write(archive.identity.data(), archive.identity.size());
    out.write(archive.tokens.data(), archive.tokens.size() * sizeof(int32_t));
    out.write(archive.blocks.data(), archive.blocks.size());
    std::error_code ec;
    if (out.finish()) {
        fs::rename(part, path, ec);
        if (!ec) {
            return ok();
        }
    }
    std::error_code ignored;
    fs::remove(part, ignored);
    return Error{Code::kUnavailable, "cannot write " + path.filename().string() + (ec ? ": " + ec.message() : ""),
                 "there may be no room on the disk"};
}

Result<PrefixArchive> read_archive(const fs::path& path) {
    std::error_code ec;
    const uint64_t size = fs::file_size(path, ec);
    std::ifstream in(path, std::ios::binary);
    if (ec || !in) {
        return Error{Code::kNotFound, "there is no saved text " + path.filename().string()};
    }
    Checksum checksum;
    const auto read = [&](void* data, size_t bytes) {
        in.read(static_cast<char*>(data), static_cast<std::streamsize>(bytes));
        checksum.add(data, bytes);
        return static_cast<bool>(in);
    };
    Header header{};
    if (!read(&header, sizeof(header)) || header.magic != kMagic) {
        return damaged(path, "is not one");
    }
    if (header.version != kVersion) {
        return damaged(path, "has the form " + std::to_string(header.version) + ", which this version does not read");
    }
    // Sizes are checked against the file's before anything is allocated.
    const uint64_t fixed = sizeof(header) + header.identity_length + sizeof(uint64_t);
    const uint64_t each = uint64_t{header.block_size} * sizeof(int32_t) + header.block_bytes;
    const bool sane = header.identity_length <= kMaxIdentity && header.block_size > 0 && header.block_bytes <= size &&
                      header.block_count <= size / each && fixed + header.block_count * each == size;
    if (!sane) {
        return damaged(path, "is cut short or damaged");
    }
    PrefixArchive out;
    out.identity.resize(header.identity_length);
    out.block_size = header.block_size;
    out.block_bytes = header.block_bytes;
    out.tokens.resize(header.block_count * header.block_size);
    out.blocks.resize(header.block_count * header.block_bytes);
    const bool whole = read(out.identity.data(), out.identity.size()) &&
                       read(out.tokens.data(), out.tokens.size() * sizeof(int32_t)) &&
                       read(out.blocks.data(), out.blocks.size());
    const uint64_t expected = checksum.value();
    uint64_t sum = 0;
    if (!whole || !in.read(reinterpret_cast<char*>(&sum), sizeof(sum)) || sum != expected) {
        return damaged(path, "is damaged");
    }
    return out;
}

}  // namespace gantry::engine
