"""Judging AWS: whom it sees, and each source bucket."""

import json
import shlex
from dataclasses import replace

import pytest

from replicator.doctor import Check, Status
from replicator.doctor.deployment import Deployment
from replicator.doctor.facts import Notifications, SourceFacts, TriedObject, Unread
from replicator.doctor.source import Reader, grant_reading, judge_caller, judge_source
from replicator.errors import Permanent, Transient
from replicator.reasons import Reason
from replicator.rules import SourceAccess

DEPLOYMENT = Deployment("my-project", "europe-west1", "replicator@my-project.iam.gserviceaccount.com")
USER = "arn:aws:iam::111122223333:user/readers/reader"
ROLE = "arn:aws:sts::111122223333:assumed-role/reader-role/replicator"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/k"
DENIED, UNAVAILABLE = Permanent(Reason.SOURCE_ACCESS_DENIED, "status 403"), Transient(Reason.SOURCE_UNAVAILABLE, "503")
KMS_DENIED, ARCHIVED = Permanent(Reason.SOURCE_KMS_DENIED, "AccessDenied"), Permanent(Reason.SOURCE_ARCHIVED)
REFUSED = Permanent(Reason.SOURCE_REFUSED, "status 400")
BAD_KEYS, NO_KEYS = Transient(Reason.SOURCE_CREDENTIALS_REJECTED), Transient(Reason.CREDENTIALS_UNAVAILABLE)
TRIED = TriedObject("k")
SOUND = SourceFacts("bucket", "eu-west-1", tried=TRIED)
READER = Reader(USER)
BY_TAGS, PAYING = Reader(USER, by_tags=True), Reader(USER, pays=True)


def judged(facts: SourceFacts, reader: Reader = READER, deployment: Deployment = DEPLOYMENT) -> dict:
    found = list(judge_source(facts, reader, deployment))
    assert len({finding.check for finding in found}) == len(found)
    return {finding.check: finding for finding in found}


def tried(**values) -> SourceFacts:
    return replace(SOUND, tried=replace(TRIED, **values))


def test_all_is_well_with_a_sound_bucket():
    found = judged(SOUND)
    assert {finding.status for finding in found.values()} == {Status.OK}
    assert {finding.mend for finding in found.values()} == {None}
    assert set(found) == {check for check in Check if check.area == "source"}


