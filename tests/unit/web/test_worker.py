"""What gunicorn would say of itself, and for how long it would wait. Over a real gunicorn:
tests/proof/test_hostile_http.py."""

import json
import logging
import socket
import threading
import time

import pytest
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.workers.gthread import TConn

from replicator.web import worker
from replicator.web.worker import Worker

SECRET = "do-not-show-this"
SECONDS = 10


@pytest.fixture
def pair():
    """Our end of a connection, and the peer's."""
    ours, peers = socket.socketpair()
    with ours, peers:
        yield ours, peers


@pytest.fixture
def threads():
    """A worker that was not started."""
    config = Config()
    config.set("worker_class", Worker)
    config.set("threads", 2)
    made = Worker(0, 0, [], None, 0, config, logging.getLogger("gunicorn.error"))
    yield made
    made.tmp.close()


def answer_to(threads, pair, error: Exception) -> tuple[str, dict]:
    ours, peers = pair
    threads.handle_error(None, ours, ("127.0.0.1", 1), error)
    ours.close()
    head, _, body = b"".join(iter(lambda: peers.recv(65536), b"")).partition(b"\r\n\r\n")
    assert b"Connection: close\r\n" in head
    assert b"Content-Type: application/problem+json\r\n" in head
    assert f"Content-Length: {len(body)}".encode() in head
    return head.split(b"\r\n")[0].decode(), json.loads(body)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidRequestLine(SECRET), 400),
        (errors.InvalidHeader(SECRET), 400),
        (errors.UnsupportedTransferCoding(SECRET), 400),
        (errors.ConfigurationProblem(SECRET), 400),
        (errors.LimitRequestLine(9, 9), 414),
        (errors.ExpectationFailed(SECRET), 417),
        (errors.LimitRequestHeaders(SECRET), 431),
    ],
)
def test_what_is_no_request_is_refused_as_a_problem_that_does_not_repeat_it(threads, pair, caplog, error, status):
    line, problem = answer_to(threads, pair, error)
    assert line.startswith(f"HTTP/1.1 {status} ")
    assert (problem["status"], problem["reason"]) == (status, "request_malformed")
    assert SECRET not in json.dumps(problem) + caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("error", [RuntimeError(SECRET), errors.InvalidResponseHeader(SECRET)])
def test_what_nobody_foresaw_is_ours_and_is_not_explained_to_the_peer(threads, pair, caplog, error):
    line, problem = answer_to(threads, pair, error)
    assert line.startswith("HTTP/1.1 500 ")
    assert problem["reason"] == "unexpected"
    assert SECRET not in json.dumps(problem) + caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_an_answer_that_nobody_takes_any_more_is_no_error_of_ours(threads, pair, caplog):
    ours, peers = pair
    peers.close()
    threads.handle_error(None, ours, ("127.0.0.1", 1), errors.InvalidHeader("x"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_peer_that_stops_in_the_middle_is_waited_for_only_so_long(monkeypatch, pair):
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.2)
    ours, peers = pair
    reader = worker._Impatient(ours)
    reader.begin()
    peers.sendall(b"some")
    assert reader.chunk() == b"some"
    started = time.monotonic()
    with pytest.raises(errors.NoMoreData):
        reader.chunk()
    assert time.monotonic() - started < 5


def test_a_peer_that_sends_byte_by_byte_does_not_get_more_time_for_it(monkeypatch, pair):
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.0)
    ours, peers = pair
    reader = worker._Impatient(ours)
    reader.begin()
    peers.sendall(b"a")
    assert reader.chunk() == b"a", "what is already here is read"
    with pytest.raises(errors.NoMoreData):
        reader.chunk()
    reader.begin()
    peers.sendall(b"b")
    assert reader.chunk() == b"b", "the next request has its own time"


@pytest.fixture
def conn(monkeypatch, pair, threads):
    """A connection that was accepted, and answered with what is asked for, while nobody has much patience."""
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(threads.log, "access", lambda *given: None, raising=False)
    threads.alive = True
    threads.wsgi = lambda environ, start: (start("200 OK", [("Content-Length", "2")]), [b"ok"])[1]
    return TConn(threads.cfg, pair[0], ("127.0.0.1", 1), ("127.0.0.1", 2))


def handled(threads, conn) -> object:
    """What `Worker.handle` returns; after `SECONDS` the connection is taken from it, and it took too long."""
    taken = threading.Timer(SECONDS, conn.sock.shutdown, [socket.SHUT_RDWR])
    taken.start()
    started = time.monotonic()
    try:
        return threads.handle(conn)
    finally:
        taken.cancel()
        assert time.monotonic() - started < SECONDS


def test_half_a_request_is_waited_for_only_so_long(threads, pair, conn):
    pair[1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert handled(threads, conn) is False
    assert isinstance(conn.parser.unreader, worker._Impatient)


def test_each_request_of_a_connection_has_its_own_time(monkeypatch, threads, pair, conn):
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 60)
    for _ in range(2):
        pair[1].sendall(b"GET / HTTP/1.1\r\n")
        rest = threading.Timer(0.05, pair[1].sendall, [b"Host: x\r\n\r\n"])
        rest.start()
        assert handled(threads, conn) is True
        rest.join()
        assert pair[1].recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        conn.parser.unreader._until = 0.0  # its time is over


def test_an_answer_that_is_not_read_is_not_sent_for_ever(threads, pair, conn, caplog):
    size = 16 * 1024**2
    threads.wsgi = lambda environ, start: (start("200 OK", [("Content-Length", str(size))]), [bytes(size)])[1]
    pair[1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert handled(threads, conn) is False
    assert not caplog.records
