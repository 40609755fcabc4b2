"""The commands about dead letters, on everything in memory: what they print, what they do, and what they never do."""

import io
import json
import signal
import subprocess
import sys
import threading
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from replicator.cli import dead_letters
from replicator.dev.message import ADDED
from replicator.errors import Permanent, Transient
from replicator.model import SourceKey
from replicator.reasons import Reason
from replicator.rules import Rule
from tests.fakes import InMemoryDeadLetters
from tests.service.envelopes import eventbridge, notification
from tests.unit.cli.terminal import Terminal
from tests.unit.web.doors import FakePublisher

RULES = (
    Rule("default", frozenset({"source"}), "replica"),
    Rule("reports", frozenset({"source"}), "archive", source_prefix="reports/"),
)
COMMANDS = ("list", "replay", "discard")


class Keyboard(io.StringIO):
    """Somebody could type."""

    def isatty(self) -> bool:
        return True


class Desk(Terminal):
    """The commands, with dead letters and a topic."""

    def __init__(self, capsys, monkeypatch) -> None:
        super().__init__(capsys, RULES)
        self.queue, self.publisher = InMemoryDeadLetters(), FakePublisher()
        monkeypatch.setattr(dead_letters, "configured_queue", lambda: self.queue)
        monkeypatch.setattr(dead_letters, "configured_publisher", lambda: self.publisher)

    def __call__(self, command: str, *arguments: str) -> tuple[int, str, str]:
        return super().__call__("dead-letters", command, *arguments)

    def documents(self, *arguments: str) -> list[dict]:
        code, out, _ = self(*arguments, "--json")
        assert code == 0
        return [json.loads(line) for line in out.splitlines()]

    def give_up(self, body: object, hours: float = 2, **attributes: str) -> str:
        """A message with this body, published so many hours ago."""
        published = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        added = {f"{ADDED}DeliveryCount": "5", f"{ADDED}TopicPublishTime": published}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.queue.publish(data, {**attributes, **added})

    def event(self, key: str, **more) -> str:
        return self.give_up(eventbridge(key, bucket="source"), **more)

    @property
    def left(self) -> list[str]:
        """The messages that are there, of which none is held by anybody."""
        assert self.queue.held == []
        return list(self.queue.letters)


@pytest.fixture
def desk(capsys, monkeypatch) -> Desk:
    return Desk(capsys, monkeypatch)


@pytest.fixture
def three(desk) -> Desk:
    """A message that is mended, one whose object is archived, and one that is no event."""
    desk.source.put(SourceKey("source", "mended"), b"hello")
    desk.source.put(SourceKey("source", "reports/1"), b"hello", archived=True)
    desk.event("mended", hours=1, bucket="source", event_id="e-1")
    desk.event("reports/1", hours=49)
    desk.give_up(b"not json", hours=0.1)
    return desk


# --- list -------------------------------------------------------------------------------------------------------------


def test_a_list_says_what_stands_in_the_way_of_each_message(three):
    code, out, err = three("list")
    assert (code, err) == (0, "3 messages looked at, 3 listed.\n")
    assert out.splitlines() == [
        "mended    m1  1 h old, 5 attempts",
        "    s3://source/mended -> gs://replica/mended  would be created: destination_absent: "
        "There was no destination object.",
        "blocked   m2  2 d old, 5 attempts",
        "    s3://source/reports/1 -> gs://replica/reports/1  would fail: source_archived: "
        "The source object is archived and must be restored first. (its storage class is STANDARD)",
        "    s3://source/reports/1 -> gs://archive/1  would fail: source_archived: "
        "The source object is archived and must be restored first. (its storage class is STANDARD)",
        "blocked   m3  6 m old, 5 attempts",
        "    event_malformed: The message is not an S3 event in any known envelope. "
        "(not JSON in UTF-8, or nested too deeply)",
        "    body: not json",
    ]


def test_a_list_leaves_everything_as_it_is(three):
    three("list")
    assert three.left == ["m1", "m2", "m3"]
    assert (three.publisher.published, three.destination.writes) == ([], [])


