"""Time is a hint like everything else in an event: no clock and no calendar decides what is replicated."""

import json
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

import replicator
from replicator.adapters.gcs_resource import destination_object
from replicator.adapters.s3_object import source_object
from replicator.dev.cloud_storage import CloudStorageServer
from replicator.engine import Engine, RetryPolicy
from replicator.errors import Transient
from replicator.events import encode, parse
from replicator.model import Change, DestinationName, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Rule, RuleSet
from replicator.telemetry import Occasion, log_outcome, record_with
from replicator.transfer import Transfer
from tests.fakes import InMemorySource
from tests.scripted_s3 import KEY as SCRIPTED
from tests.scripted_s3 import found, scripted_s3
from tests.servers import cloud_storage, gcs_destination, moto, s3_source
from tests.service.conftest import Service, serving
from tests.service.envelopes import eventbridge, notification, push

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
quick = settings(max_examples=100)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(timezones=offsets | st.just(UTC))

READ = {
    "2026-06-01T12:00:00Z": NOW,
    "2026-06-01T12:00:00.123Z": NOW.replace(microsecond=123_000),
    "2026-06-01T12:00:00.1234567891Z": NOW.replace(microsecond=123_456),
    "2026-06-01T12:00Z": NOW,
    "2026-06-01T12:00:00+00:00": NOW,
    "2026-06-01T12:00:00-00:00": NOW,
    "2026-06-01T17:45:00+05:45": NOW,
    "2026-06-01T02:30:00-09:30": NOW,
    "2026-06-02T02:00:00+14:00": NOW,
    "2026-05-31T21:00:00-15:00": NOW,
    "2026-03-29T02:30:00+01:00": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    "2026-10-25T02:30:00+02:00": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    "2026-10-25T02:30:00+01:00": datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    "1970-01-01T00:00:00Z": datetime(1970, 1, 1, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "2038-01-19T03:14:08Z": datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    "9999-12-31T23:59:59.999Z": datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
}
"""With the moment that they name: both hours that daylight saving repeats, the one it leaves out, odd offsets."""

UNREAD = [
    None,
    "",
    "yesterday",
    1780315200,
    "1780315200",
    "2026-06-01",
    "2026-06-01T12:00:00",
    "2026-06-31T12:00:00Z",
    "2026-06-01T25:00:00Z",
    "2016-12-31T23:59:60Z",
    "2026-06-01T12:00:00+24:00",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "10000-01-01T00:00:00Z",
    "+12026-06-01T12:00:00Z",
    "-0001-01-01T00:00:00Z",
    {"seconds": 1},
]
"""Times that are none, also a leap second and years that no calendar of Python's has: as if there were none."""


@pytest.fixture(scope="module")
def s3_url():
    with moto() as url:
        yield url


@pytest.fixture(scope="module")
def service(s3_url):
    """Each test has a key of its own."""
    with serving(s3_url) as running:
        yield running


LAGS: dict[str, list[float | None]] = {}
"""Of the events that the service acknowledged, by the kind of their time; `None` where there is no lag."""


def account(kind: str, lines: list[dict]) -> None:
    LAGS.setdefault(kind, []).extend(line.get("lag_seconds") for line in lines)


@pytest.fixture
def lines():
    said: list[dict] = []
    record_with(lambda fields: said.append(dict(fields)))
    yield said
    record_with()


# --- The time of an event ---------------------------------------------------------------------------------------------


def occurred_at(event: object) -> datetime | None:
    (notice,) = parse(json.dumps(event).encode())
    assert isinstance(notice, Change)
    return notice.occurred_at


def with_time(said: object, key: str = "k") -> list[dict]:
    """Both kinds of events at a time."""
    bridge, records = eventbridge(key), notification(key)
    bridge["time"] = records["Records"][0]["eventTime"] = said
    return [bridge, records]


@pytest.mark.parametrize(("said", "moment"), READ.items())
def test_an_event_s_time_is_one_moment_whatever_its_offset(said, moment):
    assert [occurred_at(event) for event in with_time(said)] == [moment, moment]


@pytest.mark.parametrize("said", UNREAD, ids=str)
def test_a_time_that_is_none_is_as_a_missing_one(said):
    assert [occurred_at(event) for event in with_time(said)] == [None, None]


def test_an_hour_too_many_is_the_next_day_or_no_time_by_the_version_of_python():
    tomorrow = datetime(2026, 6, 2, tzinfo=UTC)
    assert all(occurred_at(event) in (None, tomorrow) for event in with_time("2026-06-01T24:00:00Z"))


@quick
@given(times)
def test_any_time_in_any_zone_is_read_as_its_moment_and_survives_a_message_of_our_own(when):
    try:
        moment = when.astimezone(UTC)
    except OverflowError:
        return
    change = Change(SourceKey("source-bucket", "k"), "Object Created", moment)
    assert parse(encode(change)) == (change,)
    assert {occurred_at(event) for event in with_time(when.isoformat())} == {moment}


@pytest.mark.parametrize("said", [*READ, *UNREAD], ids=str)
def test_no_event_is_refused_for_its_time_and_the_lag_is_never_negative(service: Service, lines, said):
    key = f"said/{said!r}"
    service.put(key, b"hello")
    for event in with_time(said, key):
        assert service.push(push(event)).status_code == 204
    assert service.visible(key) == b"hello"
    assert [line["result"] for line in lines] == ["created", "unchanged"]
    for line in lines:
        assert ("lag_seconds" in line) == (str(said) in READ)
        assert line.get("lag_seconds", 0) >= 0
    account("a time that can be read" if str(said) in READ else "none, or one that cannot be read", lines)


@pytest.mark.parametrize("age", [-100 * YEAR, -YEAR, -timedelta(minutes=5), timedelta(0), YEAR, 50 * YEAR], ids=str)
def test_neither_age_nor_order_of_events_decides_what_is_replicated(service: Service, lines, age):
    """The source is as it is: an old event about a new object, and a new one about an old object, lead to the same."""
    key = f"age/{age}"
    service.put(key, b"new")
    event = eventbridge(key)
    event["time"] = (datetime.now(UTC) - age).isoformat()
    assert service.push(push(event)).status_code == 204
    assert service.visible(key) == b"new"
    [line] = lines
    assert line["result"] == "created"
    assert abs(line["lag_seconds"] - max(0.0, age.total_seconds())) < 60
    account("in the future" if age < timedelta(0) else "now" if not age else "old", lines)


@pytest.mark.parametrize("age", [-YEAR, -timedelta(minutes=5), timedelta(minutes=5), YEAR], ids=str)
def test_an_event_counts_whatever_the_time_of_the_one_before_it(service: Service, age):
    key, before = f"order/{age}", datetime.now(UTC)
    for data, when in ((b"first", before), (b"second", before - age)):
        service.put(key, data)
        event = eventbridge(key)
        event["time"] = when.isoformat()
        assert service.push(push(event)).status_code == 204
        assert service.visible(key) == data


@quick
@given(st.datetimes(timezones=st.just(UTC)))
def test_the_lag_is_never_negative_and_never_an_error(when):
    said: list[dict] = []
    record_with(lambda fields: said.append(dict(fields)))
    key = SourceKey("s", "k")
    try:
        log_outcome(
            Outcome(Result.CREATED, Reason.DESTINATION_ABSENT, key), Occasion("event", Change(key, "x", when)), 0
        )
    finally:
        record_with()
    assert said[0]["lag_seconds"] >= 0
    account("drawn, without a service", said)


# --- Last-Modified, and the custom time -------------------------------------------------------------------------------


ZONES = ["UTC0", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "<+0545>-5:45"]
"""As POSIX has them, so that no machine has to know any: daylight saving in both hemispheres, and odd offsets."""


@pytest.fixture
def in_zone(monkeypatch, request):
    """This process in another time zone, as on somebody's own machine."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("in_zone", ZONES, indirect=True)
@pytest.mark.parametrize("zone", [" GMT", " +0000", " -0000", ""])
def test_last_modified_is_in_gmt_wherever_the_service_runs(in_zone, zone):
    headers = {"last-modified": f"Sun, 29 Mar 2026 02:30:00{zone}", "etag": '"e"', "content-length": "0"}
    assert source_object(SourceKey("s", "k"), headers).last_modified == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3():
    with scripted_s3() as server:
        yield server


@pytest.mark.parametrize(
    "said",
    [
        "",
        "yesterday",
        "Fri, 31 Dec 10000 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -1200",
        "Sat, 31 Dec 2016 23:59:60 X",
        "1e300",
        "Fri, 02 Jan 2026 03:04:05 +99999999999999999999",
    ],
)
def test_a_last_modified_beyond_any_calendar_is_a_failure_of_s3_that_has_a_name(s3, said):
    """Whoever reads it: the first request is the SDK's, the second is lean."""
    source = s3_source(s3.url)
    s3.script[:] = [found(Last_Modified=said or " ")] * 2
    for _ in s3.script.copy():
        with pytest.raises(Transient) as failed:
            source.stat(SCRIPTED)
        assert failed.value.reason is Reason.SOURCE_UNAVAILABLE
    assert [request.is_lean for request in s3.requests[-2:]] == [False, True]


def destination_with(custom_time: str | None):
    resource = {"generation": "1", "metageneration": "1", "size": "0", "crc32c": "AAAAAA=="}
    return destination_object(
        DestinationName("b", "k"), resource | ({"customTime": custom_time} if custom_time else {})
    )


@pytest.mark.parametrize("said", ["2026-06-01T12:00:00", "10000-01-01T00:00:00Z", "yesterday", "2016-12-31T23:59:60Z"])
def test_a_custom_time_that_cannot_be_read_counts_as_the_latest(said):
    latest = datetime.max.replace(tzinfo=UTC)
    assert destination_with(said).custom_time == latest
    assert destination_with("9999-12-31T23:59:59.999999999Z").custom_time == latest
    assert destination_with("2026-06-01T12:00:00.000000001Z").custom_time == NOW
    assert destination_with(None).custom_time is None


@pytest.fixture(scope="module")
def storage():
    with cloud_storage("replica") as server:
        yield server


def engine(source: InMemorySource, storage: CloudStorageServer) -> Engine:
    rules = RuleSet((Rule("default", frozenset({"source"}), "replica"),))
    destination = gcs_destination(storage.url)
    transfer = Transfer(source, destination, 256 * 1024)
    return Engine(rules, Reconciler(source, destination, transfer, rules), RetryPolicy(0, 0, 1), 60)


moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda when: when.replace(microsecond=0)  # S3's resolution
)
histories = st.lists(
    st.tuples(moments, st.sampled_from([b"a", b"b"]), st.sampled_from(["text/css", "text/html"])), max_size=6
)


