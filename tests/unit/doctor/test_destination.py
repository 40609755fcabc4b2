"""Judging destination buckets."""

from dataclasses import replace

import pytest

from replicator.doctor import Check, Status
from replicator.doctor.deployment import Deployment
from replicator.doctor.destination import judge_destination
from replicator.doctor.facts import BucketSettings, DestinationFacts, LifecycleRule, Unread
from replicator.errors import Permanent, Transient
from replicator.model import Placement
from replicator.reasons import Reason
from replicator.rules import Deletes, Parts, Rule

DAY = 86_400
DEPLOYMENT = Deployment("my-project", "europe-west1")
RULE = Rule("default", frozenset({"source"}), "replica")
PROPAGATES = replace(RULE, deletes=Deletes.PROPAGATE)
NEARLINE = replace(RULE, id="cold", placement=Placement("NEARLINE"))
WHOLE = replace(RULE, parts=Parts.NEVER)
OURS, NONCURRENT = LifecycleRule(7, (".replicator/",)), LifecycleRule(30, (), noncurrent=True)
SETTINGS = BucketSettings("EUROPE-WEST1", soft_delete=7 * DAY, deletions=(OURS,))


def judged(facts: DestinationFacts, *rules: Rule, deployment: Deployment = DEPLOYMENT) -> dict:
    found = list(judge_destination(facts, rules or (RULE,), deployment))
    assert len({finding.check for finding in found}) == len(found)
    return {finding.check: finding for finding in found}


def of(**settings) -> DestinationFacts:
    return DestinationFacts("replica", settings=replace(SETTINGS, **settings))


def test_all_is_well_with_a_sound_bucket():
    found = judged(of())
    assert {finding.status for finding in found.values()} == {Status.OK}
    assert {finding.mend for finding in found.values()} == {None}
    assert set(found) == {check for check in Check if check.area == "destination"}


@pytest.mark.parametrize(
    ("check", "facts", "rules", "status", "mended"),
    [
        (Check.DESTINATION_RETENTION, of(retention=DAY), [RULE], "warning", "--clear-retention-period"),
        (Check.DESTINATION_RETENTION, of(retention=DAY), [RULE, PROPAGATES], "failed", "--clear-retention-period"),
        (Check.DESTINATION_RETENTION, of(retention=DAY, retention_locked=True), [PROPAGATES], "failed", None),
        (Check.DESTINATION_RETENTION, of(default_hold=True), [RULE], "warning", "--no-default-event-based-hold"),
        (Check.DESTINATION_RETENTION, of(default_hold=True), [PROPAGATES], "failed", "--no-default-event-based-hold"),
        (Check.DESTINATION_SOFT_DELETE, of(soft_delete=0), [RULE], "ok", None),
        (Check.DESTINATION_SOFT_DELETE, of(soft_delete=7 * DAY + 1), [RULE], "warning", "--soft-delete-duration=7d"),
        (Check.DESTINATION_VERSIONING, of(versioning=True), [RULE], "warning", "--no-versioning"),
        (Check.DESTINATION_VERSIONING, of(versioning=True, deletions=(OURS, NONCURRENT)), [RULE], "ok", None),
        (Check.DESTINATION_STORAGE_CLASS, of(storage_class="NEARLINE"), [RULE], "warning", "=STANDARD"),
        (Check.DESTINATION_STORAGE_CLASS, of(storage_class="ARCHIVE"), [RULE, NEARLINE], "warning", "=STANDARD"),
        (Check.DESTINATION_STORAGE_CLASS, of(storage_class="ARCHIVE"), [NEARLINE], "ok", None),
        (Check.DESTINATION_STORAGE_CLASS, of(autoclass=True, storage_class="NEARLINE"), [RULE], "ok", None),
        (Check.DESTINATION_STORAGE_CLASS, of(autoclass=True), [NEARLINE], "warning", "--no-enable-autoclass"),
        (Check.DESTINATION_LOCATION, of(location="EU"), [RULE], "ok", None),
        (Check.DESTINATION_LOCATION, of(location="US"), [RULE], "warning", None),
        (Check.DESTINATION_LOCATION, of(location="EUROPE-WEST4"), [RULE], "warning", None),
        (Check.DESTINATION_LOCATION, of(location="ASIA-EAST1"), [RULE], "warning", None),
        (Check.DESTINATION_LEFTOVERS, of(deletions=()), [RULE], "warning", "deploy/gcp/lifecycle.py"),
        (Check.DESTINATION_LEFTOVERS, of(deletions=()), [RULE, WHOLE], "warning", "deploy/gcp/lifecycle.py"),
        (Check.DESTINATION_LEFTOVERS, of(deletions=()), [WHOLE], "ok", None),
        (Check.DESTINATION_LEFTOVERS, of(deletions=(replace(OURS, age=6),)), [RULE], "warning", "lifecycle.py"),
        (Check.DESTINATION_LEFTOVERS, of(deletions=(replace(OURS, age=None),)), [RULE], "warning", "lifecycle.py"),
        (Check.DESTINATION_LEFTOVERS, of(deletions=(replace(OURS, noncurrent=True),)), [RULE], "warning", "lifecycle"),
        (Check.DESTINATION_LEFTOVERS, of(deletions=(LifecycleRule(7, ("tmp/",)),)), [RULE], "warning", "lifecycle.py"),
        (Check.DESTINATION_LEFTOVERS, of(deletions=(LifecycleRule(9, ("tmp/", ".repl")),)), [RULE], "ok", None),
        (Check.DESTINATION_LEFTOVERS, of(deletions=(LifecycleRule(9),)), [RULE], "warning", "lifecycle.py"),
        (
            Check.DESTINATION_LEFTOVERS,
            of(deletions=(replace(OURS, age=9), replace(OURS, age=3))),
            [RULE],
            "warning",
            "lifecycle.py",
        ),
        (Check.DESTINATION_ACCESS, of(uniform_access=False), [RULE], "warning", "--uniform-bucket-level-access"),
    ],
)
def test_each_setting_is_seen_by_its_check_and_by_no_other(check, facts, rules, status, mended):
    found = judged(facts, *rules)
    assert found[check].status == status
    assert (mended in found[check].mend) if mended else found[check].mend is None
    assert {name for name in found if found[name].status is not Status.OK} <= {check}
    assert all(finding.detail.endswith(".") for finding in found.values())


