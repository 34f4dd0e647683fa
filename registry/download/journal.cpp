#include "registry/download/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace gantry::download {
namespace {

constexpr std::string_view kHead = "gantry-download-1";
constexpr size_t kMaxSegments = 1024;

}  // namespace

uint64_t Journal::done() const {
    uint64_t sum = 0;
    for (const Segment& segment : segments) {
        sum += segment.done;
    }
    return sum;
}

Journal Journal::fresh(uint64_t size, std::string identity, uint32_t parts, uint64_t least) {
    Journal out{size, std::move(identity), {}};
    const uint64_t count = std::clamp<uint64_t>(size / least, 1, std::max(parts, 1U));
    for (uint64_t i = 0; i < count; ++i) {
        out.segments.push_back({size / count * i, i + 1 == count ? size : size / count * (i + 1), 0});
    }
    return out;
}

Result<Journal> Journal::read(const std::filesystem::path& path) {
    std::ifstream in(path);
    if (!in) {
        return Error{Code::kNotFound, "there is no " + path.string()};
    }
    const Error damaged{Code::kDataLoss, path.string() + " is damaged"};
    Journal out;
    std::string head, mark;
    size_t count = 0;
    in >> head >> out.size >> out.identity >> count;
    if (!in || head != kHead || count == 0 || count > kMaxSegments) {
        return damaged;
    }
    uint64_t at = 0;
    for (size_t i = 0; i < count; ++i) {
        Segment s;
        in >> s.begin >> s.end >> s.done;
        if (!in || s.begin != at || s.end < s.begin || s.done > s.end - s.begin) {
            return damaged;
        }
        at = s.end;
        out.segments.push_back(s);
    }
    in >> mark;
    return at == out.size && mark == "end" ? Result<Journal>(std::move(out)) : damaged;
}

Status Journal::write(const std::filesystem::path& path) const {
    std::ostringstream text;
    text << kHead << " " << size << " " << identity << " " << segments.size() << "\n";
    for (const Segment& s : segments) {
        text << s.begin << " " << s.end << " " << s.done << "\n";
    }
    text << "end\n";
    const std::string bytes = text.str();
    const std::filesystem::path fresh = path.string() + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                ::fdatasync(fd) == 0;
    const int why = errno;
    if (fd >= 0) {
        ::close(fd);
    }
    good = good && ::rename(fresh.c_str(), path.c_str()) == 0;
    if (!good) {
        std::error_code ignored;
        std::filesystem::remove(fresh, ignored);
        return Error{Code::kResourceExhausted, "cannot write " + path.string() + ": " + std::strerror(why),
                     "is there space left?"};
    }
    return ok();
}

}  // namespace gantry::download