def test_the_custom_time_is_that_of_the_source_whichever_way_its_clock_goes(storage, proof):
    """Cloud Storage lets it only move forward; where the source's goes back, the object is written anew."""

    @settings(max_examples=400 if proof.long else 40)
    @given(histories)
    def check(history) -> None:
        source, name = InMemorySource("source"), DestinationName("replica", "k")
        key = SourceKey("source", "k")
        replicas = engine(source, storage)
        found = replicas.reconciler.destination.stat(name)
        if found:
            replicas.reconciler.destination.delete(found)
        for modified, data, content_type in history:
            state = source.put(key, data, last_modified=modified)
            state = source.put(key, data, last_modified=modified, headers=headers(content_type, state))
            (outcome,) = replicas.replicate(key, replicas.new_deadline())
            assert isinstance(outcome, Outcome), outcome
            (again,) = replicas.replicate(key, replicas.new_deadline())
            assert (again.result, again.reason) == (Result.UNCHANGED, Reason.IN_SYNC)
            replica = replicas.reconciler.destination.stat(name)
            assert replica.custom_time == replica.receipt.last_modified == state.last_modified

    def headers(content_type, state):
        return type(state.headers)(content_type=content_type)

    check()


@pytest.mark.parametrize("theirs", ["9999-12-31T23:59:59.999999Z", "2026-06-01T12:00:00.5Z", "0001-01-01T00:00:00Z"])
def test_an_object_of_somebody_else_s_with_a_custom_time_of_its_own_is_taken_over_all_the_same(storage, theirs):
    """It holds the same bytes, and could be adopted, but for its time."""
    source, key = InMemorySource("source"), SourceKey("source", "foreign")
    state = source.put(key, b"same", last_modified=NOW)
    url = f"{storage.url}/upload/storage/v1/b/replica/o?uploadType=media&name=foreign"
    requests.post(url, data=b"same", timeout=60).raise_for_status()
    resource = {"customTime": theirs}
    patched = requests.patch(f"{storage.url}/storage/v1/b/replica/o/foreign", json=resource, timeout=60)
    patched.raise_for_status()
    replicas = engine(source, storage)
    (outcome,) = replicas.replicate(key, replicas.new_deadline())
    adoptable = theirs < NOW.isoformat()
    assert outcome.reason is (Reason.ADOPTED if adoptable else Reason.FOREIGN_OVERWRITTEN)
    assert (
        replicas.reconciler.destination.stat(DestinationName("replica", "foreign")).custom_time == state.last_modified
    )


