"""The Cloud Storage adapter when things go wrong. What a Cloud Storage that works does is in the contract suite."""

import os
import socket
import traceback
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import requests
from google.auth.credentials import Credentials
from urllib3 import HTTPResponse

from replicator.adapters import gcs, gcs_requests
from replicator.adapters.gcs import GcsDestination, connect
from replicator.adapters.gcs_connections import PIECE
from replicator.adapters.gcs_insert import JOINED_UP_TO
from replicator.adapters.gcs_resource import resource_of
from replicator.dev.cloud_storage import (
    Answer,
    CloudStorageServer,
    Fault,
    Flip,
    Garble,
    LoseAnswer,
    Reset,
    UploadKind,
)
from replicator.errors import DestinationMoved, Permanent, ReplicationError, Transient
from replicator.fidelity import attributes_of
from replicator.model import Attributes, BucketFacts, ContentHeaders, DestinationName, Placement, SourceKey
from replicator.reasons import Reason
from tests.fakes import InMemorySource, crc32c
from tests.servers import cloud_storage, gcs_destination

NAME = DestinationName("replica", "a-telling-name")
DATA = b"some bytes"
ATTRIBUTES = attributes_of(InMemorySource("source").put(SourceKey("source", "k"), DATA), Placement())
SERVERS_TEXT = "A fault that was asked for"


@pytest.fixture(autouse=True)
def _single_requests_are_not_repeated_for_long(monkeypatch):
    short = gcs_requests.RETRY.with_delay(initial=0.001, maximum=0.001).with_timeout(0.05)
    monkeypatch.setattr(gcs_requests, "RETRY", short)


@pytest.fixture(scope="module")
def running() -> Iterator[CloudStorageServer]:
    with cloud_storage("replica") as server:
        yield server


@pytest.fixture(scope="module")
def destination(running) -> GcsDestination:
    return gcs_destination(running.url)


@pytest.fixture
def server(running, destination) -> CloudStorageServer:
    """A server without faults and with one object."""
    running.faults.clear()
    if destination.stat(NAME) is None:
        insert(destination)
    running.requests.clear()
    return running


def insert(destination: GcsDestination, if_generation: int = 0, name: DestinationName = NAME):
    return destination.insert(name, memoryview(DATA), crc32c(DATA), ATTRIBUTES, if_generation)


def test_the_scope_is_one_that_allows_to_patch():
    """`devstorage.read_write` does not; no emulator looks at scopes."""
    assert gcs.SCOPE == "https://www.googleapis.com/auth/devstorage.full_control"


OPERATIONS = {
    "stat": lambda destination, current: destination.stat(NAME),
    "insert": lambda destination, current: insert(destination, current.generation),
    "begin": lambda destination, current: destination.begin(NAME, 10, ATTRIBUTES, current.generation),
    "update_metadata": lambda destination, current: destination.update_metadata(current, ATTRIBUTES),
    "delete": lambda destination, current: destination.delete(current),
    "check": lambda destination, current: destination.check("replica"),
    "compose": lambda destination, current: destination.compose(NAME, [current], ATTRIBUTES, current.generation),
    "list_objects": lambda destination, current: list(destination.list_objects("replica", "")),
    "discard": lambda destination, current: destination.discard(current),
}

STATUSES = [
    (400, Permanent, Reason.DESTINATION_REFUSED),
    (403, Permanent, Reason.DESTINATION_ACCESS_DENIED),
    (405, Permanent, Reason.DESTINATION_REFUSED),
    (408, Transient, Reason.DESTINATION_UNAVAILABLE),
    (409, Transient, Reason.DESTINATION_UNAVAILABLE),
    (429, Transient, Reason.DESTINATION_UNAVAILABLE),
    (500, Transient, Reason.DESTINATION_UNAVAILABLE),
    (502, Transient, Reason.DESTINATION_UNAVAILABLE),
    (503, Transient, Reason.DESTINATION_UNAVAILABLE),
    (504, Transient, Reason.DESTINATION_UNAVAILABLE),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("status", "kind", "reason"), STATUSES)
