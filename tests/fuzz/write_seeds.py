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
    ]:
        write(HERE / "corpus" / target, seeds)
    for target, seeds in REGRESSIONS.items():
        write(HERE / "regressions" / target, seeds)


if __name__ == "__main__":
    main()
