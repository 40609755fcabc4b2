"""Runs one cell, and says what is wrong with how it ended."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import requests

from replicator.reasons import Reason
from replicator.web.answers import ERROR_STATUSES
from tests.proof.wire.answers import CANARY
from tests.proof.wire.calls import SCENARIOS, Call, Scenario
from tests.proof.wire.matrix import Cell
from tests.proof.wire.proxy import Strike
from tests.proof.wire.secret_manager import SECRET_KEY, SESSION_TOKEN
from tests.proof.wire.world import INGEST_SECRET, Side, World
from tests.service.envelopes import eventbridge

CALLS = tuple(call for scenario in SCENARIOS for call in scenario.calls)

UNSAYABLE = (
    CANARY,
    INGEST_SECRET,
    SECRET_KEY,
    SESSION_TOKEN,
    "AWS4-HMAC",
    "Bearer",
    "upload_id",
    "Traceback",
    "ConnectionPool(",
    "Errno",
    "Max retries",
    "timed out",
    "reset by peer",
)
"""What is neither in an answer nor in a line: secrets, and the texts of errors, of servers or of libraries."""


TOLD: dict[Side, frozenset[Reason]] = {
    Side.S3: frozenset(
        {
            Reason.SOURCE_UNAVAILABLE,
            Reason.SOURCE_TRUNCATED,
            Reason.SOURCE_ACCESS_DENIED,
            Reason.SOURCE_CREDENTIALS_REJECTED,
            Reason.CHECKSUM_MISMATCH,
        }
    ),
    Side.STORAGE: frozenset({Reason.DESTINATION_UNAVAILABLE, Reason.DESTINATION_ACCESS_DENIED}),
    Side.SECRETS: frozenset({Reason.CREDENTIALS_UNAVAILABLE}),
    Side.PUBSUB: frozenset({Reason.PUBLISH_FAILED}),
    Side.STS: frozenset({Reason.CREDENTIALS_UNAVAILABLE}),
    Side.METADATA: frozenset({Reason.CREDENTIALS_UNAVAILABLE, Reason.DESTINATION_UNAVAILABLE}),
}
"""What is said where a side has failed: nothing that blames another one."""


class Verdict(StrEnum):
    REPAIRED = "right content within the request"
    REDELIVERED = "a clean failure, repaired by redelivery"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a cell ended, in which the fault may have `struck` or not; `reason` is that of the failure, if there was
    one."""

    cell: Cell
    struck: bool
    verdict: Verdict
    reason: str | None
    complaints: Sequence[str]


@dataclass
class Run:
    """One key's way from an event to the right content."""

    world: World
    scenario: Scenario
    key: str
    expected: bytes | None = None
    before: bytes | None = None
    wrong: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        self.expected = self.scenario.prepare(self.world, self.key)
        self.before = self.world.content(self.key)
        self.event = eventbridge(self.key, self.scenario.kind, self.scenario.bucket)
        self._printed = self.world.printed.tell()
        self._published = len(self.world.messages)
        self.scenario.arm(self.world, self.key)
        self.world.proxies[Side.STORAGE].passed = self._look

    def deliver(self) -> requests.Response:
        """The event, or its redelivery; then what was handed over."""
        if self.scenario.ingests:
            return self.world.ingest(self.event)
        return self.world.push(self.event)

    def redeliver(self) -> requests.Response:
        """Now that nothing goes wrong any more."""
        for _ in range(self.world.deliveries):
            answer = self.deliver()
            if answer.status_code == 204:
                break
        self.require(answer.status_code == 204, f"redelivery is answered {answer.status_code}")
        return answer

    def follow(self) -> None:
        """Delivers what was handed over to fresh messages."""
        while not self.scenario.ingests and (handed := self.world.messages[self._published :]):
            self._published += len(handed)
            for message in handed:
                answer = self.world.push(None, message)
                self.require(answer.status_code == 204, f"what was handed over is answered {answer.status_code}")

    def require(self, right: bool, complaint: str) -> None:
        if not right:
            self.wrong.append(complaint)

    def require_done(self, usual: "Result | None") -> None:
        """All is as it should be, and nothing else is left."""
        if self.scenario.ingests:
            data = [json.loads(message.data) for message in self.world.messages[self._published :]]
            self.require(self.event in data, "the event was not published")
            return
        self.require(self.world.content(self.key) == self.expected, "the content is not the source's")
        self.require(not self.world.temporaries(), "temporary objects are left")
        result = self.result()
        if usual and result:
            same = (result.content_type, result.cache_control) == (usual.content_type, usual.cache_control)
            self.require(same, "the metadata is not the source's")
            self.require((result.checked == "none") <= (usual.checked == "none"), "the bytes were not checked")

    def require_clean(self, answer: requests.Response, cell: Cell) -> str:
        """A failure that says in our words what it is about, and whether it passes; the reason."""
        try:
            problem = answer.json()
            reason = Reason(problem["reason"])
        except (ValueError, KeyError, TypeError):
            self.require(False, f"status {answer.status_code} without a reason")
            return ""
        self.require(reason is not Reason.UNEXPECTED, "nobody foresaw this failure")
        self.require(ERROR_STATUSES.get(reason) == answer.status_code, f"{reason} with status {answer.status_code}")
        self.require((answer.status_code != 503) == cell.is_denial, f"a failure of the wrong class: {reason}")
        # Without patience all sides are too slow at times, and time is soon up.
        self.require(cell.needs_impatience or reason in TOLD[cell.call.side], f"the wrong side is blamed: {reason}")
        if answer.status_code == 503:
            self.require(answer.headers.get("Retry-After", "").isdigit(), "503 without Retry-After")
        return str(reason)

    def require_discreet(self, *answers: requests.Response) -> None:
        self.world.printed.seek(self._printed)
        printed = self.world.printed.read()
        said = [("the lines have", printed)]
        said += [("an answer has", f"{answer.headers} {answer.text}") for answer in answers]
        for where, text in said:
            for unsayable in UNSAYABLE:
                self.require(unsayable not in text, f"{where} {unsayable!r}")
        for line in printed.splitlines():
            self.require(_is_json(line), "a line is not JSON")

    def forget(self) -> None:
        """Looks no more, and removes both objects: the bytes of thousands of cells are too many."""
        self.world.proxies[Side.STORAGE].passed = lambda head: None
        self.world.s3.objects.pop(f"{self.scenario.bucket}/{self.key}", None)
        self.world.remove(self.key)

    def result(self) -> "Result | None":
        found = self.world.resource(self.key)
        return Result.of(found) if found else None

    def _look(self, head: str) -> None:
        """After each request that may have written what is seen: it is right, or as it was before."""
        if not head.startswith("GET ") and ".replicator" not in head.split("\r\n", 1)[0]:
            visible = self.world.content(self.key)
            self.require(visible in (self.before, self.expected), "something wrong was visible")


