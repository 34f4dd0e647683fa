#include "base/http/types.hpp"

#include <algorithm>
#include <charconv>

#include "base/utf8.hpp"

namespace gantry::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

void Headers::set(std::string_view name, std::string_view value) {
    std::erase_if(fields_, [&](const auto& field) { return same_name(field.first, name); });
    add(name, value);
}

void Headers::add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }

std::optional<std::string_view> Headers::find(std::string_view name) const {
    for (const auto& [key, value] : fields_) {
        if (same_name(key, name)) {
            return value;
        }
    }
    return std::nullopt;
}

std::optional<std::string_view> Request::query_value(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) {
            return value;
        }
    }
    return std::nullopt;
}

std::string Endpoint::text() const {
    if (unix_socket) {
        return "unix:" + host;
    }
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    Endpoint endpoint;
    if (text.starts_with("unix:")) {
        endpoint.unix_socket = true;
        endpoint.host = text.substr(5);
        if (endpoint.host.empty()) {
            return Error(Code::kInvalidArgument, "the address \"unix:\" names no socket file",
                         "write unix:/path/x.sock");
        }
        return endpoint;
    }
    const size_t colon = text.rfind(':');
    const auto bad = [&] {
        return Error(Code::kInvalidArgument, std::string(text) + " is not an address",
                     "write HOST:PORT, [IPv6]:PORT or unix:/path/x.sock");
    };
    if (colon == std::string_view::npos || colon == 0) {
        return bad();
    }
    std::string_view host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    const std::string_view port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc{} || end != port.data() + port.size()) {
        return bad();
    }
    endpoint.host = host;
    return endpoint;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            c = static_cast<char>(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0') {
            return std::nullopt;
        }
        out.push_back(c);
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        if (plain) {
            out.push_back(c);
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.push_back('%');
            out.push_back(kHex[byte >> 4]);
            out.push_back(kHex[byte & 15]);
        }
    }
    return out;
}

namespace {

/// A proxy sends the absolute form "http://host/path"; the host part is of no interest here.
std::string_view origin_form(std::string_view target) {
    if (!target.empty() && target.front() == '/') {
        return target;
    }
    const size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) {
        return target;
    }
    const size_t slash = target.find('/', scheme + 3);
    return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
}

}  // namespace

std::string_view raw_path(std::string_view target) {
    target = origin_form(target);
    return target.substr(0, target.find_first_of("?#"));
}

Status split_target(Request& request) {
    std::string_view target = origin_form(request.target);
    target = target.substr(0, target.find('#'));
    const size_t mark = target.find('?');
    auto path = percent_decode(target.substr(0, mark));
    if (!path || path->empty()) {
        return Error(Code::kInvalidArgument, "the request's path holds a broken %-escape or a zero byte");
    }
    if (!is_utf8(*path)) {
        return Error(Code::kInvalidArgument, "the request's path is not UTF-8");
    }
    request.path = std::move(*path);
    request.query.clear();
    std::string_view query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        if (pair.empty()) {
            continue;
        }
        const size_t equals = pair.find('=');
        auto key = percent_decode(pair.substr(0, equals), true);
        auto value = equals == std::string_view::npos ? std::string() : percent_decode(pair.substr(equals + 1), true);
        if (!key || !value) {
            return Error(Code::kInvalidArgument, "the request's query holds a broken %-escape or a zero byte");
        }
        if (!is_utf8(*key) || !is_utf8(*value)) {
            return Error(Code::kInvalidArgument, "the request's query is not UTF-8");
        }
        request.query.emplace_back(std::move(*key), std::move(*value));
    }
    return ok();
}

}  // namespace gantry::http
