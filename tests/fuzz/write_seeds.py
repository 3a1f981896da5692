#!/usr/bin/env python3
"""Writes those seeds of the corpora that are not plain bytes of a protocol:  tests/fuzz/write_seeds.py

A seed of session_frames is a program (session_frames_fuzz.cc): four bytes of Stage, then steps. The names below are the operations of
Program::Step, the menus of Request, Response, Trailers and Data, and the actions of Party::Act; whoever changes those changes these, and
runs this.
"""
import pathlib

HERE = pathlib.Path(__file__).parent


def stage(client=False, polite=False, capacity=0, limits=0, budgets=0, plan=0):
    """`capacity`: of the socket, 2 bits for how much it holds, 2 for how much it takes at once. `plan`: TAKES to GIVES_UP."""
    return bytes([client | polite << 1 | capacity << 4, limits, budgets, plan])


TAKES, ECHOES, WAITS, STREAMS, STREAMS_LARGE, HAS_ENOUGH, GIVES_UP = range(7)
END = 4  # of HEADERS
SIZES = [10, 0, 1, 100, 1000, 5000, 16384, 16385, 70000, 2, 3, 500, 9000, 20000, 2000, 65535]


# The peer; `back` counts the streams that were opened from the last one.
def request(menu=0, flags=0):
    return bytes([0, flags, menu])


def response(menu=0, flags=0, back=0):
    return bytes([0, 1 | flags, menu, back])


def trailers(menu=0, back=0, padded=0):
    return bytes([0, 3 | padded, menu, back])


def data(menu=0, end=False, back=0, padding=None):
    return bytes([4, back, menu | end << 3 | (padding is not None) << 4]) + (b"" if padding is None else bytes([padding]))


def reset(code=8, back=0):
    return bytes([8, back, code])


def settings(*which):
    return bytes([9, len(which), *which])


def window(menu=0, back=None):
    return bytes([11, menu << 1 | (back is not None)]) + (b"" if back is None else bytes([back]))


def ping(menu=3, ack=False):
    return bytes([14, menu << 1 | ack])


def goaway(how=0):
    return bytes([15, how])


def other(how, back=0):
    return bytes([16, how, back])


def repeat(times=255):
    return bytes([17, times])


HOLD, STALL = bytes([19]), bytes([20])


def take(n):
    return bytes([22 | 32, n])


def time(menu):
    return bytes([23, menu])


# The application; `back` counts the exchanges from the last one.
def plan(event, action):
    return bytes([24 | 32, 0, event, action])


DRAIN, HANG_UP, CLOSE = bytes([25 | 128]), bytes([26 | 160]), bytes([26 | 224])
ON_HEAD, ON_DATA, ON_TRAILERS, ON_WRITABLE, ON_CLOSED = range(5)


def open_request(end=False):
    return bytes([27, end])


def act(what, size=10, back=0):
    return bytes([29, back, what | SIZES.index(size) << 4])


CONSUME, HEAD, HEAD_END, SEND, SEND_END, IN_PLACE, IN_PLACE_END, TRAILERS, RESET, RELEASE = 1, 3, 4, 5, 6, 7, 8, 9, 11, 12

SMALL_QUEUE = 4  # among `budgets`: a send_queue_budget of 1000
ANSWER_5000 = 15 | SIZES.index(5000) << 4  # a whole response, and RELEASE
WIDE_WINDOW = 4 << 3  # an INITIAL_WINDOW_SIZE of 1000000
NO_WINDOW = 1 << 3
NO_STREAMS, SOME_STREAMS = 1 << 3 | 3, 6 << 3 | 3  # a MAX_CONCURRENT_STREAMS of 0, and of 3

