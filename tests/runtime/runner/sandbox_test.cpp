#include "runtime/runner/sandbox.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace gantry::runner {
namespace {

namespace fs = std::filesystem;

/// What a process in the sandbox may do, as bits.
enum Allowed { kReadsModel = 1, kReadsOther = 2, kWritesModel = 4, kInternet = 8, kUnixSocket = 16, kLibraries = 32 };

bool opens(const fs::path& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    return fd >= 0 && ::close(fd) == 0;
}

int try_everything(const fs::path& model, const fs::path& other) {
    int out = 0;
    out |= opens(model / "weights", O_RDONLY) ? kReadsModel : 0;
    out |= opens(other / "secret", O_RDONLY) ? kReadsOther : 0;
    out |= opens(model / "new", O_WRONLY | O_CREAT) ? kWritesModel : 0;
    out |= ::socket(AF_INET, SOCK_STREAM, 0) >= 0 || ::socket(AF_INET6, SOCK_DGRAM, 0) >= 0 ? kInternet : 0;
    out |= ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? kUnixSocket : 0;
    out |= opens("/usr", O_RDONLY | O_DIRECTORY) ? kLibraries : 0;
    return out;
}

/// A temporary folder, removed with this.
struct Folder {
    Folder() {
        std::string name = (fs::temp_directory_path() / "gantry-sandbox-XXXXXX").string();
        path = fs::canonical(::mkdtemp(name.data()));
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path); }
    fs::path path;
};

TEST(Sandbox, LeavesOnlyWhatAModelNeeds) {
    const Folder dir;
    for (const char* folder : {"model", "other"}) {
        fs::create_directory(dir.path / folder);
    }
    std::ofstream(dir.path / "model/weights") << "x";
    std::ofstream(dir.path / "other/secret") << "x";
    const pid_t pid = ::fork();
    if (pid == 0) {
        const SandboxReport report = enter_sandbox({dir.path / "model"});
        int expected = kReadsModel | kUnixSocket | kLibraries;
        expected |= report.files ? 0 : kReadsOther | kWritesModel;  // an old kernel; the log says so
        expected |= report.network ? 0 : kInternet;
        ::_exit(report.privileges && try_everything(dir.path / "model", dir.path / "other") == expected ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Sandbox, FollowsTheLinksOfAModelFolder) {
    const Folder dir;
    fs::create_directories(dir.path / "snapshot");
    fs::create_directories(dir.path / "blobs");
    std::ofstream(dir.path / "blobs/abc") << "x";
    fs::create_symlink("../blobs/abc", dir.path / "snapshot/model.safetensors");
    fs::create_symlink("nowhere", dir.path / "snapshot/broken");
    const auto paths = model_read_paths(dir.path / "snapshot");
    ASSERT_EQ(paths.size(), 2u);
    EXPECT_EQ(paths[0], dir.path / "snapshot");
    EXPECT_EQ(paths[1], dir.path / "blobs/abc");
    EXPECT_EQ(model_read_paths(dir.path / "snapshot/model.safetensors")[0], dir.path / "snapshot");
}

TEST(Sandbox, SaysWhatItDid) {
    EXPECT_EQ((SandboxReport{true, true, true}).text(), "no new privileges, files by Landlock, no network");
    EXPECT_NE((SandboxReport{true, false, true}).text().find("no Landlock"), std::string::npos);
}

}  // namespace
}  // namespace gantry::runner