def test_a_list_as_json_has_a_document_with_all_of_it_for_each_message(three):
    mended, archived, malformed = three.documents("list")
    assert [one["reasons"] for one in (mended, archived, malformed)] == [
        ["destination_absent"],
        ["source_archived"],
        ["event_malformed"],
    ]
    assert (mended["message_id"], mended["mended"], mended["delivery_attempts"]) == ("m1", True, 5)
    assert (mended["attributes"], 3600 <= mended["age_seconds"] < 3660) == (
        {"bucket": "source", "event_id": "e-1"},
        True,
    )
    assert json.loads(b64decode(mended["data"])) == eventbridge("mended", bucket="source")
    (event,) = archived["events"]
    assert (event["source"], event["event"]) == ("s3://source/reports/1", "Object Created")
    assert [(result["rule"], result["reason"], result["permanent"]) for result in event["outcomes"]] == [
        ("default", "source_archived", True),
        ("reports", "source_archived", True),
    ]
    assert (malformed["mended"], malformed["reason"], malformed["events"]) == (False, "event_malformed", [])


def test_a_message_with_several_events_shows_each(desk):
    desk.give_up(notification("a", "b", bucket="source"))
    desk.give_up({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "source"})
    lines = desk("list")[1].splitlines()
    assert [line.split("  ")[0] for line in lines[:1]] == ["mended"]
    assert [line.strip().split(" ")[0] for line in lines[1:3]] == ["s3://source/a", "s3://source/b"]
    assert lines[4] == "    s3:TestEvent  would be ignored: test_event: S3 sent a test event, which names no object."
    assert [len(one["events"]) for one in desk.documents("list")] == [2, 1]


def test_a_message_of_which_pubsub_says_little_is_listed_all_the_same(desk):
    desk.queue.publish(b"", {})
    code, out, _ = desk("list")
    assert code == 0
    assert out.startswith("blocked   m1  0 s old, attempts not known\n")


def test_a_message_cannot_talk_to_the_terminal(desk):
    desk.source.put(SourceKey("source", "a\x1b[2J\nb\x9b"), b"hello")
    desk.event("a\x1b[2J\nb\x9b")
    desk.give_up(b"\x1b]0;title\x07\r\n\xff\xc2\x9b" + "\u202e".encode() + bytes(500))
    for command in (("list",), ("replay", "--all", "-n"), ("discard", "--all", "--yes")):
        _, out, err = desk(*command)
        assert all(line.isprintable() for line in (out + err).splitlines())
        assert "\\x1b]0;title\\x07\\r\\n\\xff\\x9b\\u202e" in out
        assert max(map(len, out.splitlines())) < 1000


def test_an_empty_subscription_is_no_failure(desk):
    assert desk("list") == (0, "", "0 messages looked at, 0 listed.\n")
    assert desk("replay", "--all")[0] == desk("discard", "--all", "--yes")[0] == 0


def test_no_more_are_looked_at_than_wanted_and_the_end_says_so(desk):
    for number in range(250):
        desk.event(f"k{number}")
    code, out, err = desk("list", "--limit", "120")
    assert (code, out.count("\nblocked ") + out.count("\nmended ")) == (0, 119)
    assert err == "120 messages looked at, 120 listed. There may be more: --limit.\n"
    assert desk("list", "--limit", "120", "--key", "none")[2].startswith("120 messages looked at, 0 listed.")
    assert len(desk.documents("list")) == 250
    assert len(desk.left) == 250


def test_a_thousand_are_looked_at_where_nobody_says_otherwise_and_a_hundred_at_a_time(desk, monkeypatch):
    asked: list[int] = []
    pull = desk.queue.pull
    monkeypatch.setattr(desk.queue, "pull", lambda most: asked.append(most) or pull(most))
    for number in range(1001):
        desk.event(f"k{number}")
    assert desk("list")[2] == "1000 messages looked at, 1000 listed. There may be more: --limit.\n"
    assert max(asked) == 100


