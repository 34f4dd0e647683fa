#include "base/digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

#include "base/crypto.hpp"

namespace gantry::crypto {

struct Digest::Impl {
    struct Free {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

namespace {

void must(int result) {
    if (result != 1) {
        throw std::runtime_error("OpenSSL failed: digest");
    }
}

}  // namespace

Digest::Digest(Kind kind) : impl_(std::make_unique<Impl>()) {
    must(EVP_DigestInit_ex(impl_->context.get(), kind == Kind::kSha1 ? EVP_sha1() : EVP_sha256(), nullptr));
}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::string_view data) { must(EVP_DigestUpdate(impl_->context.get(), data.data(), data.size())); }

std::string Digest::hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    must(EVP_DigestFinal_ex(impl_->context.get(), bytes.data(), &size));
    return crypto::hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), size));
}

}  // namespace gantry::crypto
