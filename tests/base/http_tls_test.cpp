/// TLS as a client sees it, by OpenSSL's own client.

#include "base/http/tls.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <sys/time.h>

#include <array>
#include <csignal>

#include "base/http/client.hpp"
#include "tests/base/http_fixture.hpp"

namespace gantry::http::test {
namespace {

/// As gantry's own processes do (see tls.hpp): both ends of a connection write to it after the other has gone.
[[maybe_unused]] const auto kNoBrokenPipes = std::signal(SIGPIPE, SIG_IGN);

std::string tls_file(const std::string& name) { return GANTRY_SOURCE_DIR "/tests/base/tls/" + name; }

std::shared_ptr<TlsContext> certificate(const std::string& name) {
    return TlsContext::load(tls_file(name + ".cert.pem"), tls_file(name + ".key.pem")).value();
}

/// A blocking client on a connection of its own.
class TlsClient {
  public:
    explicit TlsClient(const Endpoint& to) : context_(SSL_CTX_new(TLS_client_method())), session_(SSL_new(context_)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(to.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        const timeval patience{20, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
            SSL_set_fd(session_, fd_);
            connected_ = SSL_connect(session_) == 1;
        }
    }
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;
    ~TlsClient() {
        SSL_free(session_);
        SSL_CTX_free(context_);
        ::close(fd_);
    }

    bool connected() const { return connected_; }
    /// The common name of the server's certificate.
    std::string name() const {
        X509* shown = SSL_get1_peer_certificate(session_);
        std::array<char, 100> text{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, text.data(), text.size());
        X509_free(shown);
        return text.data();
    }
    bool send(std::string_view bytes) {
        return SSL_write(session_, bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
    }
    std::string receive(size_t size) {
        std::string out;
        std::array<char, 16384> buffer{};
        while (out.size() < size) {
            const int count = SSL_read(session_, buffer.data(), buffer.size());
            if (count <= 0) {
                break;
            }
            out.append(buffer.data(), static_cast<size_t>(count));
        }
        return out;
    }
    std::string receive_until(std::string_view end) {
        std::string out;
        while (out.find(end) == std::string::npos) {
            const std::string part = receive(1);
            if (part.empty()) {
                break;
            }
            out += part;
        }
        return out;
    }

  private:
    SSL_CTX* context_;
    SSL* session_;
    int fd_ = -1;
    bool connected_ = false;
};

/// Answers with the body, or with as many bytes as ?size says.
Handler body_handler() {
    return [](Request request, Responder& responder) -> asio::awaitable<void> {
        const auto size = request.query_value("size");
        Response response = text_response(size ? std::string(std::stoul(std::string(*size)), 'y') : request.body);
        (void)co_await responder.send(std::move(response));
    };
}

TEST(HttpTls, CarriesRequestsOfAllSizes) {
    RunningServer server(body_handler());
    server.run([&] { server.server().set_tls(certificate("first")); });
    TlsClient client(server.endpoint());
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.name(), "localhost");
    for (const size_t size : {1UL, 20'000UL, 3'000'000UL}) {
        const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
        ASSERT_TRUE(client.send(head));
        ASSERT_TRUE(client.send(std::string(size, 'x')));
        const std::string answer = client.receive_until("\r\n\r\n");
        EXPECT_EQ(answer.substr(0, 15), "HTTP/1.1 200 OK");
        const size_t had = answer.size() - answer.find("\r\n\r\n") - 4;
        EXPECT_EQ(client.receive(size - had).size() + had, size);
    }
    // Two requests in one record: the second is decrypted before it is asked for.
    ASSERT_TRUE(client.send("GET /?size=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /?size=2 HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_NE(client.receive_until("\r\n\r\nyy").find("\r\n\r\nyHTTP/1.1 200"), std::string::npos);
}

TEST(HttpTls, ANewCertificateIsForNewConnections) {
    RunningServer server(body_handler());
    server.run([&] { server.server().set_tls(certificate("first")); });
    TlsClient old(server.endpoint());
    ASSERT_TRUE(old.connected());
    server.run([&] { server.server().set_tls(certificate("second")); });
    TlsClient fresh(server.endpoint());
    ASSERT_TRUE(fresh.connected());
    EXPECT_EQ(old.name(), "localhost");
    EXPECT_EQ(fresh.name(), "second");
    ASSERT_TRUE(old.send("GET /?size=3 HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_NE(old.receive_until("yyy").find("200 OK"), std::string::npos);
}

TEST(HttpTls, OthersAreTurnedAway) {
    ServerLimits limits;
    limits.header_timeout = std::chrono::milliseconds(1500);
    RunningServer server(body_handler(), limits);
    server.run([&] { server.server().set_tls(certificate("first")); });
    RawClient plain = server.connect();
    ASSERT_TRUE(plain.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(plain.receive().find("HTTP/1.1"), std::string::npos);
    RawClient silent = server.connect();
    EXPECT_EQ(silent.receive(), "") << "it is cut, not waited for";
    EXPECT_TRUE(TlsClient(server.endpoint()).connected());
}

/// What our own client gets from a server that it knows by the certificates in a file.
Result<std::string> ask(Endpoint to, const std::string& authorities, size_t size = 5) {
    asio::io_context io;
    Client client(io.get_executor(), std::move(to), TlsTrust::load(authorities).value());
    Result<std::string> out = Error(Code::kInternal, "no answer");
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            for (int i = 0; i < 2; ++i) {  // the second time on the kept connection
                Request request;
                request.method = "POST";
                request.target = "/";
                request.body = std::string(size, 'x');
                const auto answer = co_await client.request(std::move(request), std::chrono::seconds(20));
                if (answer) {
                    out = answer->body;
                } else {
                    out = answer.error();
                }
            }
        },
        asio::detached);
    io.run();
    return out;
}

TEST(HttpTls, OurClientSpeaksToWhomItTrusts) {
    RunningServer server(body_handler());
    server.run([&] { server.server().set_tls(certificate("first")); });
    Endpoint named = server.endpoint();
    named.host = "localhost";
    for (const Endpoint& to : {server.endpoint(), named}) {
        for (const size_t size : {0UL, 5UL, 3'000'000UL}) {
            const auto answer = ask(to, tls_file("first.cert.pem"), size);
            ASSERT_TRUE(answer) << answer.error().text();
            EXPECT_EQ(answer->size(), size);
        }
    }
    for (const std::string& others : {tls_file("second.cert.pem"), std::string()}) {
        const auto refused = ask(server.endpoint(), others);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::kUnauthenticated) << refused.error().text();
    }
}

TEST(HttpTls, OurClientTellsAServerThatSpeaksNoTls) {
    RunningServer server(body_handler());
    const auto refused = ask(server.endpoint(), tls_file("first.cert.pem"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kUnavailable);
    EXPECT_NE(refused.error().message.find("TLS cannot be begun"), std::string::npos) << refused.error().message;
    EXPECT_FALSE(TlsTrust::load("/nowhere.pem"));
}

TEST(HttpTls, FilesThatDoNotFitAreErrors) {
    const auto refused = [](const std::string& cert, const std::string& key) {
        const auto made = TlsContext::load(cert, key);
        return made ? std::string() : made.error().message;
    };
    EXPECT_NE(refused("/nowhere.pem", tls_file("first.key.pem")).find("/nowhere.pem"), std::string::npos);
    EXPECT_NE(refused(tls_file("first.cert.pem"), tls_file("first.cert.pem")).find("private key"), std::string::npos);
    EXPECT_FALSE(refused(tls_file("first.cert.pem"), tls_file("second.key.pem")).empty());
}

}  // namespace
}  // namespace gantry::http::test
