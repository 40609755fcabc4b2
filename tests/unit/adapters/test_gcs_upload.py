"""A resumable upload when network and Cloud Storage fail: nothing is lost, doubled, or told to strangers."""

import os
import traceback
from collections.abc import Iterator
from threading import Event

import pytest
from urllib3 import HTTPResponse

from replicator.adapters import gcs_connections
from replicator.adapters.gcs import GcsDestination
from replicator.adapters.gcs_upload import GcsUploadSession
from replicator.dev.cloud_storage import (
    Answer,
    CloudStorageServer,
    Fault,
    Garble,
    LoseAnswer,
    PersistAtMost,
    Reset,
    Stall,
    UploadKind,
)
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.fidelity import attributes_of
from replicator.model import DestinationName, Placement, SourceKey
from replicator.reasons import Reason
from tests.fakes import InMemorySource, crc32c
from tests.servers import cloud_storage, gcs_destination

UNIT = 256 * 1024
DATA = os.urandom(3 * UNIT + 5)
END = 3 * UNIT
TAIL = DATA[END:]
NAME = DestinationName("replica", "k")
ATTRIBUTES = attributes_of(InMemorySource("source").put(SourceKey("source", "k"), DATA), Placement())


@pytest.fixture
def server() -> Iterator[CloudStorageServer]:
    with cloud_storage("replica") as server:
        yield server


@pytest.fixture
def destination(server) -> GcsDestination:
    return gcs_destination(server.url)


@pytest.fixture
def session(destination):
    return destination.begin(NAME, len(DATA), ATTRIBUTES, 0)


def append(session, offset: int = 0, end: int = END) -> int:
    return session.append(
        offset, end - offset, iter([memoryview(DATA)[offset : offset + 7], memoryview(DATA)[offset + 7 : end]])
    )


def finish(session):
    return session.finish(END, TAIL, crc32c(DATA))


def arm(server: CloudStorageServer, action, upload: UploadKind | None = UploadKind.CHUNK, **settings) -> None:
    server.faults.add(Fault(action, upload=upload, **settings))


def assert_visible(destination: GcsDestination, written) -> None:
    """Exactly what was uploaded is visible, written once."""
    found = destination.stat(NAME)
    assert (found.generation, found.metageneration) == (written.generation, 1)
    assert (found.size, found.crc32c, found.receipt) == (len(DATA), crc32c(DATA), ATTRIBUTES.receipt)


# --- Sending ----------------------------------------------------------------------------------------------------------


def test_all_bytes_that_were_sent_are_held(session, destination):
    assert append(session) == END
    assert_visible(destination, finish(session))


@pytest.mark.parametrize(("received", "held"), [(0, 0), (UNIT - 1, 0), (UNIT + 100, UNIT), (2 * UNIT, 2 * UNIT)])
def test_after_a_reset_in_the_middle_the_upload_resumes_where_cloud_storage_is(
    server, session, destination, received, held
):
    arm(server, Reset(after_bytes=received))
    assert append(session) == held
    assert append(session, held) == END
    assert_visible(destination, finish(session))


def test_an_answer_that_is_lost_is_asked_for(server, session, destination):
    arm(server, LoseAnswer())
    assert append(session) == END
    assert_visible(destination, finish(session))


@pytest.mark.parametrize("held", [0, UNIT, 2 * UNIT])
def test_bytes_that_were_not_kept_are_sent_again(server, session, destination, held):
    arm(server, PersistAtMost(held))
    assert append(session) == held
    assert append(session, held) == END
    assert_visible(destination, finish(session))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_after_a_failure_that_passes_the_session_says_where_it_is(server, session, destination, status):
    arm(server, Answer(status))
    assert append(session) == 0
    assert append(session) == END
    assert_visible(destination, finish(session))


def test_a_server_that_stops_reading_is_not_waited_for_longer_than_the_time_out(
    server, session, destination, monkeypatch
):
    monkeypatch.setattr(gcs_connections, "TIMEOUT", (0.3, 0.3))
    go_on = Event()
    arm(server, Stall(until=go_on, after_bytes=UNIT))
    held = append(session)
    go_on.set()
    assert held < END
    assert append(session, held) == END
    assert_visible(destination, finish(session))


