"""What only a real connection shows: bodies of a length that was announced, streams, and the end."""

import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest

from replicator.dev.cloud_storage import Faults
from replicator.dev.page import FaultSwitch, Hub, PageServer, Parts
from replicator.dev.page.upload import MAX_BYTES
from replicator.dev.sockets import bind

OBJECT = "/dev/api/object?key=a"


class RecordedBuckets:
    """Takes what is put."""

    def __init__(self) -> None:
        self.objects = {}

    def put(self, key, body, content_type):
        self.objects[key] = (body.read(), content_type)


@pytest.fixture
def buckets():
    return RecordedBuckets()


@pytest.fixture
def hub():
    return Hub(heartbeat=60)


@pytest.fixture
def server(buckets, hub):
    parts = Parts(buckets, FaultSwitch(Faults()), hub, dict, lambda: 0)
    with bind(0) as listener, PageServer(listener, parts) as server:
        yield server


def begin_put(server, **headers):
    """A connection on which everything but the body was sent."""
    host = urlsplit(server.url).netloc
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.putrequest("PUT", OBJECT)
    for name, value in {"Origin": f"http://{host}", **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection


def answer(connection):
    response = connection.getresponse()
    status, body = response.status, json.loads(response.read())
    connection.close()
    return status, body


@pytest.mark.parametrize(
    "body", [b"", b"Hello", bytes(9 * 1024**2)], ids=["empty", "small", "larger than memory holds"]
)
def test_an_upload_arrives_whole(server, buckets, body):
    connection = begin_put(server, Content_Length=len(body))
    connection.send(body)
    assert answer(connection) == (201, {"key": "a", "size": len(body)})
    assert buckets.objects == {"a": (body, "application/octet-stream")}


def test_an_upload_that_breaks_off_changes_nothing(server, buckets):
    connection = begin_put(server, Content_Length=10)
    connection.send(b"12345")
    connection.sock.shutdown(socket.SHUT_WR)
    assert answer(connection)[0] == 400
    assert buckets.objects == {}


def test_an_upload_that_is_too_large_is_refused_before_it_is_sent(server, buckets):
    status, body = answer(begin_put(server, Content_Length=MAX_BYTES + 1))
    assert status == 413
    assert "256 MiB" in body["error"]
    assert buckets.objects == {}


def test_an_upload_of_unknown_length_is_refused(server, buckets):
    connection = begin_put(server, Transfer_Encoding="chunked")
    connection.send(b"5\r\nHello\r\n0\r\n\r\n")
    assert answer(connection)[0] == 411
    assert buckets.objects == {}


def test_outcomes_arrive_as_they_happen_and_the_end_of_the_server_ends_them(buckets, hub):
    parts = Parts(buckets, FaultSwitch(Faults()), hub, dict, lambda: 0)
    ended = threading.Event()
    with bind(0) as listener, PageServer(listener, parts) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        connection.request("GET", "/dev/api/outcomes")
        stream = connection.getresponse()
        assert stream.readline() == b"event: begin\n"
        hub.publish({"result": "created"})
        line = next(line for line in iter(stream.readline, b"") if line.startswith(b'data: {"'))
        assert json.loads(line.removeprefix(b"data: ")) == {"result": "created"}
        reader = threading.Thread(target=lambda: (stream.read(), ended.set()))
        reader.start()
    reader.join(10)
    connection.close()
    assert ended.is_set()