@dataclass(frozen=True, slots=True)
class Result:
    """What a destination object says of itself."""

    content_type: str | None
    cache_control: str | None
    checked: str

    @classmethod
    def of(cls, resource: dict[str, Any]) -> "Result":
        receipt = json.loads(resource.get("metadata", {}).get("s3-replication-receipt", "{}"))
        return cls(resource.get("contentType"), resource.get("cacheControl"), receipt.get("checked", "none"))


def run_undisturbed(world: World, scenario: Scenario, key: str) -> Result | None:
    """A copy in which nothing goes wrong. Raises `AssertionError` where one of its calls is not made as often as the
    table says, and where another is made."""
    run = _prepared(world, scenario, key)
    for proxy in world.proxies.values():
        proxy.requested.clear()
    answer = run.deliver()
    assert answer.status_code == 204, answer.text
    for call in scenario.calls:
        if call.trouble is None:
            seen = sum(_is(call, key, head) for head in world.proxies[call.side].requested)
            assert seen == call.after + call.count or call.name == "stat HEAD", f"{scenario.name}: {call.name}: {seen}"
    run.follow()
    for side, proxy in world.proxies.items():
        for head in proxy.requested:
            known = any(call.side is side and _is(call, key, head) for call in CALLS)
            assert known, f"not in the table: {side}: {head.splitlines()[0]}"
    world.calm()
    run.require_done(None)
    run.require_discreet(answer)
    assert not run.wrong, run.wrong
    result = run.result()
    run.forget()
    return result


def _is(call: Call, key: str, head: str) -> bool:
    return re.search(_pattern(call.pattern, key), head) is not None


def run_cell(world: World, cell: Cell, usual: Result | None, key: str) -> Ended:
    """`usual` is what a copy comes to in which nothing goes wrong."""
    run = _prepared(world, cell.scenario, key)
    strike = _arm(world, cell, key)
    answers = [run.deliver()]
    run.require(strike.struck > 0, "the fault did not happen")
    reason = None
    if answers[0].status_code == 204:
        verdict = Verdict.REPAIRED
        run.follow()
    else:
        verdict, reason = Verdict.REDELIVERED, run.require_clean(answers[0], cell)
        world.calm()
        answers.append(run.redeliver())
        run.follow()
    world.calm()
    run.require_done(usual)
    run.require_discreet(*answers)
    run.forget()
    return Ended(cell, strike.struck > 0, Verdict.WRONG if run.wrong else verdict, reason, tuple(run.wrong))


def _prepared(world: World, scenario: Scenario, key: str) -> Run:
    for name in world.temporaries():
        world.remove(name)
    run = Run(world, scenario, key)
    run.prepare()
    return run


def _arm(world: World, cell: Cell, key: str) -> Strike:
    call, variant = cell.call, cell.variant
    if call.trouble:
        side, trouble, pattern = call.trouble
        world.proxies[side].meet(trouble, _pattern(pattern, key))
    pattern = _pattern(call.pattern, key)
    if variant.old_keys:
        pattern += f"(?=(?s:.*){_credential(world, cell)})"
    if variant.rotated:
        assert world.keys.current()
    skip = call.after + cell.place.of(call.count)
    return world.proxies[call.side].meet(variant.fault, pattern, skip, None if variant.lasts else 1)


def _credential(world: World, cell: Cell) -> str:
    """As the requests of this cell carry it, unless it is renewed."""
    if cell.call.side is Side.S3:
        return f"Credential={world.keys.current().access_key_id}/"
    if not world.identity.token:
        raise AssertionError("nothing has asked for a token yet")
    return f"Bearer {world.identity.token}\r"


def _pattern(pattern: str, key: str) -> str:
    return pattern.replace("{key}", key)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def failures(ended: Sequence[Ended]) -> Iterator[str]:
    """The cells that ended wrong, and why, for a person."""
    for one in ended:
        if one.complaints:
            yield f"{one.cell.id}: {'; '.join(dict.fromkeys(one.complaints))} (reason: {one.reason})"
