#include "base/crypto.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>
#include <stdexcept>

namespace gantry::crypto {
namespace {

constexpr size_t kDigest = 32;
constexpr size_t kCoordinate = 32;  ///< bytes of a coordinate of P-256
constexpr int kLeastRsaBits = 2048;

template <auto release>
struct Release {
    template <class T>
    void operator()(T* object) const {
        release(object);
    }
};
template <class T, auto release>
using Handle = std::unique_ptr<T, Release<release>>;
using Number = Handle<BIGNUM, BN_free>;
using Key = Handle<EVP_PKEY, EVP_PKEY_free>;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

void must(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string("OpenSSL failed: ") + what);
    }
}

Number number(std::string_view big_endian) {
    return Number(BN_bin2bn(bytes(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

/// A public key of `type` out of what was pushed into `build`; null where it is none.
Key make_key(const char* type, OSSL_PARAM_BLD* build) {
    const Handle<OSSL_PARAM, OSSL_PARAM_free> params(OSSL_PARAM_BLD_to_param(build));
    const Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        return nullptr;
    }
    Key made(key);
    const Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free> check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    return check && EVP_PKEY_public_check(check.get()) == 1 ? std::move(made) : nullptr;
}

/// JWS has r and s side by side, OpenSSL wants them in DER.
std::string der_signature(std::string_view raw) {
    if (raw.size() != 2 * kCoordinate) {
        return {};
    }
    const Handle<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
    Number r = number(raw.substr(0, kCoordinate)), s = number(raw.substr(kCoordinate));
    if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
        return {};
    }
    (void)r.release();  // the signature owns them now
    (void)s.release();
    const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
    if (size <= 0) {
        return {};
    }
    std::string out(static_cast<size_t>(size), '\0');
    unsigned char* end = bytes(out);
    i2d_ECDSA_SIG(signature.get(), &end);
    return out;
}

}  // namespace

std::string random_bytes(size_t count) {
    std::string out(count, '\0');
    must(RAND_priv_bytes(bytes(out), static_cast<int>(count)) == 1, "no randomness");
    return out;
}

std::string sha256(std::string_view data) {
    std::string out(kDigest, '\0');
    must(SHA256(bytes(data), data.size(), bytes(out)) != nullptr, "SHA-256");
    return out;
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
    std::string out(kDigest, '\0');
    unsigned size = 0;
    must(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(data), data.size(), bytes(out), &size) !=
             nullptr,
         "HMAC");
    return out;
}

std::string pbkdf2_sha256(std::string_view password, std::string_view salt, uint32_t iterations) {
    std::string out(kDigest, '\0');
    must(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt),
                           static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                           static_cast<int>(out.size()), bytes(out)) == 1,
         "PBKDF2");
    return out;
}

bool equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto value = static_cast<unsigned char>(c);
        out += kDigits[value >> 4U];
        out += kDigits[value & 15U];
    }
    return out;
}

std::string base64url(std::string_view bytes) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    uint32_t bits = 0;
    int have = 0;
    for (const char c : bytes) {
        bits = (bits << 8U) | static_cast<unsigned char>(c);
        for (have += 8; have >= 6; have -= 6) {
            out += kDigits[(bits >> static_cast<unsigned>(have - 6)) & 63U];
        }
    }
    if (have > 0) {
        out += kDigits[(bits << static_cast<unsigned>(6 - have)) & 63U];
    }
    return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
    const auto value = [](char c) {
        return c >= 'A' && c <= 'Z'   ? c - 'A'
               : c >= 'a' && c <= 'z' ? c - 'a' + 26
               : c >= '0' && c <= '9' ? c - '0' + 52
               : c == '-'             ? 62
               : c == '_'             ? 63
                                      : -1;
    };
    std::string out;
    uint32_t bits = 0;
    int have = 0;
    for (const char c : text) {
        const int digit = value(c);
        if (digit < 0) {
            return std::nullopt;
        }
        bits = (bits << 6U) | static_cast<uint32_t>(digit);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out += static_cast<char>((bits >> static_cast<unsigned>(have)) & 255U);
        }
    }
    if (have == 6) {
        return std::nullopt;  // a lone character holds no byte
    }
    return out;
}

struct PublicKey::Impl {
    Key key;
    bool rsa = false;
};

PublicKey::PublicKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

Result<PublicKey> PublicKey::rsa(std::string_view modulus, std::string_view exponent) {
    const Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
    const Number n = number(modulus), e = number(exponent);
    must(build && n && e && OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
             OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1,
         "RSA parameters");
    Key key = make_key("RSA", build.get());
    if (!key || EVP_PKEY_get_bits(key.get()) < kLeastRsaBits) {
        return Error(Code::kInvalidArgument, "not an RSA key of at least 2048 bits");
    }
    return PublicKey(std::make_unique<Impl>(Impl{std::move(key), true}));
}

Result<PublicKey> PublicKey::p256(std::string_view x, std::string_view y) {
    const Error bad(Code::kInvalidArgument, "not a point of the curve P-256");
    if (x.size() != kCoordinate || y.size() != kCoordinate) {
        return bad;
    }
    constexpr char kUncompressed = 4;
    const std::string point = kUncompressed + std::string(x) + std::string(y);
    const Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
    must(build && OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
             OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1,
         "EC parameters");
    Key key = make_key("EC", build.get());
    if (!key) {
        return bad;
    }
    return PublicKey(std::make_unique<Impl>(Impl{std::move(key), false}));
}

bool PublicKey::is_rsa() const { return impl_->rsa; }

bool PublicKey::verify(std::string_view data, std::string_view signature) const {
    const std::string der = impl_->rsa ? std::string(signature) : der_signature(signature);
    const Handle<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    return context && !der.empty() &&
           EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, impl_->key.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes(der), der.size(), bytes(data), data.size()) == 1;
}

}  // namespace gantry::crypto