# --- Selection --------------------------------------------------------------------------------------------------------


SELECTIONS = [
    (("--reason", "event_malformed"), ["m3"]),
    (("--reason", "event_malformed", "--reason", "destination_absent"), ["m1", "m3"]),
    (("--rule", "reports"), ["m2"]),
    (("--key", "reports/*"), ["m2"]),
    (("--key", "*"), ["m1"]),
    (("--older-than", "30m"), ["m1", "m2"]),
    (("--older-than", "2d"), ["m2"]),
    (("--newer-than", "2h"), ["m1", "m3"]),
    (("--newer-than", "2h", "--older-than", "30m"), ["m1"]),
    (("--mended",), ["m1"]),
    (("--mended", "--key", "reports/*"), []),
]


@pytest.mark.parametrize(("options", "meant"), SELECTIONS, ids=" ".join)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_options_select_for_every_command(three, command, options, meant):
    documents = three.documents(command, *options, *(("--yes",) if command == "discard" else ()))
    assert [document["message_id"] for document in documents] == meant
    stay = {"m1", "m2", "m3"} - (set(meant) if command != "list" else set())
    assert set(three.left) == stay


@pytest.mark.parametrize(
    "options",
    [
        ("--reason", "no_such_code"),
        ("--rule", "no-such-rule"),
        ("--key", "[a"),
        ("--older-than", "2"),
        ("--older-than", "2w"),
        ("--older-than", "-2h"),
        ("--limit", "0"),
    ],
    ids=" ".join,
)
def test_a_selection_that_means_nothing_is_2_and_nothing_is_pulled(three, options):
    three.queue.on_call = pytest.fail
    for command in COMMANDS:
        code, out, err = three(command, *options)
        assert (code, out) == (2, "")
        assert err.startswith("Usage: ")


@pytest.mark.parametrize("command", ["replay", "discard"])
@pytest.mark.parametrize("options", [(), ("--limit", "5"), ("--all", "--mended")])
def test_what_is_meant_must_be_said(three, command, options):
    three.queue.on_call = pytest.fail
    code, _, err = three(command, *options)
    assert code == 2
    assert "say which messages are meant, or --all, and not both" in err


# --- replay -----------------------------------------------------------------------------------------------------------


def test_a_replay_publishes_the_message_as_it_was_and_removes_it_then(three):
    order: list[str] = []
    three.publisher.on_publish = lambda: order.append("publish")
    three.queue.on_call = order.append
    code, out, err = three("replay", "--mended")
    assert (code, err) == (0, "3 messages looked at, 1 replayed.\n")
    assert out.startswith("replayed  m1  1 h old, 5 attempts\n")
    ((data, attributes),) = three.publisher.published
    assert (json.loads(data), attributes) == (
        eventbridge("mended", bucket="source"),
        {"bucket": "source", "event_id": "e-1"},
    )
    assert order.index("publish") < order.index("acknowledge")
    assert three.left == ["m2", "m3"]


def test_a_replay_as_json_names_the_new_message(three):
    (document,) = three.documents("replay", "--mended")
    assert (document["result"], document["next_message_id"]) == ("replayed", "4712")
    assert "dry_run" not in document


def test_what_was_not_confirmed_stays_and_so_does_all_that_comes_after_it(three):
    def refuse_the_second() -> None:
        if three.publisher.published:
            raise Transient(Reason.PUBLISH_FAILED, "ServiceUnavailable")

    three.publisher.on_publish = refuse_the_second
    code, out, err = three("replay", "--all")
    assert (code, out.count("\nreplayed ")) == (75, 0)
    assert err == "failed    publish_failed: Pub/Sub did not confirm the event. (ServiceUnavailable)\n"
    assert three.left == ["m2", "m3"]


