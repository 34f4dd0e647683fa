#pragma once

/// The few pieces of cryptography that keys, tokens and TLS need, over OpenSSL 3. No OpenSSL type appears here.
/// Functions throw std::runtime_error only where OpenSSL itself fails (no randomness, no memory).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::crypto {

/// From the system's generator for secrets.
std::string random_bytes(size_t count);

std::string sha256(std::string_view data);                             ///< 32 bytes
std::string hmac_sha256(std::string_view key, std::string_view data);  ///< 32 bytes
/// RFC 8018 with HMAC-SHA-256; 32 bytes. Takes as long as `iterations` make it: not for the io thread.
std::string pbkdf2_sha256(std::string_view password, std::string_view salt, uint32_t iterations);

/// Whether two secrets are the same, in a time that depends on their lengths alone.
bool equal(std::string_view a, std::string_view b);

std::string hex(std::string_view bytes);
/// RFC 4648, section 5, without padding.
std::string base64url(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

/// A key that checks signatures made elsewhere.
class PublicKey {
  public:
    /// Big-endian numbers, as JWKs have them. kInvalidArgument for an RSA key below 2048 bits or no key at all.
    static Result<PublicKey> rsa(std::string_view modulus, std::string_view exponent);
    /// A point of P-256; kInvalidArgument where it is not on the curve.
    static Result<PublicKey> p256(std::string_view x, std::string_view y);
    PublicKey(PublicKey&&) noexcept;
    PublicKey& operator=(PublicKey&&) noexcept;
    ~PublicKey();

    bool is_rsa() const;
    /// RSASSA-PKCS1-v1_5 or ECDSA (signature: r and s of 32 bytes each) over the SHA-256 of `data`.
    bool verify(std::string_view data, std::string_view signature) const;

  private:
    struct Impl;
    explicit PublicKey(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::crypto