def test_what_cloud_storage_answers_becomes_one_of_our_errors(server, destination, operation, status, kind, reason):
    current = destination.stat(NAME)
    server.faults.add(Fault(Answer(status), times=None))
    with pytest.raises(kind) as raised:
        OPERATIONS[operation](destination, current)
    assert raised.value.reason is reason
    assert_says_nothing_of_the_request(raised.value)


PLACED = replace(ATTRIBUTES, placement=Placement("NEARLINE", "projects/p/locations/eu/keyRings/r/cryptoKeys/k"))


def writes(attributes: Attributes):
    """Both ways to write an object."""
    return {
        "insert": lambda destination: destination.insert(NAME, memoryview(DATA), crc32c(DATA), attributes, 0),
        "begin": lambda destination: destination.begin(NAME, 10, attributes, 0),
    }


@pytest.mark.parametrize("operation", ["insert", "begin"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, Reason.DESTINATION_ACCESS_DENIED), (400, Reason.DESTINATION_REFUSED)],
    ids=["not allowed to use it", "in another location"],
)
def test_a_kms_key_that_cannot_be_used_is_denied_or_refused(server, destination, operation, status, reason):
    server.faults.add(Fault(Answer(status), path="kmsKeyName=projects%2Fp"))
    with pytest.raises(Permanent) as refused:
        writes(PLACED)[operation](destination)
    assert refused.value.reason is reason
    assert_says_nothing_of_the_request(refused.value)
    assert "cryptoKeys" not in repr(refused.value)


@pytest.mark.parametrize("placement", [Placement("GLACIER"), Placement(kms_key="alias/aws/s3")])
@pytest.mark.parametrize("operation", ["insert", "begin"])
def test_a_placement_that_cloud_storage_does_not_know_is_refused(server, destination, operation, placement):
    with pytest.raises(Permanent) as refused:
        writes(replace(ATTRIBUTES, placement=placement))[operation](destination)
    assert refused.value.reason is Reason.DESTINATION_REFUSED


def test_without_a_key_the_request_names_none(server, destination):
    current = destination.stat(NAME)
    insert(destination, current.generation)
    destination.begin(NAME, 10, ATTRIBUTES, current.generation)
    assert not [request for request in server.requests if "kmsKeyName" in request.path]


def test_a_patch_does_not_speak_of_the_placement():
    """It cannot be changed by one."""
    assert {"storageClass", "kmsKeyName"}.isdisjoint(resource_of(PLACED))


class _Token(Credentials):
    """A token that is renewed as often as is asked for, and never accepted."""

    refreshes = 0

    def refresh(self, request) -> None:
        self.token = "a-token"
        self.refreshes += 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_credentials_that_are_not_accepted_are_a_denied_access(server, destination, operation, monkeypatch):
    current = destination.stat(NAME)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    authorised = GcsDestination(connect(_Token(), pool_size=1))
    server.faults.add(Fault(Answer(401), times=None))
    with pytest.raises(Permanent) as denied:
        OPERATIONS[operation](authorised, current)
    assert denied.value.reason is Reason.DESTINATION_ACCESS_DENIED
    assert_says_nothing_of_the_request(denied.value)
    assert "a-token" not in repr(denied.value)


@pytest.mark.parametrize("error", [AttributeError, KeyError, TypeError, ValueError])
def test_a_token_that_cannot_be_read_is_transient(server, monkeypatch, error):
    """google-auth trusts what it gets for a token server's answer."""

    class Unreadable(_Token):
        def refresh(self, request) -> None:
            raise error("text of an error")

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    with pytest.raises(Transient) as unreadable:
        GcsDestination(connect(Unreadable(), pool_size=1)).stat(NAME)
    assert unreadable.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert unreadable.value.detail == "RefreshError"


def assert_says_nothing_of_the_request(error: ReplicationError) -> None:
    said = f"{error!r} {error} {error.args} {error.detail}"
    assert SERVERS_TEXT not in said
    assert "http" not in said
    assert NAME.name not in said


