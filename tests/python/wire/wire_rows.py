"""Messages as bytes, the clause that decides each, and what must come of it.

A row's message is followed by a probe, a request that is plainly valid: where the connection is kept the probe is answered, where it
is closed the probe is not even read as a request. `statuses` are those of the answers before the probe's.
"""

import collections

Row = collections.namedtuple("Row", "name clause message statuses kept heads")
ROWS = []
KEPT, CLOSED = True, False


def row(name, clause, message, statuses, kept, heads=()):
    if isinstance(statuses, int):
        statuses = (statuses,)
    ROWS.append(Row(name, clause, message, tuple(statuses), kept, heads))


def request(line, *fields, body=b"", host=b"Host: example"):
    return b"\r\n".join([line, *([host] if host else []), *fields, b"", body])


def get(*fields, **options):
    return request(b"GET / HTTP/1.1", *fields, **options)


def post(*fields, body=b"", path=b"/count"):
    return request(b"POST " + path + b" HTTP/1.1", *fields, body=body)


def chunked(body, *fields):
    return post(b"Transfer-Encoding: chunked", *fields, body=body, path=b"/echo")


def shown(value):
    return repr(value)[2:-1]


# --- request line
LINE = "RFC 9112 3"
for method in (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"):
    row(f"method {method.decode()}", "RFC 9110 9.3", request(method + b" / HTTP/1.1"), 200, KEPT)
row("HEAD has no body in its answer", "RFC 9110 9.3.2", request(b"HEAD / HTTP/1.1"), 200, KEPT, heads=(0,))
row("CONNECT is not implemented", "RFC 9110 9.3.6", request(b"CONNECT example:443 HTTP/1.1"), 501, CLOSED)
row("method that only the application may know", "RFC 9110 9.1", request(b"FROB / HTTP/1.1"), 200, KEPT)
row("method with a hyphen", "RFC 9110 9.1", request(b"M-SEARCH / HTTP/1.1"), 200, KEPT)
row("method of more than 20 letters", "RFC 9112 3", request(b"F" * 21 + b" / HTTP/1.1"), 501, CLOSED)
row("method in lower case is another method", "RFC 9110 9.1", request(b"get / HTTP/1.1"), 501, CLOSED)
row("method with a delimiter", "RFC 9110 9.1", request(b"G(T / HTTP/1.1"), 400, CLOSED)
row("empty method", LINE, request(b" / HTTP/1.1"), 400, CLOSED)
row("two blanks before the target", LINE, request(b"GET  / HTTP/1.1"), 400, CLOSED)
row("two blanks before the version", LINE, request(b"GET /  HTTP/1.1"), 400, CLOSED)
row("tab instead of a blank", LINE, request(b"GET\t/ HTTP/1.1"), 400, CLOSED)
row("blank behind the version", LINE, request(b"GET / HTTP/1.1 "), 400, CLOSED)
row("no version", LINE, b"GET /\r\n\r\n", 505, CLOSED)
row("line ends with LF alone", "RFC 9112 2.2", b"GET / HTTP/1.1\nHost: example\r\n\r\n", 400, CLOSED)
row("line ends with CR alone", "RFC 9112 2.2", b"GET / HTTP/1.1\rHost: example\r\n\r\n", 400, CLOSED)
row("an empty line before the request", "RFC 9112 2.2", b"\r\n" + get(), 200, KEPT)
row("a blank at the start of the message", "RFC 9112 2.2", b" " + get(), 400, CLOSED)
row("blank line after the request line", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n Host: example\r\n\r\n", 400, CLOSED)
row("a TLS hello", LINE, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400, CLOSED)
row("an answer instead of a request", LINE, b"HTTP/1.1 200 OK\r\nHost: example\r\n\r\n", 400, CLOSED)

# --- version
VERSION = "RFC 9112 2.3"
row("HTTP/1.0 closes", "RFC 9112 9.3", request(b"GET / HTTP/1.0", host=b""), 200, CLOSED)
row("HTTP/1.0 with keep-alive", "RFC 9112 9.3", request(b"GET / HTTP/1.0", b"Connection: keep-alive", host=b""), 200, KEPT)
for version, status in ((b"HTTP/2.0", 505), (b"HTTP/3.0", 505), (b"HTTP/0.9", 505), (b"HTTP/1", 400), (b"HTTP/1.", 400), (b"HTTP/11.1", 400),
                        (b"HTTP/1.10", 400), (b"http/1.1", 400), (b"HTTP /1.1", 400), (b"HTTP/1,1", 400), (b"HTTP/x.1", 400), (b"HTTPS/1.1", 400), (b"ICY/1.1", 400), (b"RTSP/1.0", 400), (b"RTSP/1.1", 400), (b"ICE/1.0", 400)):
    row(f"version {version.decode()}", VERSION, request(b"GET / " + version), status, CLOSED)
row("the HTTP/2 preface", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, CLOSED)

# --- target
row("absolute form", "RFC 9112 3.2.2", request(b"GET http://example/path/a HTTP/1.1"), 200, KEPT)
row("absolute form with another Host", "RFC 9112 3.2.2", request(b"GET http://other/path/a HTTP/1.1"), 200, KEPT)
row("absolute form without path", "RFC 9112 3.2.2", request(b"GET http://example HTTP/1.1"), 200, KEPT)
row("absolute form needs Host as well", "RFC 9112 3.2.2", request(b"GET http://example/ HTTP/1.1", host=b""), 400, CLOSED)
row("asterisk form for OPTIONS", "RFC 9112 3.2.4", request(b"OPTIONS * HTTP/1.1"), 404, KEPT)
row("asterisk form for GET", "RFC 9112 3.2.4", request(b"GET * HTTP/1.1"), 400, CLOSED)
row("authority form for GET", "RFC 9112 3.2.3", request(b"GET example:80 HTTP/1.1"), 400, CLOSED)
row("target without a slash", "RFC 9112 3.2.1", request(b"GET index.html HTTP/1.1"), 400, CLOSED)
row("fragment in the target", "RFC 9112 3.2", request(b"GET /path/a#b HTTP/1.1"), 400, CLOSED)
row("query", "RFC 9112 3.2.1", request(b"GET /path/a?b=c&d HTTP/1.1"), 200, KEPT)
row("escapes in the target", "RFC 3986 2.1", request(b"GET /path/%61%2Fb HTTP/1.1"), 200, KEPT)
row("userinfo without a host", "RFC 9110 4.2.4", request(b"GET http://@/ HTTP/1.1"), 400, CLOSED)
row("absolute form with an empty host", "RFC 9110 4.2.1", request(b"GET http:/// HTTP/1.1"), 400, CLOSED)
for byte in (b"\x00", b"\x01", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xc3\xa9", b"\xff"):
    row(f"byte {shown(byte)} in the target", "RFC 9112 3.2", request(b"GET /path/" + byte + b" HTTP/1.1"), 400, CLOSED)

# --- Host
HOST = "RFC 9112 3.2"
row("no Host", HOST, get(host=b""), 400, CLOSED)
row("no Host on HTTP/1.0", HOST, request(b"GET / HTTP/1.0", b"Connection: keep-alive", host=b""), 200, KEPT)
row("two Hosts", HOST, get(b"Host: other"), 400, CLOSED)
row("twice the same Host", HOST, get(b"Host: example"), 400, CLOSED)
row("empty Host", HOST, get(host=b"Host:"), 200, KEPT)
for host in (b"example:8000", b"127.0.0.1", b"[::1]", b"[::1]:80", b"EXAMPLE", b"example.", b"a,b", b"xn--bcher-kva.example"):
    row(f"Host {host.decode()}", HOST, get(host=b"Host: " + host), 200, KEPT)
for host in (b"a b", b"a/b", b"user@example", b"example:port", b"[::1", b"::1]", b"a\\b", b"<x>", b"ex\xe4mple", b"a?b", b"a#b", b"[x]"):
    row(f"Host {shown(host)}", HOST, get(host=b"Host: " + host), 400, CLOSED)

# --- fields
NAME, VALUE = "RFC 9110 5.1", "RFC 9110 5.5"
for byte in b"\"(),/;<=>?@[\\]{} \x00\x01\x1f\x7f\x80\xff":
    row(f"byte {shown(bytes([byte]))} in a field name", NAME, get(b"X" + bytes([byte]) + b"Y: 1"), 400, CLOSED)
for byte in b"!#$%&'*+-.^`|~":
    row(f"byte {chr(byte)} in a field name", "RFC 9110 5.6.2", get(b"X" + bytes([byte]) + b"Y: 1"), 200, KEPT)
row("underscore in a field name is dropped", NAME, get(b"X_Y: 1"), 200, KEPT)
row("blank before the colon", "RFC 9112 5.1", get(b"X-Y : 1"), 400, CLOSED)
row("tab before the colon", "RFC 9112 5.1", get(b"X-Y\t: 1"), 400, CLOSED)
row("no colon", "RFC 9112 5", get(b"X-Y"), 400, CLOSED)
row("empty name", "RFC 9112 5", get(b": 1"), 400, CLOSED)
row("folded value", "RFC 9112 5.2", get(b"X-Y: 1", b" 2"), 400, CLOSED)
row("value folded with a tab", "RFC 9112 5.2", get(b"X-Y: 1", b"\t2"), 400, CLOSED)
row("first field folded", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n X: 1\r\nHost: example\r\n\r\n", 400, CLOSED)
row("empty value", VALUE, get(b"X-Y:"), 200, KEPT)
row("blanks around a value", VALUE, get(b"X-Y: \t 1 \t "), 200, KEPT)
row("no blank behind the colon", VALUE, get(b"X-Y:1"), 200, KEPT)
row("a tab in a value", VALUE, get(b"X-Y: 1\t2"), 200, KEPT)
row("bytes above 0x7f in a value", VALUE, get(b"X-Y: \x80\xe4\xff"), 200, KEPT)
for byte in (b"\x00", b"\x01", b"\x08", b"\x0b", b"\x0c", b"\x1f", b"\x7f"):
    row(f"byte {shown(byte)} in a value", VALUE, get(b"X-Y: a" + byte + b"b"), 400, CLOSED)
row("bare CR in a value", "RFC 9112 2.2", get(b"X-Y: a\rb"), 400, CLOSED)
row("bare LF in a value", "RFC 9112 2.2", get(b"X-Y: a\nb: c"), 400, CLOSED)
row("field line ends with LF alone", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: example\nX: 1\r\n\r\n", 400, CLOSED)
row("head ends with LF alone", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: example\r\n\n", 400, CLOSED)
row("head ends with CR and another byte", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: example\r\n\rX", 400, CLOSED)
row("two Content-Types", "RFC 9110 8.3", post(b"Content-Type: a/b", b"Content-Type: c/d"), 400, CLOSED)

# --- limits
row("request line of 4094 bytes", "RFC 9112 3", request(b"GET /path/" + b"a" * 4075 + b" HTTP/1.1"), 200, KEPT)
row("request line of 4200 bytes", "RFC 9112 3", request(b"GET /path/" + b"a" * 4181 + b" HTTP/1.1"), 414, CLOSED)
row("field of 8000 bytes", "RFC 9110 5.4", get(b"X: " + b"a" * 8000), 200, KEPT)
row("field of 9000 bytes", "RFC 9110 5.4", get(b"X: " + b"a" * 9000), 431, CLOSED)
row("100 fields", "RFC 9110 5.4", get(*[b"X-%d: 1" % i for i in range(99)]), 200, KEPT)
row("101 fields", "RFC 9110 5.4", get(*[b"X-%d: 1" % i for i in range(100)]), 431, CLOSED)
row("a head without an end", "RFC 9110 5.4", b"GET / HTTP/1.1\r\nHost: example\r\nX: " + b"a" * 20000, 431, CLOSED)

# --- Content-Length
LENGTH = "RFC 9112 6.3"
row("body of a known length", "RFC 9112 6.2", post(b"Content-Length: 5", body=b"12345"), 200, KEPT)
row("Content-Length of zero", "RFC 9112 6.2", post(b"Content-Length: 0"), 200, KEPT)
row("leading zeros", "RFC 9110 8.6", post(b"Content-Length: 005", body=b"12345"), 200, KEPT)
row("body of a GET", "RFC 9110 9.3.1", get(b"Content-Length: 5", body=b"12345"), 200, KEPT)
row("body of a HEAD", "RFC 9110 9.3.2", request(b"HEAD / HTTP/1.1", b"Content-Length: 3", body=b"abc"), 200, KEPT, heads=(0,))
row("body that looks like a request", "RFC 9112 6.2", post(b"Content-Length: 35", body=b"GET /path/x HTTP/1.1\r\nHost: evil\r\n\r\n"[:35]), 200, KEPT)
for value in (b"-1", b"+5", b"5 5", b"5,5", b"5, 6", b"0x5", b"5a", b"a", b"", b"1.0", b"1e1", b"\xb2", b"5;5", b'"5"', b"5_0"):
    row(f"Content-Length {shown(value)}", LENGTH, post(b"Content-Length: " + value, body=b"12345"), 400, CLOSED)
row("Content-Length past 64 bits", "RFC 9110 8.6", post(b"Content-Length: 18446744073709551621", body=b"12345"), 400, CLOSED)
row("two Content-Lengths that differ", LENGTH, post(b"Content-Length: 5", b"Content-Length: 6", body=b"12345"), 400, CLOSED)
row("two Content-Lengths alike", LENGTH, post(b"Content-Length: 5", b"Content-Length: 5", body=b"12345"), 400, CLOSED)

# --- Transfer-Encoding
CODING, CHUNK = "RFC 9112 6.1", "RFC 9112 7.1"
row("chunked", CHUNK, chunked(b"5\r\n12345\r\n0\r\n\r\n"), 200, KEPT)
row("chunked in other letters", "RFC 9112 7", post(b"Transfer-Encoding: ChUnKeD", body=b"0\r\n\r\n"), 200, KEPT)
row("several chunks", CHUNK, chunked(b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), 200, KEPT)
row("chunk size in upper case", CHUNK, chunked(b"A\r\n0123456789\r\n0\r\n\r\n"), 200, KEPT)
row("chunk size with zeros in front", CHUNK, chunked(b"0005\r\n12345\r\n000\r\n\r\n"), 200, KEPT)
row("chunk extension", "RFC 9112 7.1.1", chunked(b"5;name=value\r\n12345\r\n0;last\r\n\r\n"), 200, KEPT)
row("quoted chunk extension", "RFC 9112 7.1.1", chunked(b'5;name="a b"\r\n12345\r\n0\r\n\r\n'), 200, KEPT)
row("trailers", "RFC 9112 7.1.2", chunked(b"0\r\nX-Sum: 1\r\n\r\n"), 200, KEPT)
for name, body in (("no size", b"\r\n12345\r\n0\r\n\r\n"), ("size that is no number", b"x\r\n12345\r\n0\r\n\r\n"), ("negative size", b"-5\r\n12345\r\n0\r\n\r\n"),
                   ("size with 0x", b"0x5\r\n12345\r\n0\r\n\r\n"), ("size with a plus", b"+5\r\n12345\r\n0\r\n\r\n"), 
                   ("size line with LF alone", b"5\n12345\r\n0\r\n\r\n"), ("data ends with LF alone", b"5\r\n12345\n0\r\n\r\n"), ("data longer than its size", b"4\r\n12345\r\n0\r\n\r\n"),
                   ("data ends without CRLF", b"5\r\n123450\r\n\r\n"), ("blank before the size", b" 5\r\n12345\r\n0\r\n\r\n"), ("CR alone in the size line", b"5\rX\r\n12345\r\n0\r\n\r\n"),
                   ("LF in an extension", b"5;a\nb\r\n12345\r\n0\r\n\r\n"), ("NUL in an extension", b"5;a\x00b\r\n12345\r\n0\r\n\r\n"),
                   ("folded trailer", b"0\r\nX: 1\r\n 2\r\n\r\n"), ("trailer without a name", b"0\r\n: 1\r\n\r\n"), ("trailer ends with LF alone", b"0\r\nX: 1\n\r\n"),
                   ("last chunk with LF alone", b"0\n\r\n"), ("NUL in a trailer", b"0\r\nX: \x00\r\n\r\n")):
    row(f"chunks: {name}", CHUNK, chunked(body), 400, CLOSED)
row("chunks: size past 64 bits", CHUNK, chunked(b"10000000000000005\r\n12345\r\n0\r\n\r\n"), 413, CLOSED)
for value, status in ((b"gzip", 400), (b"identity", 400), (b"chunked, gzip", 400), (b"gzip, chunked", 501), (b"chunked, chunked", 400), (b"xchunked", 400),
                      (b"chunkedx", 400), (b'"chunked"', 400), (b"chunked;q=1", 400), (b"", 400), (b"\x0bchunked", 400), (b"chunked\x00", 400), (b"chun ked", 400)):
    row(f"Transfer-Encoding {shown(value)}", CODING, post(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n"), status, CLOSED)
row("Transfer-Encoding twice", CODING, post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400, CLOSED)
row("Transfer-Encoding with Content-Length", LENGTH, chunked(b"0\r\n\r\n", b"Content-Length: 5"), 400, CLOSED)
row("Content-Length with Transfer-Encoding", LENGTH, post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400, CLOSED)
row("Transfer-Encoding on HTTP/1.0", CODING, request(b"POST /echo HTTP/1.0", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400, CLOSED)
row("Transfer-Encoding with a blank before its colon", "RFC 9112 5.1", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400, CLOSED)

# --- Connection, Expect
row("Connection: close", "RFC 9112 9.6", get(b"Connection: close"), 200, CLOSED)
row("Connection: Close in other letters", "RFC 9110 7.6.1", get(b"Connection: CLOSE"), 200, CLOSED)
row("close in a list", "RFC 9110 7.6.1", get(b"Connection: x, close ,y"), 200, CLOSED)
row("close in the second of two", "RFC 9110 7.6.1", get(b"Connection: x", b"Connection: close"), 200, CLOSED)
row("close beats keep-alive", "RFC 9112 9.3", get(b"Connection: keep-alive, close"), 200, CLOSED)
row("an option that is not close", "RFC 9110 7.6.1", get(b"Connection: closed"), 200, KEPT)
row("Expect: 100-continue", "RFC 9110 10.1.1", post(b"Expect: 100-continue", b"Content-Length: 5", body=b"12345"), (200,), KEPT)
row("another expectation", "RFC 9110 10.1.1", post(b"Expect: 200-ok", b"Content-Length: 5", body=b"12345"), 417, CLOSED)
row("Expect without a body", "RFC 9110 10.1.1", get(b"Expect: 100-continue"), 200, KEPT)
row("Expect on HTTP/1.0", "RFC 9110 10.1.1", request(b"POST /count HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 1", body=b"1"), 200, CLOSED)
row("an Upgrade that is not known", "RFC 9110 7.8", get(b"Connection: upgrade", b"Upgrade: other/1"), 200, KEPT)

# --- several messages, and answers
row("two pipelined requests", "RFC 9112 9.3.2", get() + request(b"GET /path/b HTTP/1.1"), (200, 200), KEPT)
row("twenty pipelined requests", "RFC 9112 9.3.2", b"".join(request(b"GET /path/%d HTTP/1.1" % i) for i in range(20)), (200,) * 20, KEPT)
row("a body and a request behind it", "RFC 9112 9.3.2", post(b"Content-Length: 3", body=b"abc") + get(), (200, 200), KEPT)
row("chunks and a request behind them", "RFC 9112 9.3.2", chunked(b"3\r\nabc\r\n0\r\n\r\n") + get(), (200, 200), KEPT)
row("a bad request behind a good one", "RFC 9112 9.3.2", get() + get(b"Bad Name: 1"), (200, 400), CLOSED)
row("an answer without length", "RFC 9112 6.3", request(b"GET /chunks/2/3 HTTP/1.1"), 200, KEPT)
row("an answer without length to HTTP/1.0", "RFC 9112 6.3", request(b"GET /chunks/2/3 HTTP/1.0", b"Connection: keep-alive"), 200, CLOSED)
row("204 has no body", "RFC 9110 15.3.5", request(b"GET /status/204 HTTP/1.1"), 204, KEPT)
row("304 has no body", "RFC 9110 15.4.5", request(b"GET /status/304 HTTP/1.1"), 304, KEPT)
row("404 keeps the connection", "RFC 9110 15.5.5", request(b"GET /nowhere HTTP/1.1"), 404, KEPT)
