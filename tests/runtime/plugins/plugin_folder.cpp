#include "tests/runtime/plugins/plugin_folder.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <stdexcept>
#include <vector>

namespace gantry::plugins::testing {
namespace fs = std::filesystem;

TempDir::TempDir() {
    std::string name = (fs::temp_directory_path() / "gantry-plugins-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error("mkdtemp failed for " + name);
    }
    path_ = name;
}

TempDir::~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string good_toml(const std::string& id, const std::string& library) {
    return "[plugin]\nid = \"" + id + "\"\nversion = \"1.2.3\"\ndescription = \"a test's plugin\"\n" +
           "licence = \"Apache-2.0\"\nlibrary = \"" + library + "\"\nabi_min = \"0.9\"\nabi_max = \"0.9\"\n";
}

void write_file(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

fs::path add_plugin(const fs::path& dir, const std::string& variant, const std::string& id) {
    const fs::path folder = dir / id;
    fs::create_directories(folder);
    fs::copy_file(GANTRY_BUILD_DIR "/tests/plugins/" + variant + ".gantry.so", folder / "tiny.gantry.so",
                  fs::copy_options::overwrite_existing);
    write_file(folder / "plugin.toml", good_toml(id, "tiny.gantry.so"));
    return folder;
}

PluginFile only_plugin(const fs::path& dir) {
    const auto files = discover({dir});
    if (files.size() != 1) {
        throw std::runtime_error("expected one plugin in " + dir.string());
    }
    return files.front();
}

std::shared_ptr<registry::ModelManifest> tiny_manifest(const fs::path& dir) {
    const fs::path path = dir / "weights.bin";
    std::string bytes(3 * 4096, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>(i % 251);
    }
    write_file(path, bytes);
    auto manifest = std::make_shared<registry::ModelManifest>();
    manifest->name = "tiny model";
    manifest->architecture = "tiny";
    manifest->hyper["vocab_size"] = int64_t{32};
    manifest->hyper["norm_eps"] = 0.5;
    manifest->hyper["tie_embeddings"] = true;
    manifest->hyper["activation"] = std::string("silu");
    manifest->hyper["sliding_window_layers"] = std::vector<int64_t>{1, 0, 1};
    manifest->hyper["rope.frequency_divisors"] = std::vector<double>{1.5, 2.5};
    manifest->tensors = {{"token_embd.weight", GANTRY_DTYPE_F32, {32, 4}, 0, 64, 512},
                         {"output.weight", GANTRY_DTYPE_F32, {32, 64}, 0, 576, 8192}};
    manifest->file_paths = {path};
    manifest->files = {std::make_shared<const MappedFile>(MappedFile::open(path).value())};
    return manifest;
}

}  // namespace gantry::plugins::testing