SESSION_FRAMES = {
    "unary": stage(polite=True, plan=WAITS) + request(2) + data(3, end=True) + act(CONSUME) + act(HEAD) + act(SEND, 100)
        + act(TRAILERS) + act(RELEASE),
    "echo": stage(polite=True, plan=ECHOES) + (request() + data(4) + data(5) + trailers()) * 3,
    "download": stage(polite=True, plan=STREAMS_LARGE) + request(1, END) + (window(4) + window(4, back=0)) * 4 + act(TRAILERS, 9000),
    "upload_padded": stage(limits=2 << 2, plan=WAITS) + request() + data(7, padding=200) + act(CONSUME) + data(7, end=True, padding=0)
        + act(HEAD_END),
    "small_windows": stage(polite=True, plan=STREAMS) + settings(NO_WINDOW) + request(0) + request(1) + window(1, 0) + window(7, 1)
        + settings(WIDE_WINDOW),
    "stalled_socket": stage(capacity=1, budgets=2, plan=STREAMS) + STALL + request() + request() + ping() + repeat(15) + take(200)
        + act(SEND_END, 500) + STALL,
    "written_in_crumbs": stage(capacity=2 | 2 << 2, plan=ECHOES) + request(0, 128) + data(3, end=True) + request(10, 128)
        + data(0, end=True),
    "bad_requests": stage(plan=TAKES) + b"".join(request(menu) for menu in (4, 6, 7, 8, 9, 10, 11, 12, 13)) + request(14) + request(17),
    "floods": stage(plan=HAS_ENOUGH) + request() + reset() + repeat() + settings() + repeat(),
    "client": stage(client=True, polite=True, plan=WAITS) + open_request() + act(SEND, 100) + response() + data(4) + act(CONSUME)
        + act(TRAILERS) + trailers(2),
    "client_waits_for_streams": stage(client=True, plan=TAKES) + settings(NO_STREAMS) + open_request() + act(SEND_END, 0)
        + open_request(True) + settings(SOME_STREAMS),
    "client_goaway": stage(client=True, plan=GIVES_UP) + open_request() * 3 + response(0, 0, 2) + goaway(3) + data(0, end=True, back=2)
        + open_request(),
    "client_bad_responses": stage(client=True, plan=TAKES) + b"".join(open_request(True)
        + response(menu) for menu in (3, 5, 6, 7, 8, 9, 10, 230)),
    "drained": stage(polite=True, plan=ECHOES) + request() + DRAIN + request() + data(0, end=True, back=1) + data(0, end=True),
    "idle_for_long": stage(budgets=64, plan=WAITS) + request() + time(3) + time(7) + time(6),
    "hangs_up": stage(plan=STREAMS) + request() + data(3) + HOLD + HANG_UP,
    "priorities": stage(plan=WAITS) + other(1, 255) + request(2) + request() + other(9) + other(18, 1) + act(SEND, 70000)
        + act(SEND, 70000, 1) + window(4),
    "held": stage(polite=True, budgets=SMALL_QUEUE, plan=WAITS) + settings(NO_WINDOW) + plan(ON_HEAD, ANSWER_5000) + request(1, END)
        + request() + data(3) + request(1, END) + request() + trailers(2) + data(0, end=True, back=2) + settings(WIDE_WINDOW),
    "held_ends": stage(budgets=SMALL_QUEUE, plan=WAITS) + settings(NO_WINDOW) + plan(ON_DATA, ANSWER_5000) + request() * 4
        + data(3, back=2) + data(0, end=True, back=3) + data(0, end=True, back=2) + trailers(back=1) + data(0, end=True)
        + act(RESET) + request(1, END) + time(7) + reset(back=4) + settings(WIDE_WINDOW),
    "closed_within": stage(plan=STREAMS) + request() + request() + plan(ON_CLOSED, RELEASE) + act(RESET, back=1) + CLOSE,
}

REGRESSIONS = {
    "session_frames": {
        # Who took OnWritable for its word and tried again in place was told again at once, without end.
        "in_place_more_than_the_connections_window": stage(plan=WAITS) + settings(WIDE_WINDOW) + request() + plan(ON_WRITABLE, IN_PLACE)
        + act(SEND, 16384) * 3 + act(SEND, 9000) + act(SEND, 5000) + act(SEND, 2000) + act(SEND, 100) * 3 + act(IN_PLACE) * 9,
        # The connection's window is spent by one stream; the other's END_STREAM needs none of it, and waited behind it.
        "end_behind_a_spent_connection": stage(plan=WAITS) + settings(WIDE_WINDOW) + request() + request() + act(SEND, 100)
        + act(SEND, 70000, 1)
        + act(SEND_END, 0),
        # One asks for more than the connection's window has, while another waits for the socket with less: the second is told.
        "less_than_the_connections_window_beside_more": stage(capacity=2, budgets=2, plan=WAITS) + settings(WIDE_WINDOW) + request() * 2
        + act(SEND, 16384) * 3 + act(SEND, 9000) + act(SEND, 5000) + act(SEND, 2000) + act(SEND, 100) * 3 + act(IN_PLACE) * 8
        + act(HEAD, back=1) + STALL + (settings() + repeat(15)) * 6 + act(IN_PLACE, 1) + act(IN_PLACE, 10, back=1) + STALL,
        # Who tries in place before MAX_CONCURRENT_STREAMS lets its request go was never told that it may.
        "in_place_before_it_is_opened": stage(client=True, plan=WAITS) + settings(NO_STREAMS) + open_request() + act(IN_PLACE)
        + settings(SOME_STREAMS),
    },
}

