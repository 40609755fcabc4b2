"""Judges what AWS is like: who asks, and each source bucket."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from replicator.doctor.deployment import STACK, Deployment
from replicator.doctor.facts import Notifications, SourceFacts, Unread
from replicator.doctor.finding import WITHOUT_KEYS, Check, Finding, failed, ok, unread, warning
from replicator.doctor.regions import far_apart
from replicator.errors import Permanent, ReplicationError
from replicator.reasons import Reason
from replicator.rules import SourceAccess

READ = ("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging")
ATTRIBUTES = ("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes")


@dataclass(frozen=True, slots=True)
class Reader:
    """How the service reads one bucket. `arn` is whom AWS sees, `None` where nobody could say."""

    arn: str | None = None
    pays: bool = False
    by_tags: bool = False
    region: str | None = None
    """That the client is configured for, where it serves this bucket alone."""


def judge_caller(
    access: SourceAccess, arn: str | None, error: ReplicationError | None, deployment: Deployment
) -> Finding:
    """Whom AWS sees. `arn` and `error` are both `None` where S3 is another's than Amazon's."""
    subject = access.credentials_secret or access.role_arn or "the AWS SDK's own credentials"
    if error:
        return failed(Check.AWS_IDENTITY, subject, _sentence(error), _mend_caller(access, deployment))
    if arn is None:
        return ok(Check.AWS_IDENTITY, subject, "This S3 is not Amazon's: there is nobody who would know.")
    if arn.endswith(":root"):
        said = f"AWS sees {arn}, who may do everything: use a reader who may read and nothing else."
        return warning(Check.AWS_IDENTITY, subject, said, _mend_caller(access, deployment))
    return ok(Check.AWS_IDENTITY, subject, f"AWS sees {arn}.")


def judge_source(facts: SourceFacts, reader: Reader, deployment: Deployment) -> Iterator[Finding]:
    """One bucket, as far as it could be looked at. A bucket that is not there is one finding."""
    subject = f"s3://{facts.bucket}"
    grant = grant_reading(reader.arn, facts.bucket)
    if facts.listed and facts.listed.reason is Reason.SOURCE_BUCKET_NOT_FOUND:
        yield failed(Check.SOURCE_LISTABLE, subject, _sentence(facts.listed))
        return
    yield _listable(subject, facts, grant)
    yield from _tried(subject, facts, reader, grant)
    yield _events(subject, facts.bucket, facts.notifications)
    yield _region(subject, facts.region, reader, deployment)
    yield _payer(subject, facts, reader, deployment)


def grant_reading(arn: str | None, bucket: str, kms_key: str | None = None) -> str | None:
    """The command that lets the reader read, for an administrator of its account. `None` where the ARN is of nobody
    whom a policy could be given to."""
    found = re.fullmatch(r"arn:([^:]+):(?:sts::\d+:assumed-role/([^/]+)/.+|iam::\d+:user/(?:.+/)?([^/]+))", arn or "")
    if not found:
        return None
    resource = f"arn:{found[1]}:s3:::{bucket}"
    statements: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": [*READ, *ATTRIBUTES], "Resource": f"{resource}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": resource},
    ]
    if kms_key:
        statements.append({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": kms_key})
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    kind, name = ("role", found[2]) if found[2] else ("user", found[3])
    return (
        f"aws iam put-{kind}-policy --{kind}-name {name} --policy-name replicator-reads-{bucket} "
        f"--policy-document {quote(policy)}"
    )


def switch_events_on(bucket: str) -> str:
    """`put` replaces the whole configuration, so what there is goes into it (deploy/aws/README.md)."""
    about = f"bucket-notification-configuration --bucket {bucket}"
    return (
        f"aws s3api get-{about} | jq -s '(.[0] // {{}}) + {{\"EventBridgeConfiguration\": {{}}}}' > notifications.json "
        f"&& aws s3api put-{about} --notification-configuration file://notifications.json"
    )


def _listable(subject: str, facts: SourceFacts, grant: str | None) -> Finding:
    if facts.listed is None:
        return ok(Check.SOURCE_LISTABLE, subject, "It can be listed, so an absent object is told from a forbidden one.")
    if facts.listed.reason is not Reason.SOURCE_ACCESS_DENIED:  # nothing is replicated from what does not answer
        return failed(Check.SOURCE_LISTABLE, subject, _sentence(facts.listed))
    said = "s3:ListBucket is missing: S3 answers 403 for an object that is gone, so no deletion is ever seen."
    return failed(Check.SOURCE_LISTABLE, subject, said, grant)


def _tried(subject: str, facts: SourceFacts, reader: Reader, grant: str | None) -> Iterator[Finding]:
    tried = facts.tried
    if tried is None:
        said = (
            "There is no object to try it with, or none could be found." if facts.listed else "There is no object yet."
        )
        yield warning(Check.SOURCE_READABLE, subject, said)
        return
    where = f"{subject}/{tried.key}"
    kms_denied = tried.read is not None and tried.read.reason is Reason.SOURCE_KMS_DENIED
    if kms_denied:
        yield failed(Check.SOURCE_READABLE, where, "It cannot be read, since it cannot be decrypted.")
    elif tried.read:
        yield _refused(Check.SOURCE_READABLE, where, tried.read, "s3:GetObject", grant)
    else:
        yield ok(Check.SOURCE_READABLE, where, "Its first byte was read.")
    yield _decryptable(subject, facts, reader, kms_denied=kms_denied)
    if tried.read:
        return
    if tried.version_id is None:
        yield ok(Check.SOURCE_VERSIONS, where, "It has no version: the bucket keeps none, and reads need none.")
    elif tried.by_version:
        yield _refused(Check.SOURCE_VERSIONS, where, tried.by_version, "s3:GetObjectVersion", grant)
    else:
        yield ok(Check.SOURCE_VERSIONS, where, "It was read by its version.")
    yield _tags(where, tried.tags, reader, grant)
    if tried.parts and tried.parts.reason is Reason.SOURCE_ACCESS_DENIED:
        said = (
            "s3:GetObjectAttributes is missing: some objects uploaded in parts are compared with no checksum of S3's."
        )
        yield warning(Check.SOURCE_PARTS, where, said, grant)
    elif tried.parts:
        yield _unclear(Check.SOURCE_PARTS, where, tried.parts)
    else:
        yield ok(Check.SOURCE_PARTS, where, "It may be asked for.")


def _tags(where: str, error: ReplicationError | None, reader: Reader, grant: str | None) -> Finding:
    if error is None:
        return ok(Check.SOURCE_TAGS, where, "Its tags were read.")
    if error.reason is not Reason.SOURCE_ACCESS_DENIED:
        return _unclear(Check.SOURCE_TAGS, where, error)
    missing = "s3:GetObjectTagging or s3:GetObjectVersionTagging is missing"
    if reader.by_tags:
        return failed(Check.SOURCE_TAGS, where, f"{missing}, and a rule filters by tags: it fails.", grant)
    return warning(Check.SOURCE_TAGS, where, f"{missing}: tags are not carried.", grant)


def _decryptable(subject: str, facts: SourceFacts, reader: Reader, *, kms_denied: bool) -> Finding:
    read_key = facts.tried.kms_key if facts.tried else None
    key = read_key or (facts.default_kms_key if isinstance(facts.default_kms_key, str) else None)
    if kms_denied:
        said = "kms:Decrypt is missing: in the reader's policy or in the key's own."
        mend = grant_reading(reader.arn, facts.bucket, key) if key else None
        return failed(Check.SOURCE_DECRYPTABLE, subject, said, mend)
    if read_key and facts.tried and not facts.tried.read:
        return ok(Check.SOURCE_DECRYPTABLE, subject, f"An object under {read_key} was read.")
    if key:
        said = f"New objects are encrypted with {key}, and none such has been read yet."
        return warning(Check.SOURCE_DECRYPTABLE, subject, said, grant_reading(reader.arn, facts.bucket, key))
    if isinstance(facts.default_kms_key, Unread):
        return unread(Check.SOURCE_DECRYPTABLE, subject, facts.default_kms_key)
    return ok(Check.SOURCE_DECRYPTABLE, subject, "New objects are not encrypted with a KMS key of one's own.")


def _events(subject: str, bucket: str, found: Notifications | Unread) -> Finding:
    if isinstance(found, Unread):
        return unread(Check.SOURCE_EVENTS, subject, found)
    if found.eventbridge:
        return ok(Check.SOURCE_EVENTS, subject, "Its events go to EventBridge.")
    if found.others:
        said = f"EventBridge is off; events go to {', '.join(found.others)}. Right if that leads to the service."
        return warning(Check.SOURCE_EVENTS, subject, said, switch_events_on(bucket))
    return failed(
        Check.SOURCE_EVENTS, subject, "It sends no events: what changes is never noticed.", switch_events_on(bucket)
    )


def _region(subject: str, region: str | None, reader: Reader, deployment: Deployment) -> Finding:
    if region is None:
        return warning(Check.SOURCE_REGION, subject, "S3 does not say which region it is in.")
    if reader.region and reader.region != region:
        said = f"It is in {region}, and AWS_REGION is {reader.region}: S3 redirects."
        return warning(Check.SOURCE_REGION, subject, said, deployment.set_variable("AWS_REGION", region))
    if far_apart(region, deployment.region):
        said = f"It is in {region}, and the service in {deployment.region}: on another continent, so all is slower."
        return warning(Check.SOURCE_REGION, subject, said)
    return ok(Check.SOURCE_REGION, subject, f"It is in {region}.")


def _payer(subject: str, facts: SourceFacts, reader: Reader, deployment: Deployment) -> Finding:
    read = facts.tried is not None and facts.tried.read is None
    if facts.requester_pays is True and not reader.pays:
        said = "Requesters pay for this bucket, and the service does not agree to: S3 answers 403."
        return failed(Check.SOURCE_PAYER, subject, said, deployment.set_variable("AWS_REQUEST_PAYER", "true"))
    if facts.requester_pays is True:
        return ok(Check.SOURCE_PAYER, subject, "Requesters pay, and the service agrees to.")
    if read and not reader.pays:
        return ok(Check.SOURCE_PAYER, subject, "Its owner pays, since a read without an agreement to pay succeeded.")
    if isinstance(facts.requester_pays, Unread):
        return unread(Check.SOURCE_PAYER, subject, facts.requester_pays)
    return ok(Check.SOURCE_PAYER, subject, "Its owner pays.")


def _refused(check: Check, where: str, error: ReplicationError, permission: str, grant: str | None) -> Finding:
    if error.reason is Reason.SOURCE_ACCESS_DENIED:
        return failed(check, where, f"{permission} is missing.", grant)
    if error.reason is Reason.SOURCE_ARCHIVED:
        return warning(check, where, f"Only archived objects were found to try: {_sentence(error)}")
    return _unclear(check, where, error)


def _unclear(check: Check, where: str, error: ReplicationError) -> Finding:
    """What only waits for S3 is no fault; keys that nobody takes do not pass by themselves, though they are retried."""
    if isinstance(error, Permanent) or error.reason in WITHOUT_KEYS:
        return failed(check, where, _sentence(error))
    return warning(check, where, f"This could not be tried: {_sentence(error)}")


def _mend_caller(access: SourceAccess, deployment: Deployment) -> str | None:
    if access.credentials_secret:
        return new_key(access.credentials_secret, deployment)
    if access.role_arn:
        account = f"gcloud iam service-accounts describe {deployment.service_account} --format 'value(uniqueId)'"
        return (
            f"aws cloudformation deploy --stack-name {STACK} --template-file deploy/aws/replicator.yaml "
            f'--capabilities CAPABILITY_NAMED_IAM --parameter-overrides "ServiceAccountId=$({account})"'
        )
    return None


def new_key(resource: str, deployment: Deployment) -> str:
    """A new key of the stack's reader, as a new version of the secret (deploy/aws/README.md)."""
    user = (
        f"$(aws cloudformation describe-stacks --stack-name {STACK} --output text "
        "--query \"Stacks[0].Outputs[?OutputKey=='ReaderUserName'].OutputValue\")"
    )
    return (
        f'aws iam create-access-key --user-name "{user}" | '
        f"gcloud secrets versions add {deployment.named(resource)} --data-file=-"
    )


def _sentence(error: ReplicationError) -> str:
    return error.reason.explained(error.detail)