@pytest.mark.parametrize(
    ("check", "facts", "reader", "status", "mended"),
    [
        (Check.SOURCE_LISTABLE, replace(SOUND, listed=DENIED), READER, "failed", "put-user-policy"),
        (Check.SOURCE_LISTABLE, replace(SOUND, listed=UNAVAILABLE), READER, "failed", None),
        (Check.SOURCE_READABLE, replace(SOUND, tried=None), READER, "warning", None),
        (Check.SOURCE_READABLE, tried(read=DENIED), READER, "failed", "s3:GetObject"),
        (Check.SOURCE_READABLE, tried(read=ARCHIVED), READER, "warning", None),
        (Check.SOURCE_READABLE, tried(read=REFUSED), READER, "failed", None),
        (Check.SOURCE_READABLE, tried(read=BAD_KEYS), READER, "failed", None),
        (Check.SOURCE_LISTABLE, replace(SOUND, listed=REFUSED), READER, "failed", None),
        (Check.SOURCE_LISTABLE, replace(SOUND, listed=BAD_KEYS), READER, "failed", None),
        (Check.SOURCE_LISTABLE, replace(SOUND, listed=NO_KEYS), READER, "failed", None),
        (Check.SOURCE_READABLE, tried(read=UNAVAILABLE), READER, "warning", None),
        (Check.SOURCE_VERSIONS, tried(version_id="v"), READER, "ok", None),
        (Check.SOURCE_VERSIONS, tried(version_id="v", by_version=DENIED), READER, "failed", "s3:GetObjectVersion"),
        (Check.SOURCE_VERSIONS, tried(version_id="v", by_version=UNAVAILABLE), READER, "warning", None),
        (Check.SOURCE_TAGS, tried(tags=DENIED), READER, "warning", "s3:GetObjectTagging"),
        (Check.SOURCE_TAGS, tried(tags=DENIED), BY_TAGS, "failed", "s3:GetObjectTagging"),
        (Check.SOURCE_TAGS, tried(tags=UNAVAILABLE), BY_TAGS, "warning", None),
        (Check.SOURCE_TAGS, tried(tags=REFUSED), READER, "failed", None),
        (Check.SOURCE_PARTS, tried(parts=REFUSED), READER, "failed", None),
        (Check.SOURCE_PARTS, tried(parts=DENIED), READER, "warning", "s3:GetObjectAttributes"),
        (Check.SOURCE_PARTS, tried(parts=UNAVAILABLE), READER, "warning", None),
        (Check.SOURCE_DECRYPTABLE, tried(kms_key=KEY), READER, "ok", None),
        (Check.SOURCE_DECRYPTABLE, replace(SOUND, default_kms_key=KEY), READER, "warning", f'"{KEY}"'),
        (Check.SOURCE_DECRYPTABLE, replace(SOUND, default_kms_key=Unread("")), READER, "warning", None),
        (Check.SOURCE_DECRYPTABLE, tried(read=KMS_DENIED), READER, "failed", None),
        (
            Check.SOURCE_DECRYPTABLE,
            replace(tried(read=KMS_DENIED), default_kms_key=KEY),
            READER,
            "failed",
            "kms:Decrypt",
        ),
        (Check.SOURCE_EVENTS, replace(SOUND, notifications=Notifications(False)), READER, "failed", "EventBridge"),
        (Check.SOURCE_EVENTS, replace(SOUND, notifications=Notifications(False, ("q",))), READER, "warning", "jq -s"),
        (Check.SOURCE_EVENTS, replace(SOUND, notifications=Notifications(True, ("q",))), READER, "ok", None),
        (Check.SOURCE_EVENTS, replace(SOUND, notifications=Unread("")), READER, "warning", None),
        (Check.SOURCE_REGION, replace(SOUND, region=None), READER, "warning", None),
        (Check.SOURCE_REGION, replace(SOUND, region="us-east-1"), READER, "warning", None),
        (Check.SOURCE_REGION, SOUND, Reader(region="us-east-1"), "warning", "AWS_REGION=eu-west-1"),
        (Check.SOURCE_REGION, SOUND, Reader(region="eu-west-1"), "ok", None),
        (Check.SOURCE_PAYER, replace(SOUND, requester_pays=True), READER, "failed", "AWS_REQUEST_PAYER=true"),
        (Check.SOURCE_PAYER, replace(SOUND, requester_pays=True), PAYING, "ok", None),
        (Check.SOURCE_PAYER, replace(SOUND, requester_pays=Unread("")), READER, "ok", None),
        (Check.SOURCE_PAYER, replace(SOUND, requester_pays=Unread("")), PAYING, "warning", None),
        (Check.SOURCE_PAYER, replace(SOUND, requester_pays=Unread(""), tried=None), READER, "warning", None),
        (Check.SOURCE_PAYER, replace(SOUND, tried=None), READER, "ok", None),
    ],
)
def test_each_fault_is_seen_by_its_check(check, facts, reader, status, mended):
    finding = judged(facts, reader)[check]
    assert finding.status == status
    assert (mended in finding.mend) if mended else finding.mend is None
    assert finding.detail.endswith((".", ")"))


def test_a_missing_bucket_is_one_failure():
    [finding] = judge_source(replace(SOUND, listed=Permanent(Reason.SOURCE_BUCKET_NOT_FOUND)), READER, DEPLOYMENT)
    assert (finding.check, finding.status) == (Check.SOURCE_LISTABLE, Status.FAILED)
    assert "does not exist" in finding.detail


def test_without_a_read_nothing_is_said_of_versions_tags_and_parts():
    assert not {Check.SOURCE_VERSIONS, Check.SOURCE_TAGS, Check.SOURCE_PARTS} & set(judged(tried(read=DENIED)))


def test_a_listing_that_is_denied_is_explained():
    assert "403 for an object that is gone" in judged(replace(SOUND, listed=DENIED))[Check.SOURCE_LISTABLE].detail


def test_what_could_not_be_looked_at_names_the_missing_permission():
    facts = replace(SOUND, notifications=Unread("S3 refuses it", "s3:GetBucketNotification"))
    assert "s3:GetBucketNotification is missing to whoever runs this" in judged(facts)[Check.SOURCE_EVENTS].detail


