"""Google's certificates: how long they are kept, when they are asked for again, and what holds while that fails."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from replicator.adapters import google_certificates
from replicator.adapters.google_certificates import (
    ASK_AGAIN_SECONDS,
    MAX_AGE_SECONDS,
    STALE_SECONDS,
    Certificates,
    KeptCertificates,
    fetch,
)
from replicator.errors import Transient
from replicator.reasons import Reason
from tests.google_keys import signing_key
from tests.identity_servers import CertificateServer, running

MAX_AGE = 600
DOWN = Transient(Reason.CERTIFICATES_UNAVAILABLE, "the fetch's own words")


class Google:
    """What is asked: `certificates`, or an error to raise. `before` runs within each asking."""

    def __init__(self, *key_ids: str) -> None:
        self.answer: Certificates | Transient = self.with_keys(*key_ids)
        self.asked = 0
        self.before = lambda: None

    @staticmethod
    def with_keys(*key_ids: str) -> Certificates:
        return Certificates({key_id: f"certificate of {key_id}" for key_id in key_ids}, MAX_AGE)

    def __call__(self) -> Certificates:
        self.asked += 1
        answer = self.answer
        self.before()
        if isinstance(answer, Transient):
            raise answer
        return answer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def google():
    return Google("a", "b")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(google, clock):
    return KeptCertificates(google, clock)


# --- Kept -------------------------------------------------------------------------------------------------------------


def test_nothing_is_asked_before_a_token_comes(kept, google):
    assert google.asked == 0
    assert kept.find("a") == "certificate of a"
    assert google.asked == 1


def test_certificates_are_kept_as_long_as_google_says(kept, google, clock):
    for clock.now in (0, 1, MAX_AGE - 1):
        assert kept.find("b") == "certificate of b"
    assert google.asked == 1
    clock.now = MAX_AGE
    google.answer = google.with_keys("b", "c")
    assert (kept.find("b"), kept.find("a")) == ("certificate of b", None)
    assert google.asked == 2


def test_an_unknown_key_is_asked_for_and_then_no_more_often_than_it_may_be(kept, google, clock):
    kept.find("a")
    google.answer = google.with_keys("a", "new")
    clock.now = ASK_AGAIN_SECONDS - 1
    assert [kept.find("new"), kept.find("made up")] == [None, None]
    assert google.asked == 1
    clock.now = ASK_AGAIN_SECONDS
    assert kept.find("new") == "certificate of new"
    assert [kept.find(f"made up {n}") for n in range(100)] == [None] * 100
    assert google.asked == 2


# --- While they cannot be read ----------------------------------------------------------------------------------------


def unavailable(kept, key_id="a"):
    with pytest.raises(Transient) as failed:
        kept.find(key_id)
    return failed.value.reason is Reason.CERTIFICATES_UNAVAILABLE


def test_without_any_certificate_nobody_can_say_whether_a_token_is_right(kept, google, clock):
    google.answer = DOWN
    for clock.now in (0, 1, ASK_AGAIN_SECONDS - 1):
        assert unavailable(kept)
    assert google.asked == 1
    clock.now, google.answer = ASK_AGAIN_SECONDS, google.with_keys("a")
    assert kept.find("a") == "certificate of a"


def test_known_certificates_serve_on_for_a_bounded_time(kept, google, clock):
    kept.find("a")
    google.answer = DOWN
    for clock.now in (MAX_AGE, MAX_AGE + 1, MAX_AGE + STALE_SECONDS - 1):
        assert kept.find("a") == "certificate of a"
    clock.now = MAX_AGE + STALE_SECONDS
    assert unavailable(kept)


def test_an_unknown_key_is_not_called_unknown_while_it_cannot_be_asked_for(kept, google, clock):
    kept.find("a")
    clock.now, google.answer = ASK_AGAIN_SECONDS, DOWN
    assert unavailable(kept, "new")
    assert kept.find("a") == "certificate of a"
    clock.now, google.answer = 2 * ASK_AGAIN_SECONDS, google.with_keys("a")
    assert kept.find("new") is None


def test_a_renewal_that_fails_is_said_without_the_text_of_any_error(kept, google, caplog):
    google.answer = DOWN
    unavailable(kept)
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert line.json_fields == {"reason": "certificates_unavailable", "detail": "the fetch's own words"}


# --- With several threads ---------------------------------------------------------------------------------------------


def test_threads_that_come_at_once_ask_once(google, clock):
    kept, together = KeptCertificates(google, clock), Barrier(8)

    def find(_):
        together.wait(10)
        return kept.find("a")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(find, range(8))) == {"certificate of a"}
    assert google.asked == 1


def test_whoever_has_a_certificate_does_not_wait_for_a_newer_one(kept, google, clock):
    kept.find("a")
    clock.now = MAX_AGE
    reached, go_on = Event(), Event()
    google.before = lambda: (reached.set(), go_on.wait(10))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(kept.find, "a")
        assert reached.wait(10)
        assert kept.find("a") == "certificate of a"
        assert not asking.done()
        go_on.set()
        assert asking.result(10) == "certificate of a"


# --- What Google answers ----------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    with running(CertificateServer) as server:
        server.keys = [signing_key("key-1"), signing_key("key-2")]
        yield server


def test_certificates_come_by_the_ids_of_their_keys(server):
    found = fetch(server.url)
    assert found.by_key_id == {key.id: key.certificate for key in server.keys}
    assert found.max_age == 3600


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=19204, must-revalidate, no-transform", "Age": "200"}, 19004),
        ({"Cache-Control": "MAX-AGE=100"}, 100),
        ({"Cache-Control": "s-maxage=100,max-age=50"}, 50),
        ({"Cache-Control": "max-age=5"}, ASK_AGAIN_SECONDS),
        ({"Cache-Control": "max-age=100", "Age": "1000"}, ASK_AGAIN_SECONDS),
        ({"Cache-Control": "max-age=999999999"}, MAX_AGE_SECONDS),
        ({"Cache-Control": "no-cache"}, ASK_AGAIN_SECONDS),
        ({"Cache-Control": "max-age=-1", "Age": "x"}, ASK_AGAIN_SECONDS),
        ({}, ASK_AGAIN_SECONDS),
    ],
)
def test_how_long_they_may_be_kept(server, headers, seconds):
    server.headers = headers
    assert fetch(server.url).max_age == seconds


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}),
        (500, "do-not-show-this"),
        (302, {}),
        (200, "do-not-show-this"),
        (200, "[" * 100_000),
        (200, {}),
        (200, []),
        (200, {"key-1": "do-not-show-this"}),
        (200, {"key-1": None}),
        (200, {"keys": [{"kid": "key-1"}]}),
    ],
)
def test_what_is_no_set_of_certificates_is_none(server, answer):
    server.answer = lambda request: answer
    with pytest.raises(Transient) as failed:
        fetch(server.url)
    assert failed.value.reason is Reason.CERTIFICATES_UNAVAILABLE
    assert "do-not-show-this" not in str(failed.value)


def test_who_cannot_be_reached_has_none(server, monkeypatch):
    monkeypatch.setattr(google_certificates, "TIMEOUT", (0.05, 0.05))
    gone = Event()
    server.answer = lambda request: (gone.wait(10), (200, {}))[1]
    with pytest.raises(Transient) as failed:
        fetch(server.url)
    gone.set()
    assert failed.value.detail == "ReadTimeout"
    with pytest.raises(Transient):
        fetch("http://127.0.0.1:1/")