FRAME_PARSE = {
    "data_padded": b"\x00\x09\x01\x02abc\x00\x00",
    "headers_priority_padded": b"\x01\x2c\x01\x01\x00\x00\x00\x03\x10\x82\x00",
    "priority_of_itself": b"\x02\x00\x01\x00\x00\x00\x01\x10",
    "reset": b"\x03\x00\x01\x00\x00\x00\x08",
    "settings": b"\x04\x00\x00\x00\x02\x00\x00\x00\x00\x00\x04\x00\x00\xff\xff\x00\x05\x00\x00\x40\x00",
    "settings_ack": b"\x04\x01\x00",
    "push_promise": b"\x05\x0c\x01\x01\x00\x00\x00\x02\x82\x00",
    "ping": b"\x06\x01\x0012345678",
    "goaway": b"\x07\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0bcalm",
    "window_update": b"\x08\x00\x01\x7f\xff\xff\xff",
    "window_update_of_0": b"\x08\x00\x00\x00\x00\x00\x00",
    "priority_update": b"\x09\x00\x00\x00\x00\x00\x03u=1, i",
    "data_large": b"\x00\x01\x03" + b"d" * 250,
    "data_padded_too_much": b"\x00\x08\x01\x05abc",
    "data_without_its_padding": b"\x00\x08\x01",
    "data_on_0": b"\x00\x00\x00abc",
    "headers_priority_short": b"\x01\x20\x01\x00\x00",
    "headers_priority_padded_away": b"\x01\x28\x01\x04\x00\x00\x00\x03\x10\x00",
    "headers_of_itself": b"\x01\x20\x01\x00\x00\x00\x01\x10",
    "priority_exclusive": b"\x02\x00\x01\x80\x00\x00\x03\xff",
    "priority_short": b"\x02\x00\x01\x00",
    "reset_short": b"\x03\x00\x01\x00",
    "settings_on_a_stream": b"\x04\x00\x01",
    "settings_window_too_large": b"\x04\x00\x00\x00\x04\x80\x00\x00\x00",
    "settings_frame_too_small": b"\x04\x00\x00\x00\x05\x00\x00\x3f\xff",
    "settings_unknown": b"\x04\x00\x00\x0a\x0a\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x09\x00\x00\x00\x01",
    "settings_torn": b"\x04\x00\x00\x00\x01\x00",
    "settings_too_many": b"\x04\x00\x00" + b"\x00\x01\x00\x00\x00\x00" * 33,
    "settings_ack_with_a_payload": b"\x04\x01\x00\x00\x01\x00\x00\x00\x00",
    "push_promise_of_0": b"\x05\x04\x01\x00\x00\x00\x00",
    "push_promise_short": b"\x05\x04\x01\x00",
    "ping_short": b"\x06\x00\x001234",
    "goaway_short": b"\x07\x00\x00\x00",
    "window_update_short": b"\x08\x00\x00\x00",
    "window_update_of_0_on_a_stream": b"\x08\x00\x01\x00\x00\x00\x00",
    "priority_update_of_0": b"\x09\x00\x00\x00\x00\x00\x00u=1",
    "priority_update_short": b"\x09\x00\x00\x00",
    "unknown": b"\xf0\x05\x02whatever that is, it is long",
    "block": b"\xf1\x04\x00\x00\x02/a\x01\x06secret\x85name\x85\x05value",
    "block_in_small_frames": b"\xf1\x01\x01\x07\x00\x10/a/path/that/has/\x03\x10application/grpc\x02\x05token",
    "block_of_a_push": b"\xf1\x09\x02\x3f\x00\x02/a\x21x\x02yz",
    "block_of_nothing": b"\xf1\x04\x00",
    "settings_push": b"\x04\x00\x00\x00\x02\x00\x00\x00\x02",
    "reset_refused": b"\x03\x00\x01\x00\x00\x00\x07",
    "reset_calm": b"\x03\x00\x01\x00\x00\x00\x0b",
    "reset_insecure": b"\x03\x00\x01\x00\x00\x00\x0c",
    "reset_on_0": b"\x03\x00\x00\x00\x00\x00\x08",
    "ping_on_a_stream": b"\x06\x00\x0112345678",
}
SNIFFER = {
    "preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "nearly_the_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r.",
    "get": b"GET / HTTP/1.1\r\n",
    "pri_of_http1": b"PRI /a HTTP/1.1\r\n",
    "client_hello": b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03",
    "alert": b"\x15\x03\x01\x00\x02",
    "nothing": b"\x00\x00\x00\x00",
}
TIMEOUT = {
    "hours": b"99999999H",
    "zero": b"0n",
    "seconds": b"5S",
    "too_long": b"123456789S",
    "no_unit": b"1234",
    "negative": b"-1S",
    "milliseconds": b"00000001m",
}
STATUS = {
    "plain": b"5\nnot found",
    "escaped": b"13\n%E2%82%AC 100%25 %zz%4\ndHlwZQ",
    "details": b"3\nbad\nCAMSA2JhZBoA",
    "no_number": b"abc\n",
    "none": b"\n",
    "blanks": b"2\n a ",
    "ok": b"0\nand more",
    "seventeen": b"17\nas yet unknown",
    "long": b"2\n" + b"long enough to be cut % " * 24,
    "message_without_a_number": b"\nwhat it was\n\n200",
    **{"http_" + code: b"\n\n\n" + code.encode() for code in ("400", "401", "403", "404", "429", "503", "500")},
}