def test_what_could_not_be_looked_at_for_another_reason_says_it():
    facts = replace(SOUND, notifications=Unread("S3 answers X"))
    assert "could not be looked at: S3 answers X." in judged(facts)[Check.SOURCE_EVENTS].detail


@pytest.mark.parametrize(
    ("arn", "kind", "name"),
    [(USER, "user", "reader"), (ROLE, "role", "reader-role"), (USER.replace("readers/", ""), "user", "reader")],
)
def test_the_grant_is_a_policy_of_whom_aws_sees(arn, kind, name):
    command = grant_reading(arn, "bucket", KEY)
    words = shlex.split(command)
    assert words[:5] == ["aws", "iam", f"put-{kind}-policy", f"--{kind}-name", name]
    assert words[words.index("--policy-name") + 1] == "replicator-reads-bucket"
    assert granted(command) == GRANTED | {"kms:Decrypt": KEY}


GRANTED = {
    "s3:GetObject": "arn:aws:s3:::bucket/*",
    "s3:GetObjectVersion": "arn:aws:s3:::bucket/*",
    "s3:GetObjectTagging": "arn:aws:s3:::bucket/*",
    "s3:GetObjectVersionTagging": "arn:aws:s3:::bucket/*",
    "s3:GetObjectAttributes": "arn:aws:s3:::bucket/*",
    "s3:GetObjectVersionAttributes": "arn:aws:s3:::bucket/*",
    "s3:ListBucket": "arn:aws:s3:::bucket",
}


def granted(command: str) -> dict[str, str]:
    """What the command's policy allows, each on what."""
    words, allowed = shlex.split(command), {}
    for statement in json.loads(words[words.index("--policy-document") + 1])["Statement"]:
        assert statement["Effect"] == "Allow"
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            allowed[action] = statement["Resource"]
    return allowed


def test_what_mends_a_missing_permission_grants_all_that_reading_takes():
    for check, facts in [
        (Check.SOURCE_READABLE, tried(read=DENIED)),
        (Check.SOURCE_VERSIONS, tried(version_id="v", by_version=DENIED)),
        (Check.SOURCE_LISTABLE, replace(SOUND, listed=DENIED)),
    ]:
        assert granted(judged(facts)[check].mend) == GRANTED


def test_the_grant_is_made_in_the_partition_of_whom_aws_sees():
    assert "arn:aws-cn:s3:::bucket/*" in grant_reading(USER.replace("arn:aws:", "arn:aws-cn:"), "bucket")


@pytest.mark.parametrize("arn", [None, "arn:aws:iam::111122223333:root", "arn:aws:sts::1:federated-user/x"])
def test_nothing_is_granted_to_nobody(arn):
    assert grant_reading(arn, "bucket") is None


SECRET, BY_ROLE = SourceAccess("projects/p/secrets/aws-keys"), SourceAccess(role_arn="arn:aws:iam::1:role/r")
REJECTED = Transient(Reason.CREDENTIALS_UNAVAILABLE, "AWS STS refuses the keys: InvalidClientTokenId")


@pytest.mark.parametrize(
    ("access", "arn", "error", "status", "mended"),
    [
        (SECRET, USER, None, "ok", None),
        (SourceAccess(), None, None, "ok", None),
        (SourceAccess(), "arn:aws:iam::111122223333:root", None, "warning", None),
        (SECRET, "arn:aws:iam::111122223333:root", None, "warning", "gcloud secrets versions add aws-keys"),
        (SECRET, None, REJECTED, "failed", "aws iam create-access-key"),
        (BY_ROLE, None, REJECTED, "failed", "ServiceAccountId=$(gcloud iam service-accounts describe replicator@"),
        (SourceAccess(), None, REJECTED, "failed", None),
    ],
)
def test_whom_aws_sees_is_said_or_why_nobody_is(access, arn, error, status, mended):
    finding = judge_caller(access, arn, error, DEPLOYMENT)
    assert finding.status == status
    assert (mended in finding.mend) if mended else finding.mend is None
    assert arn is None or arn in finding.detail
    assert error is None or "InvalidClientTokenId" in finding.detail