@pytest.mark.parametrize("action", [Reset(), Answer(503)])
def test_a_session_that_cannot_even_be_asked_is_transient(server, session, action):
    arm(server, action, upload=None, times=None)
    with pytest.raises(Transient) as broken:
        append(session)
    assert broken.value.reason is Reason.DESTINATION_UNAVAILABLE


def test_a_session_that_is_gone_is_transient(session):
    session.cancel()
    with pytest.raises(Transient) as gone:
        append(session)
    assert gone.value.reason is Reason.DESTINATION_UNAVAILABLE


STATUSES = [
    (401, Permanent, Reason.DESTINATION_ACCESS_DENIED),
    (403, Permanent, Reason.DESTINATION_ACCESS_DENIED),
    (404, Transient, Reason.DESTINATION_UNAVAILABLE),
    (410, Transient, Reason.DESTINATION_UNAVAILABLE),
    (499, Transient, Reason.DESTINATION_UNAVAILABLE),
]


@pytest.mark.parametrize("request_", [append, finish])
@pytest.mark.parametrize(("status", "kind", "reason"), STATUSES)
def test_what_ends_a_session_becomes_one_of_our_errors(server, session, request_, status, kind, reason):
    if request_ is finish:
        append(session)
    arm(server, Answer(status))
    with pytest.raises(kind) as raised:
        request_(session)
    assert raised.value.reason is reason


def test_bytes_are_asked_for_as_they_are_sent_and_not_before(session):
    asked = []

    def chunks():
        for start in range(0, END, UNIT):
            asked.append(start)
            yield memoryview(DATA)[start : start + UNIT]

    iterator = chunks()
    assert asked == []
    assert session.append(0, END, iterator) == END
    assert asked == [0, UNIT, 2 * UNIT]


# --- Finishing --------------------------------------------------------------------------------------------------------


def test_an_object_whose_answer_was_lost_is_found_and_written_once(server, session, destination):
    append(session)
    arm(server, LoseAnswer())
    assert_visible(destination, finish(session))
    assert server.requests.count("PUT") == 3  # the bytes, the last bytes, the question


def test_an_object_whose_answers_are_lost_twice_is_found_all_the_same(server, session, destination):
    append(session)
    arm(server, LoseAnswer())
    arm(server, LoseAnswer(), UploadKind.QUERY)
    assert_visible(destination, finish(session))


@pytest.mark.parametrize("action", [Reset(), Answer(503), Answer(429)])
def test_last_bytes_that_did_not_arrive_are_sent_again(server, session, destination, action):
    append(session)
    arm(server, action)
    assert_visible(destination, finish(session))
    assert server.faults.pending == []


def test_last_bytes_of_which_some_arrived_are_completed(server, session, destination):
    assert append(session, 0, UNIT) == UNIT
    arm(server, PersistAtMost(UNIT))
    assert_visible(destination, session.finish(UNIT, DATA[UNIT:], crc32c(DATA)))


def test_a_finish_that_never_succeeds_is_transient_and_nothing_is_visible(server, session, destination):
    append(session)
    arm(server, Reset(), upload=None, times=None)
    with pytest.raises(Transient) as broken:
        finish(session)
    server.faults.clear()
    assert broken.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert destination.stat(NAME) is None


def test_a_winner_at_the_finish_is_not_covered(server, session, destination):
    append(session)
    winner = destination.insert(NAME, memoryview(b"won"), crc32c(b"won"), ATTRIBUTES, 0)
    with pytest.raises(DestinationMoved):
        finish(session)
    assert destination.stat(NAME).generation == winner.generation


def test_an_object_that_went_away_before_the_finish_is_a_destination_that_moved(destination):
    current = destination.insert(NAME, memoryview(b"old"), crc32c(b"old"), ATTRIBUTES, 0)
    session = destination.begin(NAME, len(DATA), ATTRIBUTES, current.generation)
    append(session)
    destination.delete(current)
    with pytest.raises(DestinationMoved):
        finish(session)
    assert destination.stat(NAME) is None


def test_another_checksum_is_transient_and_nothing_is_visible(session, destination):
    append(session)
    with pytest.raises(Transient) as corrupt:
        session.finish(END, TAIL, crc32c(b"other"))
    assert corrupt.value.reason is Reason.CHECKSUM_MISMATCH
    assert destination.stat(NAME) is None