def test_what_was_published_but_cannot_be_removed_is_there_twice_and_never_not_at_all(three):
    def refuse(name: str) -> None:
        if name == "acknowledge":
            raise Transient(Reason.SUBSCRIPTION_UNAVAILABLE)

    three.queue.on_call = refuse
    assert three("replay", "--all")[0] == 75
    assert (len(three.publisher.published), three.left) == (1, ["m1", "m2", "m3"])


def test_replaying_all_takes_those_that_are_not_mended_too(three):
    code, _, err = three("replay", "--all", "--quiet")
    assert (code, err, three.left) == (0, "", [])
    assert [data for data, _ in three.publisher.published][-1] == b"not json"


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_a_dry_run_does_nothing(three, command, tmp_path):
    code, out, err = three(
        command, "--all", "--dry-run", *(("--to", str(tmp_path / "f")) if command == "discard" else ())
    )
    assert (code, out.count("attempts\n")) == (0, 3)
    assert err == f"3 messages looked at, 3 {command}ed (dry run).\n"
    assert (three.left, three.publisher.published) == (["m1", "m2", "m3"], [])
    assert not (tmp_path / "f").exists() or (tmp_path / "f").read_text() == ""


def test_a_replayed_message_begins_to_count_its_failed_deliveries_anew(desk):
    desk.event("k", bucket="source", failed_deliveries="5")
    assert desk("replay", "--all")[0] == 0
    ((_, attributes),) = desk.publisher.published
    assert attributes == {"bucket": "source"}


# --- discard ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [(), ("--json",), ("--quiet",)])
@pytest.mark.parametrize(("answer", "code", "left"), [(True, 0, ["m1", "m2"]), (False, 1, ["m1", "m2", "m3"])])
def test_a_discard_shows_what_it_is_about_and_asks_first(three, monkeypatch, answer, code, left, way):
    asked: list[str] = []

    def confirm(question: str, err: bool) -> bool:
        asked.append(question)
        assert list(three.queue.letters) == ["m1", "m2", "m3"]
        return answer

    monkeypatch.setattr("click.confirm", confirm)
    monkeypatch.setattr("sys.stdin", Keyboard())
    found, out, _ = three("discard", "--reason", "event_malformed", *way)
    assert (found, asked, three.left) == (code, ["Discard 1 message for good?"], left)
    assert ("body: not json" in out) is (way == ())


def test_nobody_is_asked_where_there_is_nothing_or_yes_was_said(three, monkeypatch):
    monkeypatch.setattr("click.confirm", lambda *_, **__: pytest.fail("it asked"))
    monkeypatch.setattr("sys.stdin", Keyboard())
    assert three("discard", "--key", "no/such/key")[0] == 0
    assert three("discard", "--yes", "--all")[0] == 0
    assert three.left == []


def test_no_answer_is_no_yes(three, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, _, err = three("discard", "--all")
    assert (code, "--yes" in err) == (2, True)
    assert three.left == ["m1", "m2", "m3"]


def test_a_discard_may_keep_all_of_it_in_a_file_before_anything_is_gone(three, tmp_path):
    file = tmp_path / "discarded.jsonl"
    file.write_text('{"message_id": "m0"}\n')
    kept: list[int] = []
    three.queue.on_call = lambda name: kept.append(file.read_text().count("\n")) if name == "acknowledge" else None
    assert three("discard", "--yes", "--older-than", "30m", "--to", str(file))[0] == 0
    assert kept == [3]
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    assert [document["message_id"] for document in documents] == ["m0", "m1", "m2"]
    assert json.loads(b64decode(documents[1]["data"])) == eventbridge("mended", bucket="source")
    assert documents[1]["attributes"] == {"bucket": "source", "event_id": "e-1"}


def test_a_file_that_cannot_be_written_keeps_the_messages(three, tmp_path):
    assert three("discard", "--yes", "--all", "--to", str(tmp_path / "no" / "such"))[0] == 2
    assert three.left == ["m1", "m2", "m3"]


# --- Failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [(Permanent(Reason.SUBSCRIPTION_NOT_FOUND), 1), (Transient(Reason.SUBSCRIPTION_UNAVAILABLE), 75)],
)
@pytest.mark.parametrize("arguments", [("list",), ("replay", "--all"), ("discard", "--all", "--yes")])
def test_what_pubsub_refuses_is_an_answer(three, error, code, arguments):
    def refuse(name: str) -> None:
        raise error

    three.queue.on_call = refuse
    found, out, err = three(*arguments)
    assert (found, out) == (code, "")
    assert err == f"failed    {error.reason}: {error.reason.explanation}\n"
    found, out, err = three(*arguments, "--json")
    assert (found, json.loads(out)["reason"], err) == (code, error.reason, "")