@pytest.mark.parametrize(("storage_class", "days"), [("NEARLINE", 30), ("COLDLINE", 90), ("ARCHIVE", 365)])
def test_the_days_that_a_storage_class_is_billed_for_at_least_are_named(storage_class, days):
    finding = judged(of(storage_class=storage_class))[Check.DESTINATION_STORAGE_CLASS]
    assert f"New objects are {storage_class}: " in finding.detail
    assert f" within {days} days " in finding.detail


def test_without_a_region_the_location_is_not_judged():
    finding = judged(of(location="ASIA"), deployment=Deployment())[Check.DESTINATION_LOCATION]
    assert finding.status is Status.OK
    assert "--region" in finding.detail


DENIED = Permanent(Reason.DESTINATION_ACCESS_DENIED, "status 403")
ABSENT = Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND)


@pytest.mark.parametrize(
    ("missing", "status", "mended"),
    [
        (frozenset({"storage.objects.delete"}), "failed", "roles/storage.objectUser"),
        (DENIED, "failed", "roles/storage.objectUser"),
        (ABSENT, "failed", "gcloud storage buckets create gs://replica"),
        (Permanent(Reason.DESTINATION_REFUSED, "status 400"), "failed", None),
        (Transient(Reason.CREDENTIALS_UNAVAILABLE), "failed", None),
        (Transient(Reason.DESTINATION_UNAVAILABLE), "failed", None),
    ],
)
def test_permissions_that_are_missing_are_failures(missing, status, mended):
    finding = judged(replace(of(), missing=missing))[Check.DESTINATION_PERMISSIONS]
    assert finding.status == status
    assert (mended in finding.mend) if mended else finding.mend is None
    assert not isinstance(missing, frozenset) or "storage.objects.delete missing." in finding.detail


@pytest.mark.parametrize(("region", "where"), [("europe-west1", " --location europe-west1"), (None, "")])
def test_a_missing_bucket_is_created_where_the_service_is_if_that_is_known(region, where):
    deployment = Deployment("my-project", region)
    mend = judged(replace(of(), missing=ABSENT), deployment=deployment)[Check.DESTINATION_PERMISSIONS].mend
    assert mend == (
        f"gcloud storage buckets create gs://replica --project my-project{where} --uniform-bucket-level-access"
    )


def test_a_missing_bucket_is_one_finding():
    assert [*judged(replace(of(), missing=ABSENT))] == [Check.DESTINATION_PERMISSIONS]


@pytest.mark.parametrize(("permission", "mended"), [("storage.buckets.get", True), (None, False)])
def test_settings_that_may_not_be_seen_are_one_warning(permission, mended):
    found = judged(DestinationFacts("replica", settings=Unread("Cloud Storage refuses it", permission)))
    assert [*found] == [Check.DESTINATION_PERMISSIONS, Check.DESTINATION_SETTINGS]
    finding = found[Check.DESTINATION_SETTINGS]
    assert finding.status is Status.WARNING
    assert ("roles/storage.legacyBucketReader" in (finding.mend or "")) == mended


@pytest.mark.parametrize(
    ("account", "member"),
    [
        (None, "serviceAccount:replicator@my-project.iam.gserviceaccount.com"),
        ("other@p.iam.gserviceaccount.com", "serviceAccount:other@p.iam.gserviceaccount.com"),
    ],
)
def test_grants_are_for_the_service_s_own_account(account, member):
    facts = replace(of(), missing=frozenset({"storage.objects.get"}))
    finding = judged(facts, deployment=Deployment("my-project", None, account))[Check.DESTINATION_PERMISSIONS]
    assert f' --member "{member}" ' in finding.mend