@pytest.mark.parametrize("body", [b"<html>a proxy's page</html>", b"", b"[]", b"{}", b"\xff"])
def test_an_answer_that_is_no_object_is_transient(server, session, body):
    append(session)
    arm(server, Garble(body))
    with pytest.raises(Transient) as garbled:
        finish(session)
    assert garbled.value.reason is Reason.DESTINATION_UNAVAILABLE


class Answers:
    """Answers each request with the next of these statuses and `Range` headers."""

    def __init__(self, *answers: tuple[int, str | None]) -> None:
        self.answers = list(answers)
        self.ranges: list[str] = []
        self.hashes: list[str | None] = []

    def send(self, method, url, headers, body=None, timeout=None):
        self.ranges.append(headers["Content-Range"])
        self.hashes.append(headers.get("X-Goog-Hash"))
        status, held = self.answers.pop(0)
        return HTTPResponse(b"{}", {} if held is None else {"Range": held}, status)


def answered(*answers: tuple[int, str | None]) -> tuple[GcsUploadSession, Answers]:
    http = Answers(*answers)
    return GcsUploadSession(http, "https://localhost/?upload_id=x", NAME, len(DATA)), http


@pytest.mark.parametrize(
    ("header", "held"),
    [("bytes=0-262143", UNIT), ("bytes=0-0", 1), (None, 0), ("", 0), ("bytes=5-9", 0), ("nonsense", 0)],
)
def test_what_is_held_is_the_end_of_the_range_or_nothing(header, held):
    session, http = answered((308, header))
    assert append(session) == held
    assert http.ranges == [f"bytes 0-{END - 1}/{len(DATA)}"]


def test_a_session_that_lost_bytes_before_the_last_ones_cannot_finish():
    session, http = answered((308, "bytes=0-262143"))
    with pytest.raises(Transient) as lost:
        finish(session)
    assert lost.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert len(http.ranges) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_whatever_may_finish_an_upload_carries_its_checksum(status):
    """Asking for the state of an upload that has all its bytes finishes it."""
    session, http = answered((status, None), (308, f"bytes=0-{len(DATA) - 1}"), (404, None))
    with pytest.raises(Transient):
        finish(session)
    assert http.ranges == [f"bytes {END}-{len(DATA) - 1}/{len(DATA)}", f"bytes */{len(DATA)}", f"bytes */{len(DATA)}"]
    assert len(set(http.hashes)) == 1
    assert http.hashes[0].startswith("crc32c=")


def test_a_finish_does_not_try_for_ever():
    session, http = answered(*[(308, f"bytes=0-{END - 1}")] * 10)
    with pytest.raises(Transient):
        finish(session)
    assert http.ranges == [f"bytes {END}-{len(DATA) - 1}/{len(DATA)}"] * 3


# --- The session's URI is a secret ------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [Answer(401), Answer(404), Answer(410), Answer(412), Answer(503), Reset(), Garble()])
@pytest.mark.parametrize("request_", [append, finish])
def test_no_error_shows_the_session_uri(server, session, request_, action):
    if request_ is finish:
        append(session)
    arm(server, action, upload=None, times=None)
    try:
        request_(session)
    except Exception as error:
        said = [*traceback.format_exception(error)]
        link: BaseException | None = error
        while link is not None:
            said += [str(link), repr(link), repr(link.args)]
            link = link.__cause__ or link.__context__
        assert not [text for text in said if upload_id(server) in text or "upload_id" in text]
    else:
        # Sending does not look into the answer's body.
        assert isinstance(action, Garble)


def test_nothing_that_is_printed_of_a_session_shows_its_uri(server, session):
    append(session)
    assert upload_id(server) not in f"{session} {session!r}"


def test_a_cancelled_session_is_deleted_by_its_uri_and_a_failure_to_do_so_is_nothing(server, session):
    session.cancel()
    assert server.requests.count("DELETE") == 1
    server.stop()
    session.cancel()


def upload_id(server: CloudStorageServer) -> str:
    (found,) = {
        request.query.partition("upload_id=")[2] for request in server.requests if "upload_id=" in request.query
    }
    assert len(found) > 20
    return found