def test_a_topic_that_cannot_be_reached_at_all_is_found_out_before_anything_is_pulled(three, monkeypatch):
    def without_credentials():
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE)

    monkeypatch.setattr(dead_letters, "configured_publisher", without_credentials)
    three.queue.on_call = lambda name: pytest.fail(name) if name == "pull" else None
    assert three("replay", "--all") == (
        75,
        "",
        "failed    credentials_unavailable: No usable credentials could be read.\n",
    )


def test_a_dry_run_needs_no_topic(three, monkeypatch):
    monkeypatch.setattr(dead_letters, "configured_publisher", lambda: pytest.fail("it was asked for"))
    assert three("replay", "--all", "--dry-run")[0] == 0


def test_an_error_that_nobody_foresaw_loses_nothing(three):
    def broken() -> None:
        raise KeyError("a secret")

    three.publisher.on_publish = broken
    code, _, err = three("replay", "--all")
    assert (code, "secret" in err, three.left) == (70, False, ["m1", "m2", "m3"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("where", ["inspection", "publish", "acknowledge"])
def test_ctrl_c_and_its_like_give_everything_back(three, where, number):
    pressed = threading.Lock()

    def press(name: str = "publish") -> None:
        if name == where and pressed.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident, number)
            threading.Event().wait(0.01 if where == "inspection" else 10)

    stat = three.source.stat
    three.publisher.on_publish = press
    three.queue.on_call = press
    three.source.stat = lambda key: (press("inspection"), stat(key))[1]
    code, _, err = three("replay", "--all")
    assert (code, err.strip()) == (130, "Interrupted; nothing is half written. The same command goes on.")
    assert three.left == ["m1", "m2", "m3"]


def test_ctrl_c_does_not_wait_for_a_side_that_hangs(three, monkeypatch):
    hanging, ended, pressed = threading.Event(), [], threading.Lock()

    def hang(key):
        if pressed.acquire(blocking=False):  # once, whichever thread comes first
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        hanging.wait(60)

    three.source.stat = hang
    monkeypatch.setattr("replicator.cli.interruption.GRACE", 0.1)
    monkeypatch.setattr("replicator.cli.end_at_once", lambda: ended.append(hanging.is_set()))
    code, _, _ = three("replay", "--all")
    assert (code, ended, three.left) == (130, [False], ["m1", "m2", "m3"])
    hanging.set()


def test_the_commands_need_their_subscription_and_replay_its_topic(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    terminal = Terminal(capsys, RULES)
    code, _, err = terminal("dead-letters", "list")
    assert (code, err) == (2, "Error: configuration: DEAD_LETTER_SUBSCRIPTION: Field required\n")
    monkeypatch.setenv("DEAD_LETTER_SUBSCRIPTION", "projects/p/subscriptions/s")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    code, _, err = terminal("dead-letters", "replay", "--all")
    assert (code, err) == (2, "Error: configuration: PUBSUB_TOPIC: required to replay\n")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=lambda names: "".join(names) or "group")
def test_each_command_has_help(capsys, command):
    code, out, _ = Terminal(capsys, RULES)("dead-letters", *command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: python -m replicator dead-letters {''.join(command)}")


def test_help_does_not_wait_for_what_it_does_not_need():
    script = "import sys, replicator.cli; sys.exit(bool({'google.cloud.pubsub_v1', 'grpc'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