def number(n):
    return n.to_bytes(4, "big")


def flow(size, most, *steps, believed=0):
    """`steps`: pairs of what happens, and a number."""
    return number(size) + number(believed << 24 | most) + b"".join(number(n) + bytes([0, what]) for what, n in steps)


TAKE, EXPAND, INITIAL, RECEIVE, CONSUMED, ACK = range(6)
MOST, HALF = 6 * 41, 6 * 32  # added to CONSUMED: how much of the credit is withheld
WITHHELD = 6 * 22  # added to ACK: what the window grows by
FLOW_CONTROL = {
    "grows": flow(0xFFFE, 0x800000, (RECEIVE, 0x8000), (CONSUMED, 0x8000), (ACK, 1000000), (RECEIVE, 0x18000), (CONSUMED, 0x18000),
        (ACK, 9000000)),
    "grows_withheld": flow(0xFFFE, 0x800000, (RECEIVE, 0x8000), (CONSUMED, 0x8000), (ACK + WITHHELD, 1000000), (RECEIVE, 0x4000),
        (CONSUMED + MOST, 0x2000), (CONSUMED + HALF, 0x2000), (CONSUMED, 0)),
    "believed_larger": flow(99, 100, (RECEIVE, 0x10000), (RECEIVE, 1), (CONSUMED, 0x8000), (CONSUMED, 0x8000), believed=64),
    "too_much": flow(99, 100, (RECEIVE, 101), (EXPAND, 0x7FFFFFFF), (INITIAL, 0x7FFFFFFF), (EXPAND, 1)),
    "negative": flow(0xFFFE, 0, (TAKE, 0xFFFF), (INITIAL, 0), (TAKE, 1), (EXPAND, 0x10000), (TAKE, 1)),
}
ENVELOPE = {
    "unknown_flag": b"\x04\x00\x00\x00\x00\x01a\x02\x00\x00\x00\x01b\x00\x00",
    "torn": b"\x02\x00\x00\x00\x00\x63" + b"torn" * 10,
    "limit_of_0": b"\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
    # As messages: of 5000 and 9000 bytes, in pieces of 1000 and 50.
    "large_ones": b"\x4f\x13\x88a\x23\x28\xe1\x00\x00a",
    "large_ones_in_crumbs": b"\x3c\x13\x88a\x23\x28\xe1\x00\x03a",
}


def named(name, value, binary=False, sensitive=False):
    return bytes([len(name)]) + name + bytes([(not binary) | sensitive << 1, len(value)]) + value