def test_an_event_to_the_millisecond_does_not_make_an_object_of_whole_seconds_look_changed(service: Service, lines):
    service.put("whole-seconds", b"hello")
    before = service.writes()
    for fraction in ("", ".000", ".999", ".999999"):
        for event in with_time(f"2026-06-01T12:00:00{fraction}Z", "whole-seconds"):
            service.push(push(event))
    assert [line["result"] for line in lines] == ["created", *["unchanged"] * 7]
    assert service.writes() == before + 1


# --- Our own clocks ---------------------------------------------------------------------------------------------------

WALL_CLOCK = re.compile(
    r"\btime\.(time|time_ns|localtime|gmtime|ctime)\b|\bfrom time import\b.*\btime\b|\.(now|utcnow|today)\("
)


def test_the_wall_clock_is_read_where_others_clocks_are_compared_with_it_and_nowhere_else():
    """What is to happen after so many seconds goes by a clock that nobody sets, and that knows no daylight saving."""
    code = Path(replicator.__file__).parent
    reads = {file.relative_to(code).as_posix() for file in code.rglob("*.py") if WALL_CLOCK.search(file.read_text())}
    assert {file for file in reads if not file.startswith("dev/")} == {
        "adapters/google_tokens.py",
        "adapters/inspection/clock.py",
        "adapters/s3_signature.py",
        "bootstrap/doctor.py",
        "cli/dead_letters.py",
        "telemetry/outcomes.py",
    }


def test_what_was_tried_is_reported(proof):
    """Lags are in years: in seconds they would be others in each run."""
    rows = [
        "| time of the event | events | without a lag | least lag, years | most lag, years |",
        "|---|---|---|---|---|",
    ]
    for kind, said in sorted(LAGS.items()):
        lags = [lag / YEAR.total_seconds() for lag in said if lag is not None]
        least, most = (f"{min(lags):,.0f}", f"{max(lags):,.0f}") if lags else ("", "")
        rows.append(f"| {kind} | {len(said)} | {len(said) - len(lags)} | {least} | {most} |")
    assert LAGS
    proof.report("time", "\n".join(rows))
