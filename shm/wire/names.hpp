// One table of methods and header names and their small ids. Ids are part of the wire format: append only, and raise kWireVersion
// when an id changes its meaning.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace prefork::wire {

// X(identifier, "lower-case-name")
// clang-format off
#define PREFORK_HEADER_NAMES(X)                                                                                                     \
  X(Host, "host") X(Connection, "connection") X(ContentLength, "content-length") X(ContentType, "content-type")                     \
  X(TransferEncoding, "transfer-encoding") X(UserAgent, "user-agent") X(Accept, "accept") X(AcceptEncoding, "accept-encoding")      \
  X(AcceptLanguage, "accept-language") X(Cookie, "cookie") X(Referer, "referer") X(CacheControl, "cache-control")                   \
  X(Authorization, "authorization") X(Origin, "origin") X(Upgrade, "upgrade") X(UpgradeInsecureRequests, "upgrade-insecure-requests") \
  X(Expect, "expect") X(Te, "te") X(Trailer, "trailer") X(KeepAlive, "keep-alive") X(Date, "date") X(Server, "server")              \
  X(SetCookie, "set-cookie") X(Location, "location") X(Etag, "etag") X(LastModified, "last-modified") X(IfMatch, "if-match")        \
  X(IfNoneMatch, "if-none-match") X(IfModifiedSince, "if-modified-since") X(IfUnmodifiedSince, "if-unmodified-since")               \
  X(IfRange, "if-range") X(Range, "range") X(ContentRange, "content-range") X(ContentEncoding, "content-encoding")                  \
  X(ContentDisposition, "content-disposition") X(ContentLanguage, "content-language") X(ContentLocation, "content-location")        \
  X(Vary, "vary") X(Allow, "allow") X(Age, "age") X(Expires, "expires") X(Pragma, "pragma") X(Via, "via") X(Warning, "warning")     \
  X(Link, "link") X(RetryAfter, "retry-after") X(Dnt, "dnt") X(Forwarded, "forwarded") X(XForwardedFor, "x-forwarded-for")          \
  X(XForwardedProto, "x-forwarded-proto") X(XForwardedHost, "x-forwarded-host") X(XForwardedPort, "x-forwarded-port")               \
  X(XForwardedSsl, "x-forwarded-ssl") X(XForwardedProtocol, "x-forwarded-protocol") X(XRealIp, "x-real-ip")                         \
  X(XRequestId, "x-request-id") X(XRequestedWith, "x-requested-with") X(XRequestStart, "x-request-start")                           \
  X(XCsrfToken, "x-csrftoken") X(SecFetchDest, "sec-fetch-dest") X(SecFetchMode, "sec-fetch-mode")                                  \
  X(SecFetchSite, "sec-fetch-site") X(SecFetchUser, "sec-fetch-user") X(SecChUa, "sec-ch-ua")                                       \
  X(SecChUaMobile, "sec-ch-ua-mobile") X(SecChUaPlatform, "sec-ch-ua-platform") X(SecWebSocketKey, "sec-websocket-key")             \
  X(SecWebSocketVersion, "sec-websocket-version") X(SecWebSocketProtocol, "sec-websocket-protocol")                                 \
  X(SecWebSocketExtensions, "sec-websocket-extensions") X(SecWebSocketAccept, "sec-websocket-accept")                               \
  X(AccessControlRequestMethod, "access-control-request-method") X(AccessControlRequestHeaders, "access-control-request-headers")   \
  X(AccessControlAllowOrigin, "access-control-allow-origin") X(AccessControlAllowMethods, "access-control-allow-methods")           \
  X(AccessControlAllowHeaders, "access-control-allow-headers") X(AccessControlAllowCredentials, "access-control-allow-credentials") \
  X(AccessControlExposeHeaders, "access-control-expose-headers") X(AccessControlMaxAge, "access-control-max-age")                   \
  X(XFrameOptions, "x-frame-options") X(XContentTypeOptions, "x-content-type-options") X(ReferrerPolicy, "referrer-policy")         \
  X(StrictTransportSecurity, "strict-transport-security") X(ContentSecurityPolicy, "content-security-policy")                       \
  X(CrossOriginOpenerPolicy, "cross-origin-opener-policy") X(WwwAuthenticate, "www-authenticate")                                   \
  X(ProxyAuthenticate, "proxy-authenticate") X(ProxyAuthorization, "proxy-authorization") X(ProxyConnection, "proxy-connection")    \
  X(AcceptRanges, "accept-ranges") X(AcceptCharset, "accept-charset") X(Priority, "priority") X(Traceparent, "traceparent")         \
  X(Tracestate, "tracestate") X(ServerTiming, "server-timing") X(Proxy, "proxy") X(ScriptName, "script-name") X(From, "from")
// clang-format on

enum class Name : std::uint16_t {
  Unknown = 0,
#define X(identifier, text) identifier,
  PREFORK_HEADER_NAMES(X)
#undef X
      kCount
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(Name::kCount)> kNameTexts{"",
#define X(identifier, text) text,
                                                                                                 PREFORK_HEADER_NAMES(X)
#undef X
};

inline std::string_view name_text(std::uint16_t id) {
  return id < kNameTexts.size() ? kNameTexts[id] : std::string_view{};
}

// The id of a header name in any case; Name::Unknown when the table does not have it.
Name find_name(std::string_view name);

// clang-format off
// X(identifier): the methods of RFC 9110 and of the registry that llhttp and applications know. Ids are llhttp-independent.
#define PREFORK_METHODS(X)                                                                                                        \
  X(GET) X(HEAD) X(POST) X(PUT) X(DELETE) X(OPTIONS) X(PATCH) X(TRACE) X(CONNECT) X(PROPFIND) X(PROPPATCH) X(MKCOL) X(COPY)       \
  X(MOVE) X(LOCK) X(UNLOCK) X(SEARCH) X(REPORT) X(MKACTIVITY) X(CHECKOUT) X(MERGE) X(NOTIFY) X(SUBSCRIBE) X(UNSUBSCRIBE)          \
  X(PURGE) X(MKCALENDAR) X(LINK) X(UNLINK) X(BIND) X(REBIND) X(UNBIND) X(ACL) X(QUERY)
// clang-format on

enum class Method : std::uint8_t {
  Unknown = 0,
#define X(name) name,
  PREFORK_METHODS(X)
#undef X
      kCount
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(Method::kCount)> kMethodTexts{"",
#define X(name) #name,
                                                                                                     PREFORK_METHODS(X)
#undef X
};

inline std::string_view method_text(Method method) {
  const auto index = static_cast<std::size_t>(method);
  return index < kMethodTexts.size() ? kMethodTexts[index] : std::string_view{};
}
Method find_method(std::string_view name);  // exact case: methods are case-sensitive

// RFC 9110 9.2.1: has no effect that the user asks for, so it may run beside others and may run twice.
constexpr bool is_safe(Method method) {
  return method == Method::GET || method == Method::HEAD || method == Method::OPTIONS || method == Method::TRACE ||
         method == Method::QUERY || method == Method::PROPFIND || method == Method::REPORT || method == Method::SEARCH;
}

}  // namespace prefork::wire
