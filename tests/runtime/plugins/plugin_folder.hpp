#pragma once

/// Plugin folders in a temporary directory, made of the fixtures that tests/sdk/abi builds.

#include <filesystem>
#include <memory>
#include <string>

#include "registry/manifest.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry::plugins::testing {

/// A directory that is removed with this.
class TempDir {
  public:
    TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir();
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// A plugin.toml as it should be.
std::string good_toml(const std::string& id, const std::string& library);

void write_file(const std::filesystem::path& path, const std::string& text);

/// dir/ID/{plugin.toml, tiny.gantry.so}, the library being the fixture `variant`. Returns the folder.
std::filesystem::path add_plugin(const std::filesystem::path& dir, const std::string& variant,
                                 const std::string& id = "tiny");

/// The only plugin below `dir`.
PluginFile only_plugin(const std::filesystem::path& dir);

/// A manifest that the tiny plugin takes: two tensors in a mapped file below `dir`.
std::shared_ptr<registry::ModelManifest> tiny_manifest(const std::filesystem::path& dir);

}  // namespace gantry::plugins::testing
