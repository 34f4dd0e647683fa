#include "base/http/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace gantry::http {
namespace {

struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSession {
    void operator()(SSL* session) const { SSL_free(session); }
};

/// HTTP/1.1 is all that is spoken here; a client that offers other things only is let in all the same.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
    static constexpr unsigned char kOurs[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, size, kOurs, sizeof kOurs, offered, offered_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/// Takes the library's newest error off its queue.
std::string reason() {
    const unsigned long code = ERR_peek_last_error();
    const char* text = ERR_reason_error_string(code);
    ERR_clear_error();
    return text != nullptr ? text : "unknown error";
}

Error unusable(const std::string& what, const std::string& file) {
    return Error(Code::kInvalidArgument, "TLS: " + what + " " + file + ": " + reason(),
                 "it must be a PEM file that the server may read");
}

}  // namespace

struct TlsContext::Impl {
    std::unique_ptr<SSL_CTX, FreeContext> context;
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::load(const std::string& certificate_file, const std::string& key_file) {
    ERR_clear_error();
    auto impl = std::make_unique<Impl>();
    impl->context.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* context = impl->context.get();
    if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        return Error(Code::kInternal, "TLS cannot be set up: " + reason());
    }
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    // An idle connection keeps no buffers; a write may be offered again from another place.
    SSL_CTX_set_mode(context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
        return unusable("no certificate in", certificate_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
        return unusable("no private key in", key_file);
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        return unusable("the certificate does not belong to the key in", key_file);
    }
    return std::shared_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

struct TlsTrust::Impl {
    std::unique_ptr<SSL_CTX, FreeContext> context;
};

TlsTrust::TlsTrust(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsTrust::~TlsTrust() = default;

Result<std::shared_ptr<TlsTrust>> TlsTrust::load(const std::string& authority_file) {
    ERR_clear_error();
    auto impl = std::make_unique<Impl>();
    impl->context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = impl->context.get();
    if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        return Error(Code::kInternal, "TLS cannot be set up: " + reason());
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Who names a certificate believes it, whoever has signed it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (authority_file.empty()) {
        SSL_CTX_set_default_verify_paths(context);
    } else if (SSL_CTX_load_verify_file(context, authority_file.c_str()) != 1) {
        return unusable("no certificate in", authority_file);
    }
    return std::shared_ptr<TlsTrust>(new TlsTrust(std::move(impl)));
}

struct TlsSession::Impl {
    std::unique_ptr<SSL, FreeSession> session;
    bool shaken = false;
    bool broken = false;  ///< after such an error OpenSSL allows nothing but freeing
    std::string why;      ///< it broke

    Step step_of(int result) {
        switch (SSL_get_error(session.get(), result)) {
            case SSL_ERROR_NONE:
                return Step::kDone;
            case SSL_ERROR_WANT_READ:
                return Step::kWantRead;
            case SSL_ERROR_WANT_WRITE:
                return Step::kWantWrite;
            case SSL_ERROR_ZERO_RETURN:
                return Step::kEnded;
            default:
                broken = true;
                why = ERR_peek_last_error() != 0 ? reason() : "the connection was closed";
                return Step::kEnded;
        }
    }
};

TlsSession::TlsSession(const TlsContext& context, int fd) : impl_(std::make_unique<Impl>()) {
    impl_->session.reset(SSL_new(context.impl_->context.get()));
    if (!impl_->session || SSL_set_fd(impl_->session.get(), fd) != 1) {
        throw std::runtime_error("OpenSSL failed: no session");
    }
    SSL_set_accept_state(impl_->session.get());
}

TlsSession::TlsSession(const TlsTrust& trust, int fd, const std::string& host) : impl_(std::make_unique<Impl>()) {
    impl_->session.reset(SSL_new(trust.impl_->context.get()));
    SSL* session = impl_->session.get();
    if (session == nullptr || SSL_set_fd(session, fd) != 1) {
        throw std::runtime_error("OpenSSL failed: no session");
    }
    // An address is looked for among the certificate's addresses, and is not told in the clear (RFC 6066, 3).
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) != 1) {
        SSL_set1_host(session, host.c_str());
        SSL_set_tlsext_host_name(session, host.c_str());
    }
    ERR_clear_error();
    SSL_set_connect_state(session);
}

TlsSession::~TlsSession() = default;

Error TlsSession::failure() const {
    const long verdict = SSL_get_verify_result(impl_->session.get());
    if (verdict != X509_V_OK) {
        return Error(Code::kUnauthenticated, std::string("the server's certificate is not to be trusted: ") +
                                                 X509_verify_cert_error_string(verdict));
    }
    return Error(Code::kUnavailable, "TLS cannot be begun: " + impl_->why);
}

TlsSession::Step TlsSession::handshake() {
    ERR_clear_error();
    const Step step = impl_->step_of(SSL_do_handshake(impl_->session.get()));
    impl_->shaken = step == Step::kDone;
    return step;
}

TlsSession::Moved TlsSession::read(char* buffer, size_t size) {
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_read_ex(impl_->session.get(), buffer, size, &count);
    return result == 1 ? Moved{Step::kDone, count} : Moved{impl_->step_of(result)};
}

TlsSession::Moved TlsSession::write(std::string_view bytes) {
    if (bytes.empty()) {
        return {Step::kDone};
    }
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_write_ex(impl_->session.get(), bytes.data(), bytes.size(), &count);
    return result == 1 ? Moved{Step::kDone, count} : Moved{impl_->step_of(result)};
}

bool TlsSession::pending() const { return SSL_pending(impl_->session.get()) > 0; }

void TlsSession::say_goodbye() {
    if (impl_->shaken && !impl_->broken) {
        ERR_clear_error();
        (void)SSL_shutdown(impl_->session.get());
    }
}

}  // namespace gantry::http
