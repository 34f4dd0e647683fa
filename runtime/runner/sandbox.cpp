#include "runtime/runner/sandbox.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace gantry::runner {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr uint64_t kReadTree = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kDevices = kReadTree | LANDLOCK_ACCESS_FS_WRITE_FILE;
constexpr uint64_t kWriteTree =
    kReadTree | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
/// Everything that Landlock's first version knows; what is handled and not allowed is refused.
constexpr uint64_t kHandled = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

/// Dynamic libraries, name services, CPU and GPU descriptions. Absent ones are passed over.
constexpr std::array kSystemPaths{"/usr", "/lib", "/lib64", "/etc", "/opt", "/proc", "/sys"};

/// A file descriptor that closes itself.
class Fd {
  public:
    explicit Fd(int fd) : fd_(fd) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

void allow(int ruleset, const fs::path& path, uint64_t access) {
    const Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat st {};
    if (fd.get() < 0 || ::fstat(fd.get(), &st) != 0) {
        return;
    }
    landlock_path_beneath_attr rule{};
    rule.allowed_access = S_ISDIR(st.st_mode) ? access : access & ~uint64_t{LANDLOCK_ACCESS_FS_READ_DIR};
    rule.parent_fd = fd.get();
    ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

bool restrict_files(const std::vector<fs::path>& read_paths, const fs::path& write_path) {
    landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = kHandled;
    const Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    if (ruleset.get() < 0) {
        return false;
    }
    for (const char* path : kSystemPaths) {
        allow(ruleset.get(), path, kReadTree);
    }
    allow(ruleset.get(), "/dev", kDevices);
    for (const fs::path& path : read_paths) {
        allow(ruleset.get(), path, kReadTree);
    }
    if (!write_path.empty()) {
        allow(ruleset.get(), write_path, kWriteTree);
    }
    return ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0;
}

#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArch = 0;
#endif

/// socket() of the internet families answers EACCES; everything else passes. Unix sockets and netlink (which GPU
/// drivers use) stay.
bool refuse_internet() {
    if (kArch == 0) {
        return false;
    }
    constexpr auto load = BPF_LD | BPF_W | BPF_ABS;
    constexpr auto equal = BPF_JMP | BPF_JEQ | BPF_K;
    // The family is the low half of the first argument.
    constexpr uint32_t family = offsetof(seccomp_data, args);
    std::array<sock_filter, 9> program{{
        BPF_STMT(load, offsetof(seccomp_data, arch)),
        BPF_JUMP(equal, kArch, 0, 5),
        BPF_STMT(load, offsetof(seccomp_data, nr)),
        BPF_JUMP(equal, SYS_socket, 0, 3),
        BPF_STMT(load, family),
        BPF_JUMP(equal, AF_INET, 2, 0),
        BPF_JUMP(equal, AF_INET6, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
    }};
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

std::string SandboxReport::text() const {
    std::string out = privileges ? "no new privileges" : "privileges unrestricted";
    out += files ? ", files by Landlock" : ", files unrestricted (this kernel has no Landlock)";
    out += network ? ", no network" : ", network unrestricted (this kernel has no seccomp)";
    return out;
}

SandboxReport enter_sandbox(const std::vector<fs::path>& read_paths, const fs::path& write_path) {
    SandboxReport report;
    report.privileges = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (report.privileges) {
        report.files = restrict_files(read_paths, write_path);
        report.network = refuse_internet();
    }
    return report;
}

std::vector<fs::path> model_read_paths(const fs::path& path) {
    std::error_code ec;
    const fs::path folder = fs::is_directory(path, ec) ? path : path.parent_path();
    std::vector<fs::path> out{folder};
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        std::error_code broken_link;
        if (it->is_symlink(broken_link)) {
            const fs::path target = fs::canonical(it->path(), broken_link);
            if (!broken_link) {
                out.push_back(target);
            }
        }
    }
    return out;
}

}  // namespace gantry::runner
