#pragma once

/// Reading and filling the ABI's growing structs: the two rules of `struct_size` in one place.

#include <gantry/abi.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace gantry::sdk {

/// A struct that came from the other side, as this build knows it: members that the sender's version lacks are zero,
/// members that this build does not know are dropped. `from` may be null: all zero, as "no wishes".
template <class T>
T read_struct(const T* from) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    T out{};
    if (from == nullptr) return out;
    std::memcpy(&out, from, std::min<size_t>(from->struct_size, sizeof(T)));
    out.struct_size = static_cast<uint32_t>(sizeof(T));
    return out;
}

/// Fills an out parameter: writes what both sides know. `base_size` is the struct's size in the first ABI version,
/// which every receiver has room for; later members are written only where the receiver's struct_size covers them.
template <class T>
void fill_struct(T* to, const T& value, uint32_t base_size) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    const size_t room = std::clamp<size_t>(to->struct_size, base_size, sizeof(T));
    std::memcpy(to, &value, room);
    to->struct_size = static_cast<uint32_t>(room);
}

}  // namespace gantry::sdk
