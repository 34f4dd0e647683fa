#pragma once

/// TLS 1.2 and 1.3 for both ends of a connection, over OpenSSL 3. No OpenSSL type appears here. A session works on a
/// non-blocking socket and says what it waits for; its owner does the waiting. OpenSSL writes with write(2): the
/// process has to ignore SIGPIPE.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::http {

/// A certificate with its key.
class TlsContext {
  public:
    /// PEM files: the certificate with its chain, and its private key. Errors name the file.
    static Result<std::shared_ptr<TlsContext>> load(const std::string& certificate_file, const std::string& key_file);
    ~TlsContext();

  private:
    friend class TlsSession;
    struct Impl;
    explicit TlsContext(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Whom a client believes.
class TlsTrust {
  public:
    /// PEM file with the certificates of authorities, or with a server's own; empty: those that this machine trusts.
    static Result<std::shared_ptr<TlsTrust>> load(const std::string& authority_file);
    ~TlsTrust();

  private:
    friend class TlsSession;
    struct Impl;
    explicit TlsTrust(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// One end of one connection.
class TlsSession {
  public:
    enum class Step { kDone, kWantRead, kWantWrite, kEnded };
    struct Moved {
        Step step;
        size_t bytes = 0;  ///< where the step is kDone
    };

    /// The server's end. Does not own the descriptor.
    TlsSession(const TlsContext& context, int fd);
    /// The client's end, for a server that calls itself `host` (a name or an IP address).
    TlsSession(const TlsTrust& trust, int fd, const std::string& host);
    ~TlsSession();

    Step handshake();
    /// Why the handshake has ended without being done. kUnauthenticated: the other end is not to be believed.
    Error failure() const;
    /// Reads into `buffer`. kEnded: the client has said that it is over, or broken the protocol.
    Moved read(char* buffer, size_t size);
    /// Writes a part; after kWantRead or kWantWrite the same bytes must be offered again.
    Moved write(std::string_view bytes);
    /// Whether bytes have been taken from the socket that read() has not given yet.
    bool pending() const;
    /// Tells the client that nothing more comes; never waits.
    void say_goodbye();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::http