@pytest.mark.parametrize("operation", ["insert", "begin", "compose", "update_metadata", "delete"])
def test_a_condition_that_failed_is_a_destination_that_moved(server, destination, operation):
    current = destination.stat(NAME)
    server.faults.add(Fault(Answer(412)))
    with pytest.raises(DestinationMoved):
        OPERATIONS[operation](destination, current)


@pytest.mark.parametrize("operation", ["insert", "begin", "check", "list_objects"])
def test_a_404_to_what_makes_objects_is_a_missing_bucket(server, destination, operation):
    current = destination.stat(NAME)
    server.faults.add(Fault(Answer(404), times=None))
    with pytest.raises(Permanent) as missing:
        OPERATIONS[operation](destination, current)
    assert missing.value.reason is Reason.DESTINATION_BUCKET_NOT_FOUND


@pytest.mark.parametrize("operation", ["compose", "update_metadata", "delete"])
def test_a_404_to_what_needs_an_object_is_a_destination_that_moved(server, destination, operation):
    current = destination.stat(NAME)
    server.faults.add(Fault(Answer(404), times=None))
    with pytest.raises(DestinationMoved):
        OPERATIONS[operation](destination, current)


def test_writing_to_a_missing_bucket_says_that_it_is_missing(server, destination):
    for write in (
        lambda: insert(destination, name=DestinationName("missing", "k")),
        lambda: destination.begin(DestinationName("missing", "k"), 10, ATTRIBUTES, 0),
    ):
        with pytest.raises(Permanent) as missing:
            write()
        assert missing.value.reason is Reason.DESTINATION_BUCKET_NOT_FOUND


def test_bytes_that_do_not_match_their_checksum_are_transient_and_nothing_is_written(server, destination):
    name = DestinationName("replica", "corrupt")
    with pytest.raises(Transient) as corrupt:
        destination.insert(name, memoryview(DATA), crc32c(b"other"), ATTRIBUTES, 0)
    assert corrupt.value.reason is Reason.CHECKSUM_MISMATCH
    assert destination.stat(name) is None
    assert server.requests.count("DELETE") == 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_connection_that_breaks_every_time_is_transient(server, destination, operation):
    current = destination.stat(NAME)
    server.faults.add(Fault(Reset(), times=None))
    with pytest.raises(Transient) as broken:
        OPERATIONS[operation](destination, current)
    assert broken.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert_says_nothing_of_the_request(broken.value)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_server_that_is_down_is_transient(server, destination, operation):
    current = destination.stat(NAME)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        down = gcs_destination("http://{}:{}".format(*unused.getsockname()))
        with pytest.raises(Transient) as refused:
            OPERATIONS[operation](down, current)
    assert refused.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert_says_nothing_of_the_request(refused.value)


GARBAGE = [b"<html>a proxy's page</html>", b"", b"[]", b'"text"', b"{}", b'{"generation": "x"}', b"\xff\xfe"]


@pytest.mark.parametrize("operation", ["stat", "insert", "compose", "update_metadata"])
@pytest.mark.parametrize("body", GARBAGE)
def test_an_answer_that_is_no_object_is_transient(server, destination, operation, body):
    current = destination.stat(NAME)
    server.faults.add(Fault(Garble(body), times=None))
    with pytest.raises(Transient) as garbled:
        OPERATIONS[operation](destination, current)
    assert garbled.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert_says_nothing_of_the_request(garbled.value)


@pytest.mark.parametrize("operation", ["delete", "discard"])
def test_a_deletion_that_something_else_has_answered_is_not_done(server, destination, operation):
    """Cloud Storage answers with nothing."""
    current = destination.stat(NAME)
    server.faults.add(Fault(Answer(200), times=None))
    with pytest.raises(Transient) as answered:
        OPERATIONS[operation](destination, current)
    assert answered.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert_says_nothing_of_the_request(answered.value)


