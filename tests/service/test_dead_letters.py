"""From a message that Pub/Sub gives up to the replica that is made after all: the real doors behind push, and the
command line as a process of its own.
"""

import json
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from replicator.dev.message import Message, given_up, revived
from replicator.ports import LEASE
from tests.service.envelopes import eventbridge
from tests.service.giving_up import MISSING, POISON, ROOT, Route, event, running_route


@pytest.fixture
def route(s3_url, tmp_path) -> Iterator[Route]:
    with running_route(s3_url, tmp_path) as running:
        yield running


def test_a_message_whose_cause_is_mended_converges_like_any_other(route):
    route.send(POISON)
    route.send(event("reports/1"), bucket=MISSING, event_id="e-1")
    assert [letter["reasons"] for letter in route.run("list")] == [["event_malformed"], ["source_bucket_not_found"]]

    route.mend("reports/1", b"hello")
    (mended,) = route.run("list", "--mended")
    assert (mended["reasons"], mended["delivery_attempts"]) == (["destination_absent"], 2)
    assert route.service.visible("reports/1") is None

    (replayed,) = route.run("replay", "--key", "reports/*", "--rule", "default", "--newer-than", "1h")
    assert route.service.visible("reports/1") == b"hello"
    (message,) = route.published
    assert replayed["next_message_id"] == message.message_id
    assert (message.data, message.attributes) == (event("reports/1"), {"bucket": MISSING, "event_id": "e-1"})

    assert [letter.data for letter in route.dead.messages] == [POISON]
    (discarded,) = route.run("discard", "--reason", "event_malformed", "--yes")
    assert (discarded["reasons"], route.dead.messages) == (["event_malformed"], ())


def test_what_is_replayed_without_being_mended_comes_back_as_it_was(route):
    route.send(POISON, bucket="b")
    route.run("replay", "--all", "--limit", "1")  # it may be back while the command still looks
    assert len(route.published) == 1
    (letter,) = route.dead.messages
    assert (letter.data, revived(letter).attributes) == (POISON, {"bucket": "b"})


@pytest.mark.parametrize("moment", ["publish", "acknowledge"])
def test_a_command_that_is_killed_in_the_middle_loses_nothing(route, moment):
    """Before Pub/Sub has the new message, and after that, before the old one is removed."""
    reached, go_on = threading.Event(), threading.Event()

    def lose() -> bool:
        """The request is on its way when the process dies, and never arrives."""
        reached.set()
        go_on.wait(60)
        return False

    route.send(event("k"))
    route.mend("k", b"hello")
    if moment == "publish":
        route.on_publish = lose
    else:
        route.dead.on_acknowledge = lose
    process = route.line.start("dead-letters", "replay", "--all", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert reached.wait(60)
        process.kill()
        out, _ = process.communicate(timeout=30)
    finally:
        go_on.set()
    assert out == ""
    assert route.push.settle(60)
    assert route.service.visible("k") == (None if moment == "publish" else b"hello")
    assert len(route.dead.messages) == 1

    route.on_publish = route.dead.on_acknowledge = lambda: True
    assert route.run("list") == []  # in the dead process's hands still
    route.clock.advance(LEASE)
    (replayed,) = route.run("replay", "--all")
    assert replayed["reasons"] == ["destination_absent" if moment == "publish" else "in_sync"]
    assert (route.service.visible("k"), route.dead.messages) == (b"hello", ())


def test_looking_takes_nothing_away_and_hides_nothing_from_the_next_look(route):
    route.send(POISON)
    route.send(event("k"))
    before = route.dead.messages
    for arguments in (("list",), ("replay", "--all", "--dry-run"), ("list",)):
        assert len(route.run(*arguments)) == 2
    assert (route.dead.messages, route.published) == (before, [])


DOCUMENT = (ROOT / "docs/dead-letters.md").read_text()
EXAMPLES = re.findall(r"^\$ python -m replicator (.+)\n((?:(?!\$ |```).*\n)*)", DOCUMENT, re.MULTILINE)


def test_the_document_s_examples_print_what_it_says(route):
    assert len(EXAMPLES) == DOCUMENT.count("\n$ ") == 4
    route.service.put("reports/1.csv", b"1", StorageClass="GLACIER")
    route.service.put("hello.txt", b"Hello")
    bodies = [
        b"Hello from somebody else",
        *(json.dumps(eventbridge(key)).encode() for key in ("reports/1.csv", "hello.txt")),
    ]
    for number, (body, hours) in enumerate(zip(bodies, (50, 49, 3.5), strict=True), 1795233014345674):
        published = datetime.now(UTC) - timedelta(hours=hours)
        route.dead.add(given_up(Message(str(number), body, {}, published), "projects/p/subscriptions/s", 20))
    for command, expected in EXAMPLES:
        code, out, err = route.line.run(*shlex.split(command))
        assert (code, out + err) == (0, expected)
    assert (route.line.folder / "malformed.jsonl").read_text().count("\n") == 1
    assert route.push.settle(60)
    assert route.service.visible("hello.txt") == b"Hello"