METADATA = {
    "content_type": b"\x1fApplication/GRPC+proto ; a=\"b\"",
    "content_type_grpc": b"\x10application/grpc",
    "content_type_web": b"\x14application/grpc-web",
    "content_type_other": b"\x09text/html",
    "twice": b"\x00" + named(b"X-Key", b" one ") + named(b"x-key", b"two", sensitive=True) + named(b"X-KEY", b"", binary=True),
    "reserved": b"\x00" + b"".join(named(name, b"v")
        for name in (b"grpc-x", b"te", b"Host", b"user-agent", b"connection", b"content-type")),
    "malformed": b"\x00" + named(b"", b"v") + named(b"a b", b"v") + named(b":path", b"v") + named(b"a", b"\n") + named(b"b", b"\xc3\xa9"),
    "binary_list": b"\x00" + named(b"a", b"AAEC,,AAECAw==", binary=True) + named(b"b", b" AAEC , AA", binary=True, sensitive=True),
    "binary_list_of_many": b"\x00" + named(b"a", b"," * 70, binary=True),
    "not_base64": b"\x00" + named(b"ok", b"v") + named(b"a", b"A", binary=True),
    "without_a_status": b"\x00" + named(b"grpc-message", b"lost"),
}
UPDATE_TO_0, INDEXED_GET = b"\x20", b"\x82"
HPACK = {
    "limits": b"\x05" + b"\x82" * 30,
    "large_value": b"\x24\xa0\x82",
    "large_values_and_indices": b"\x2f\x14" + b"\xbe" * 3 + b"\x82" * 97 + b"\x14\xbf\xbe",
    "string_too_long": b"\x01\x00\x7f\x82\xff\x03",
    "not_huffman": b"\x02\x00\x81\xff\x81\x00",
    "eos": b"\x02\x00\x01n\x84\xff\xff\xff\xff",
    "no_such_index": b"\x02\xff\x10",
    "update_behind_a_field": b"\x02" + INDEXED_GET + UPDATE_TO_0,
    "update_too_large": b"\x02\x3f\xe2\x1f",
    # Bytes that say what becomes of the tables (hpack_fuzz.cc), and blocks of 100 bytes.
    "table_lowered": b"\x12\x03" + UPDATE_TO_0 + INDEXED_GET * 99 + b"\x00" + INDEXED_GET,
    "table_lowered_and_not_told": b"\x12\x03" + INDEXED_GET,
    "table_of_ours_lowered_and_raised": b"\x12\x00" + b"\x40\x01a\x01b" * 20 + b"\x3c" + b"\x40\x01c\x01d" * 20 + b"\x10\xbe",
    # "x: y", then of that name and of a name of the static table; names that are not indexed when they are sent again.
    "names_indexed": b"\x03\x40\x01x\x01y\x7e\x01z\x0f\x2f\x01w\x54\x01h\x10\x0cgrpc-timeout\x011\x10\x17grpc-status-details-bin\x00",
    # The name of the newest field again and again, while the table's memory grows.
    "name_in_a_table_that_grows": b"\x00\x40\x01x\x2e" + b"v" * 46 + (b"\x7e\x30" + b"v" * 48) * 12,
    "names_that_vary": b"\x00" + b"".join(b"\x00" + bytes([len(name)]) + name + b"\x011"
        for name in (b"age", b"date", b"etag", b"grpc-message", b"grpc-timeout", b"content-length", b"grpc-status-details-bin")),
    "found_again": b"\x00\x40\x01a\x01b\x40\x01b\x01a" + b"\xbf\xbe" * 10,
    # 0x00, 0xff and "|", of 13, 26 and 15 bits.
    "huffman_long_codes": b"\x01\x00\x01n\x87\xff\xc7\xff\xff\xee\xff\xfc",
    "small_table_of_ours": b"\x42" + b"".join(b"\x40\x01" + bytes([97 + i]) + b"\x01b" for i in range(20)),
}


def written(status=200, how=0, length=0, fields=b"", text=b"", trailers=b"", chunks=b""):
    """What http1 writes, behind the first byte; `how`: ResponseFraming's body, and 4 times its connection."""
    return (b"\x02" + number(status - 100)[2:] + bytes([how, length]) + fields + b"\x00" + bytes([len(text)]) + text + trailers
        + b"\x00" + chunks)


def head(*lines, end=b""):
    return b"".join(line + b"\r\n" for line in (*lines, b"")) + end