def test_a_check_answered_with_garbage_is_transient(server, destination):
    server.faults.add(Fault(Garble(), times=None))
    with pytest.raises(Transient) as garbled:
        destination.check("replica")
    assert garbled.value.reason is Reason.DESTINATION_UNAVAILABLE


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_failure_in_passing_is_repeated_by_the_library(server, destination, operation):
    current = destination.stat(NAME)
    server.faults.add(Fault(Answer(503)))
    OPERATIONS[operation](destination, current)
    assert server.faults.pending == []


def test_an_insert_whose_answer_is_lost_does_not_write_twice(server, destination):
    name = DestinationName("replica", "lost-answer")
    server.faults.add(Fault(LoseAnswer(), method="POST"))
    with pytest.raises(DestinationMoved):
        insert(destination, name=name)
    found = destination.stat(name)
    assert (found.size, found.receipt, found.metageneration) == (len(DATA), ATTRIBUTES.receipt, 1)


def test_a_check_names_the_permissions_that_are_missing(server, destination):
    server.faults.add(Fault(Garble(b'{"permissions": ["storage.objects.create", "storage.objects.get"]}')))
    with pytest.raises(Permanent) as missing:
        destination.check("replica")
    assert missing.value.reason is Reason.DESTINATION_ACCESS_DENIED
    assert missing.value.detail == "missing storage.objects.delete, storage.objects.list, storage.objects.update"


def test_a_destination_that_moved_shows_no_session_uri_in_its_traceback(server, destination):
    current = destination.stat(NAME)
    server.faults.add(Fault(Answer(412)))
    with pytest.raises(DestinationMoved) as moved:
        destination.begin(NAME, 10, ATTRIBUTES, current.generation)
    assert "upload_id" not in "".join(traceback.format_exception(moved.value))


@pytest.mark.parametrize("location", [None, "", "no-url"])
def test_an_upload_without_a_session_is_transient(location):
    answer = HTTPResponse(headers={"Location": location} if location is not None else {}, status=200)
    api = SimpleNamespace(upload_url=lambda *_, **__: "", send=lambda *_, **__: answer, connections=None)
    with pytest.raises(Transient) as garbled:
        GcsDestination(api).begin(NAME, 10, ATTRIBUTES, 0)
    assert garbled.value.reason is Reason.DESTINATION_UNAVAILABLE


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"items": 7}', b'{"items": [{}]}', b'{"items": [7]}'])
def test_a_page_that_is_no_listing_is_transient(server, destination, body):
    server.faults.add(Fault(Garble(body), times=None))
    with pytest.raises(Transient) as garbled:
        list(destination.list_objects("replica", ""))
    assert garbled.value.reason is Reason.DESTINATION_UNAVAILABLE


def test_a_listing_is_fetched_page_by_page_as_it_is_read(server, destination):
    names = [DestinationName("replica", f"many/{number:04}") for number in range(1001)]
    for name in names:
        insert(destination, name=name)
    server.requests.clear()
    found = destination.list_objects("replica", "many/")
    assert server.requests.count("GET") == 0
    first = next(found)
    assert (first.name, first.receipt) == (names[0], ATTRIBUTES.receipt)
    assert server.requests.count("GET") == 1
    assert [first.name, *(each.name for each in found)] == names
    assert server.requests.count("GET", "pageToken=") == 1
    assert server.requests.count("GET") == 2


def test_a_page_in_the_middle_that_fails_once_is_asked_for_again(server, destination):
    server.faults.add(Fault(Answer(503), method="GET", path=r"/o\?"))
    assert NAME in [found.name for found in destination.list_objects("replica", NAME.name)]
    assert server.faults.pending == []


def test_discarding_what_is_gone_or_replaced_is_no_error(server, destination):
    current = destination.stat(NAME)
    replaced = insert(destination, current.generation)
    destination.discard(current)
    assert destination.stat(NAME).generation == replaced.generation
    destination.discard(replaced)
    destination.discard(replaced)
    assert destination.stat(NAME) is None


def test_a_discard_whose_answer_is_lost_is_done(server, destination):
    server.faults.add(Fault(LoseAnswer(), method="DELETE", path="generation="))
    destination.discard(destination.stat(NAME))
    assert destination.stat(NAME) is None


