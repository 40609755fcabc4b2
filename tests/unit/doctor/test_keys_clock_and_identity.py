"""Judging secrets, clocks, and whom Google sees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from replicator.doctor import Check, Status
from replicator.doctor.clock import judge_clock
from replicator.doctor.deployment import Deployment
from replicator.doctor.facts import KeyFacts, Refusal, Rotation, Unread
from replicator.doctor.identity import Caller, judge_google
from replicator.doctor.keys import judge_keys
from replicator.errors import Transient
from replicator.reasons import Reason

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DEPLOYMENT = Deployment("p", account="replicator@p.iam.gserviceaccount.com")
SECRET = "projects/p/secrets/aws-keys"
TOPIC = "projects/p/topics/secret-rotation"
REMINDED = Rotation(90 * 86_400, (TOPIC,), ("projects/p/subscriptions/s",))
SOUND = KeyFacts(SECRET, created=NOW - timedelta(days=90), rotation=REMINDED)


def unreadable(refusal: Refusal | None) -> KeyFacts:
    return replace(SOUND, unreadable="x", refusal=refusal)


def unheard(subscriptions: tuple[str, ...] | Unread) -> KeyFacts:
    return replace(SOUND, rotation=replace(REMINDED, subscriptions=subscriptions))


def judged(facts: KeyFacts) -> dict:
    return {finding.check: finding for finding in judge_keys(facts, DEPLOYMENT, NOW)}


def test_all_is_well_with_a_sound_secret():
    found = judged(SOUND)
    assert {finding.status for finding in found.values()} == {Status.OK}
    assert set(found) == {check for check in Check if check.area == "keys"}


@pytest.mark.parametrize(
    ("check", "facts", "status", "mended"),
    [
        (Check.KEYS_READABLE, unreadable(Refusal.DENIED), "failed", "secretmanager.secretAccessor"),
        (Check.KEYS_READABLE, unreadable(Refusal.ABSENT), "failed", "gcloud secrets create aws-keys --project p "),
        (Check.KEYS_READABLE, unreadable(Refusal.EMPTY), "failed", "secrets versions add aws-keys --project p"),
        (Check.KEYS_READABLE, unreadable(None), "warning", None),
        (Check.KEYS_SOUND, replace(SOUND, unsound="x"), "failed", "aws iam create-access-key"),
        (Check.KEYS_AGE, replace(SOUND, created=NOW - timedelta(days=91)), "warning", "aws iam create-access-key"),
        (Check.KEYS_AGE, replace(SOUND, created=Unread("")), "warning", None),
        (Check.KEYS_ROTATION, replace(SOUND, rotation=Unread("")), "warning", None),
        (Check.KEYS_ROTATION, replace(SOUND, rotation=Rotation()), "warning", "-time 2027-02-19T00:00:00Z"),
        (Check.KEYS_ROTATION, replace(SOUND, rotation=Rotation(86_400)), "warning", "topics/secret-rotation"),
        (Check.KEYS_ROTATION, unheard(()), "warning", f"--project p --topic {TOPIC} "),
        (Check.KEYS_ROTATION, unheard(Unread("")), "warning", None),
        (Check.KEYS_ROTATION, replace(SOUND, resource=f"{SECRET}/versions/3"), "warning", None),
        (Check.KEYS_ROTATION, replace(SOUND, resource=f"{SECRET}/versions/latest"), "ok", None),
    ],
)
def test_each_fault_of_a_secret_is_seen_by_its_check(check, facts, status, mended):
    found = judged(facts)
    assert found[check].status == status
    assert (mended in found[check].mend) if mended else found[check].mend is None
    assert {name for name in found if found[name].status is not Status.OK} <= {check}


def test_the_keys_are_mended_where_they_are_and_not_where_the_service_is():
    for facts in (unreadable(Refusal.DENIED), unreadable(Refusal.EMPTY), replace(SOUND, unsound="x")):
        [mend] = [one.mend for one in judge_keys(facts, Deployment("service-s"), NOW) if one.mend]
        assert " aws-keys --project p " in mend


@pytest.mark.parametrize("facts", [unreadable(Refusal.EMPTY), replace(SOUND, unsound="x")])
def test_nothing_more_is_said_of_keys_that_are_none(facts):
    assert not {Check.KEYS_AGE, Check.KEYS_ROTATION} & set(judged(facts))


@pytest.mark.parametrize(
    ("skew", "status"),
    [
        (0.0, "ok"),
        (29.9, "ok"),
        (-29.9, "ok"),
        (30.0, "warning"),
        (-30.0, "warning"),
        (300.0, "failed"),
        (-4000, "failed"),
        (Unread("no answer"), "warning"),
    ],
)
def test_a_clock_is_judged_by_what_its_error_breaks(skew, status):
    assert judge_clock("S3", skew).status == status


@pytest.mark.parametrize(("skew", "word"), [(400.0, "behind"), (-400.0, "ahead")])
def test_a_wrong_clock_is_told_in_which_direction(skew, word):
    assert f"clock is 400 s {word}" in judge_clock("S3", skew).detail


@pytest.mark.parametrize(
    ("caller", "status", "mended"),
    [
        (None, "ok", None),
        (Caller("replicator@p.iam.gserviceaccount.com"), "ok", None),
        (Caller("ann@example.com"), "warning", "--impersonate"),
        (Caller(None), "warning", "--impersonate"),
        (
            Transient(Reason.CREDENTIALS_UNAVAILABLE, "there are none"),
            "failed",
            "gcloud auth application-default login",
        ),
    ],
)
def test_google_has_to_see_the_service(caller, status, mended):
    finding = judge_google(caller, DEPLOYMENT)
    assert finding.status == status
    assert (mended in finding.mend) if mended else finding.mend is None
