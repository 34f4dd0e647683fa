#pragma once

/// A ModelManifest in the contract's form. Tensors are views of the mapped files: nothing is copied.

#include <gantry/host.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "registry/manifest.hpp"

namespace gantry::plugins {

class ManifestAdapter {
  public:
    /// Whether tensor() hands out the data (load) or only shapes (assess).
    enum class Data { kHidden, kMapped };

    ManifestAdapter(std::shared_ptr<const registry::ModelManifest> manifest, Data data);
    ManifestAdapter(const ManifestAdapter&) = delete;
    ManifestAdapter& operator=(const ManifestAdapter&) = delete;

    /// Valid as long as this object.
    const gantry_manifest_t* table() const { return &table_; }

  private:
    static const ManifestAdapter& self(const gantry_manifest_t* m) { return *static_cast<ManifestAdapter*>(m->ctx); }
    template <class T>
    static const T* get(const gantry_manifest_t* m, const char* key);
    static gantry_str_t tensor_name(const gantry_manifest_t* m, uint64_t index);
    static int64_t find_tensor(const gantry_manifest_t* m, gantry_str_t name);
    static gantry_error_t* tensor(const gantry_manifest_t* m, uint64_t index, gantry_tensor_view_t* out);
    static void tensor_done(const gantry_manifest_t* m, uint64_t index);

    std::shared_ptr<const registry::ModelManifest> manifest_;
    Data data_;
    std::unordered_map<std::string_view, uint64_t> by_name_;
    gantry_manifest_t table_;
};

}  // namespace gantry::plugins