def test_a_part_that_was_damaged_on_its_way_is_refused(server, destination):
    name = DestinationName("replica", "damaged")
    data = bytes(300_000)
    server.faults.add(Fault(Flip(), upload=UploadKind.MULTIPART, path="name=damaged"))
    with pytest.raises(Transient) as damaged:
        destination.insert(name, memoryview(data), crc32c(data), ATTRIBUTES, 0)
    assert damaged.value.reason is Reason.CHECKSUM_MISMATCH
    assert destination.stat(name) is None


@pytest.mark.parametrize("size", [0, 1, JOINED_UP_TO - 2000, JOINED_UP_TO, 2 * PIECE + 1])
@pytest.mark.parametrize("status", [503, 401])
def test_a_body_of_any_size_is_sent_again_as_it_was(server, monkeypatch, size, status):
    """With a new token after a 401."""
    monkeypatch.setattr(
        gcs_requests, "RETRY", gcs_requests.RETRY.with_timeout(30)
    )  # 2 MiB take a busy machine its time
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    credentials = _Token()
    destination = GcsDestination(connect(credentials, pool_size=1))
    name, data = DestinationName("replica", f"again-{size}-{status}"), os.urandom(size)
    server.faults.add(Fault(Answer(status), method="POST"))
    written = destination.insert(name, memoryview(data), crc32c(data), ATTRIBUTES, 0)
    assert (written.size, written.crc32c) == (size, crc32c(data))
    assert server.faults.pending == []
    assert credentials.refreshes == (2 if status == 401 else 1)


TEMPORARY = Attributes(ContentHeaders(), {})


def test_a_temporary_object_has_nothing_but_its_bytes(server, destination):
    name = DestinationName("replica", "temporary")
    part = destination.insert(name, memoryview(DATA), crc32c(DATA), TEMPORARY, 0)
    node = destination.compose(DestinationName("replica", "node"), [part, part], TEMPORARY, 0)
    destination.begin(DestinationName("replica", "session"), 10, TEMPORARY, 0)
    for written in (part, node):
        assert (written.receipt, written.custom_time, written.metadata) == (None, None, {})
        found = requests.get(f"{server.url}/storage/v1/b/replica/o/{written.name.name}", timeout=60).json()
        assert found["contentType"] == "application/octet-stream"
        headers = {"cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "customTime", "metadata"}
        assert headers.isdisjoint(found)


def test_a_bucket_that_we_may_not_look_at_has_no_facts_and_is_not_asked_again_soon(server, running):
    destination = gcs_destination(running.url)
    server.faults.add(Fault(Answer(403), path=r"/b/replica\?"))
    assert [destination.facts("replica") for _ in range(3)] == [None] * 3
    assert server.requests.count("GET", r"/b/replica\?fields=") == 1


@pytest.mark.parametrize(("status", "kind"), [(404, Permanent), (503, Transient), (400, Permanent)])
def test_facts_that_could_not_be_had_are_asked_for_again(server, running, status, kind):
    destination = gcs_destination(running.url)
    server.faults.add(Fault(Answer(status), path=r"/b/replica\?", times=None))
    with pytest.raises(kind):
        destination.facts("replica")
    server.faults.clear()
    assert destination.facts("replica") == BucketFacts("STANDARD")


@pytest.mark.parametrize(
    "settings", [{"retentionPolicy": {"retentionPeriod": "3600"}}, {"defaultEventBasedHold": True}]
)
def test_a_bucket_that_retains_its_objects_refuses_to_lose_them(server, destination, settings):
    bucket = f"retaining-{len(str(settings))}"
    server.create_bucket(bucket, **settings)
    kept = insert(destination, name=DestinationName(bucket, "k"))
    assert destination.facts(bucket).retains
    with pytest.raises(Permanent) as refused:
        destination.discard(kept)
    assert refused.value.reason is Reason.DESTINATION_ACCESS_DENIED
    assert destination.stat(kept.name) == kept