def get(*lines, target=b"/", method=b"GET", version=b"1.1", end=b""):
    return head(method + b" " + target + b" HTTP/" + version, b"Host: h", *lines, end=end)


# Numbers of names in TakeFields, and lengths.
OWN_FIELDS = (b"".join(bytes([n, 1]) + b"7" for n in range(1, 12)) + b"\x0dx-of-our-own!\x03abc" + b"\x0cbad name her\x01v"
    + b"\x0dCapital-Names\x02\x0d\x0a")
HEAD_OF, CONNECT_OF, HTTPS = 16, 32, 128
HTTP1 = {
    "pipelined": b"\x06" + get(b"Content-Length: 3", method=b"POST", end=b"abc") + get(b"Transfer-Encoding: chunked", method=b"PUT",
        end=b"3\r\nabc\r\n0\r\nA: b\r\n\r\n") + b"\r\n" + get(b"Connection: close, x"),
    "pipelined_chunks": b"\x06" + get(b"Transfer-Encoding: chunked", end=b"0\r\nA: b\r\n\r\n") * 2
        + get(b"Transfer-Encoding: chunked", end=b"\r\n\r\n"),
    "pipelined_empty_lines": b"\x06" + (b"\r\n\r\n" + get()) * 2,
    "expects": b"\x02" + get(b"Expect: 100-continue", b"Content-Length: 1", method=b"PUT", end=b"a"),
    "expects_else": b"\x02" + get(b"Expect: a miracle"),
    "options": b"\x02" + get(target=b"*", method=b"OPTIONS") + get(target=b"http://h", method=b"OPTIONS") + get(target=b"*"),
    "absolute_query": b"\x02" + get(target=b"HTTP://[::1]:80?q") + get(target=b"ftp://h/"),
    "absolute_https": bytes([HTTPS]) + get(target=b"https://h/x") + get(target=b"http://h/"),
    "absolute_of_no_host": b"\x02" + get(target=b"http://:80/"),
    "not_absolute": b"\x02" + get(target=b"x/y"),
    "old_kept_alive": b"\x02" + get(b"Connection: Keep-Alive", version=b"1.0") + get(version=b"1.0") + get(version=b"1.2"),
    "connect_with_a_body": b"\x02" + get(b"Content-Length: 1", method=b"CONNECT", target=b"h:1"),
    "connect_nowhere": b"\x02" + get(method=b"CONNECT", target=b"h:99999"),
    "a_very_long_name": b"\x02" + get(b"A" * 70 + b": b", b"Set-Cookie: a", b"Set-Cookie: b"),
    "lengths_twice": b"\x02" + get(b"Content-Length: 1", b"Content-Length: 1"),
    "length_and_coding": b"\x02" + get(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
    "chunked_twice": b"\x02" + get(b"Transfer-Encoding: chunked, chunked"),
    "unknown_coding": b"\x02" + get(b"Transfer-Encoding: gzip"),
    "coding_of_nothing": b"\x02" + get(b"Transfer-Encoding: ,"),
    "old_and_chunked": b"\x02" + get(b"Transfer-Encoding: chunked", version=b"1.0"),
    "hosts_twice": b"\x02" + get(b"Host: h"),
    "no_colon": b"\x02" + get(b"no colon"),
    "blank_in_a_name": b"\x02" + get(b"a b: c"),
    "control_in_a_value": b"\x02" + get(b"a: \x01"),
    "too_many_fields": b"\x02" + get(*[b"a: b"] * 10),
    "too_long_fields": b"\x02" + get(b"a: " + b"b" * 500),
    "too_long_a_target": b"\x02" + get(target=b"/" + b"a" * 200),
    "fragment_in_the_target": b"\x02" + get(target=b"/#"),
    "version_malformed": b"\x02" + get(version=b"x"),
    "no_host": b"\x02" + head(b"GET / HTTP/1.1"),
    "two_hosts_in_one": b"\x02" + head(b"GET / HTTP/1.1", b"Host: a,b"),
    "address_unclosed": b"\x02" + head(b"GET / HTTP/1.1", b"Host: [::1"),
    "address_with_more": b"\x02" + head(b"GET / HTTP/1.1", b"Host: [::1]x"),
    "address_malformed": b"\x02" + head(b"GET / HTTP/1.1", b"Host: [x y]"),
    "no_target": b"\x02" + head(b"GET /"),
    "method_malformed": b"\x02" + head(b"G(T / HTTP/1.1"),
    "bare_lf": b"\x02" + b"GET / HTTP/1.1\nHost: h\n\n",
    "empty_lines": b"\x02" + b"\r\n\r\n\r\n",
    "response": b"\x02" + head(b"HTTP/1.1 200 OK", b"Content-Length: 5"),
    "response_after_hints": b"\x02" + head(b"HTTP/1.1 103 Early Hints", b"Link: a") + head(b"HTTP/1.1 200", b"Content-Length: 0"),
    "response_chunked": b"\x02" + head(b"HTTP/1.1 404 Not Found", b"Transfer-Encoding: chunked"),
    "response_until_close": b"\x02" + head(b"HTTP/1.0 200 OK", b"Connection: keep-alive"),
    "response_not_modified": b"\x02" + head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"),
    "response_of_no_content": b"\x02" + head(b"HTTP/1.1 204 No Content"),
    "response_to_head": bytes([HEAD_OF]) + head(b"HTTP/1.1 200 OK", b"Content-Length: x"),
    "response_to_connect": bytes([CONNECT_OF]) + head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"),
    "response_length_malformed": b"\x02" + head(b"HTTP/1.1 200 OK", b"Content-Length: x"),
    "response_status_malformed": b"\x02" + head(b"HTTP/1.1 099 No"),
    "response_status_too_long": b"\x02" + head(b"HTTP/1.1 2000"),
    "response_control_in_the_reason": b"\x02" + head(b"HTTP/1.1 200 \x01"),
    "response_of_another_version": b"\x02" + head(b"HTTP/2.0 200 OK"),
    "chunk_of_no_size": b"\x02" + b";a\r\n",
    "chunk_not_hexadecimal": b"\x02" + b"g\r\n",
    "chunk_of_nothing": b"\x02" + b"\r\n",
    "chunk_size_bare_cr": b"\x02" + b"1\rx",
    "chunk_too_long": b"\x02" + b"1\r\nabc",
    "chunk_bare_cr": b"\x02" + b"1\r\na\rb",
    "chunk_extension_with_a_control": b"\x02" + b"1;\x01\r\n",
    "chunk_size_too_long": b"\x02" + b"1234567890123456\r\n",
    "chunk_extensions_too_long": b"\x02" + b"1;" + b"e" * 60 + b"\r\n",
    "trailer_host": b"\x02" + b"0\r\nHost: h\r\n\r\n",
    "trailer_malformed": b"\x02" + b"0\r\nbad\r\n\r\n",
    "trailer_bare_lf": b"\x02" + b"0\r\na: b\n\r\n",
    "trailers_too_long": b"\x02" + b"0\r\na: " + b"b" * 100 + b"\r\n",
    "too_many_trailers": b"\x02" + b"0\r\n" + b"a: b\r\n" * 6 + b"\r\n",
    "trailer_te": b"\x02" + b"0\r\nTE: a\r\n\r\n",
    "written": written(how=2, length=9, fields=OWN_FIELDS, text=b"why", trailers=OWN_FIELDS, chunks=b"\x05hello\x01a"),
    "written_as_given": written(status=304, how=1 | 1 << 2, fields=b"\x01\x023x"),
    "written_chunked": written(status=999, how=3 | 2 << 2, fields=OWN_FIELDS, trailers=b"\x07\x01a" * 3),
    "written_upgrade": written(status=101, how=3 << 2, fields=b"\x0a\x01a"),
}


def write(directory, seeds):
    directory.mkdir(parents=True, exist_ok=True)
    for name, seed in seeds.items():
        (directory / name).write_bytes(seed)


def main():
    for target, seeds in [
        ("session_frames", SESSION_FRAMES),
        ("frame_parse", FRAME_PARSE),
        ("sniffer", SNIFFER),
        ("timeout", TIMEOUT),
        ("status", STATUS),
        ("flow_control", FLOW_CONTROL),
        ("envelope", ENVELOPE),
        ("metadata", METADATA),
        ("hpack", HPACK),
        ("http1", HTTP1),
    ]:
        write(HERE / "corpus" / target, seeds)
    for target, seeds in REGRESSIONS.items():
        write(HERE / "regressions" / target, seeds)


if __name__ == "__main__":
    main()
