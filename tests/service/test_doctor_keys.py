"""The doctor on keys from Secret Manager and from a role, as the service and as somebody who is lent its identity."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from google.api_core import exceptions as api
from google.pubsub_v1 import Subscription

from replicator import cli
from tests.identity_servers import Sts, running
from tests.pubsub_stand_in import pubsub
from tests.secret_manager import accessed, instead_of_secret_manager
from tests.servers import cloud_storage, forget_the_shell

SECRET = "projects/p/secrets/aws-keys"
ROTATION = "projects/p/topics/secret-rotation"
KEYS = b'{"AccessKeyId": "AKIA1", "SecretAccessKey": "never-shown"}'
BEFORE = datetime.now(UTC) - timedelta(days=100)


class SecretManager:
    """Secret Manager's client, with one secret; `denied` methods are refused, and `faults` raised."""

    def __init__(self) -> None:
        self.payload, self.created, self.denied, self.faults = KEYS, datetime.now(UTC), set(), {}
        self.rotation = SimpleNamespace(rotation_period=timedelta(days=90))
        self.topics = [SimpleNamespace(name=ROTATION)]

    def access_secret_version(self, **_: object):
        self._check("access")
        return accessed(self.payload)

    def get_secret_version(self, **_: object):
        self._check("version")
        return SimpleNamespace(create_time=self.created)

    def get_secret(self, **_: object):
        self._check("secret")
        return SimpleNamespace(rotation=self.rotation, topics=self.topics)

    def _check(self, method: str) -> None:
        if method in self.denied:
            raise api.PermissionDenied("the text of an error")
        if method in self.faults:
            raise self.faults[method]("the text of an error")


class Identities(Sts):
    """An STS that knows whom it gave keys to, unless it is told to know nobody."""

    def answer(self, request):
        if request.parameters["Action"] != "GetCallerIdentity":
            return super().answer(request)
        if self.unknown:
            return 403, "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>"
        arn = "arn:aws:iam::111122223333:user/reader"
        result = f"<GetCallerIdentityResult><Arn>{arn}</Arn></GetCallerIdentityResult>"
        return 200, f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>"

    unknown = False


@pytest.fixture
def manager(monkeypatch) -> SecretManager:
    return instead_of_secret_manager(monkeypatch, SecretManager())


@pytest.fixture
def sts(monkeypatch, tmp_path):
    forget_the_shell(monkeypatch)
    with running(Identities) as server, cloud_storage("replica") as storage, pubsub() as messages:
        for name, value in {
            "AWS_ENDPOINT_URL_STS": server.url,
            "AWS_ENDPOINT_URL_S3": server.url,  # which is no S3: nothing is asked of the bucket here
            "AWS_CREDENTIALS_SECRET": SECRET,
            "AWS_REGION": "eu-west-1",
            "AWS_MAX_ATTEMPTS": "1",
            "STORAGE_EMULATOR_HOST": storage.url,
            "PUBSUB_EMULATOR_HOST": messages.address,
            "SOURCE_S3_BUCKETS": "source-bucket",
            "TARGET_GCS_BUCKET": "replica",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        messages.subscriptions["projects/p/subscriptions/secret-rotation"] = Subscription(topic=ROTATION)
        server.pubsub = messages
        yield server


def keys(capsys) -> dict[str, dict]:
    """What is found of the keys and of whom AWS sees."""
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--json"])
    out = capsys.readouterr().out
    assert "never-shown" not in out
    assert "the text of an error" not in out
    return {one["check"]: one for one in json.loads(out)["findings"] if one["check"].startswith(("keys_", "aws_"))}


def amiss(capsys) -> dict[str, str]:
    return {check: one["status"] for check, one in keys(capsys).items() if one["status"] != "ok"}


def test_sound_keys_have_nothing_amiss(manager, sts, capsys):
    found = keys(capsys)
    assert {one["status"] for one in found.values()} == {"ok"}
    assert set(found) == {"aws_identity", "keys_readable", "keys_sound", "keys_age", "keys_rotation"}
    assert "user/reader" in found["aws_identity"]["detail"]


def test_old_keys_are_a_warning(manager, sts, capsys):
    manager.created = BEFORE
    assert amiss(capsys) == {"keys_age": "warning"}


def test_keys_that_nobody_is_reminded_of_are_a_warning(manager, sts, capsys):
    manager.rotation = None
    assert amiss(capsys) == {"keys_rotation": "warning"}


def test_reminders_that_nobody_hears_are_a_warning(manager, sts, capsys):
    sts.pubsub.subscriptions.clear()
    assert amiss(capsys) == {"keys_rotation": "warning"}
    sts.pubsub.denied.add("ListTopicSubscriptions")
    found = keys(capsys)["keys_rotation"]
    assert (found["status"], "pubsub.topics.get" in found["detail"]) == ("warning", True)


@pytest.mark.parametrize(
    ("denied", "check", "permission"),
    [("version", "keys_age", "secretmanager.versions.get"), ("secret", "keys_rotation", "secretmanager.secrets.get")],
)
def test_what_may_not_be_seen_is_a_warning_that_names_the_permission(manager, sts, capsys, denied, check, permission):
    manager.denied.add(denied)
    found = keys(capsys)
    assert {name for name, one in found.items() if one["status"] != "ok"} == {check}
    assert permission in found[check]["detail"]


def test_a_secret_that_may_not_be_read_is_granted_by_its_command(manager, sts, capsys):
    manager.denied.add("access")
    found = keys(capsys)
    assert found["keys_readable"]["status"] == "failed"
    assert found["keys_readable"]["mend"].startswith("gcloud secrets add-iam-policy-binding aws-keys --project p ")
    assert found["aws_identity"]["status"] == "failed"


def test_a_secret_that_holds_no_keys_gets_a_new_version(manager, sts, capsys):
    manager.payload = b"{}"
    assert "gcloud secrets versions add aws-keys" in keys(capsys)["keys_sound"]["mend"]


@pytest.mark.parametrize(
    ("fault", "status", "mend"),
    [
        ({"access": api.FailedPrecondition}, "failed", "gcloud secrets versions add aws-keys"),
        ({"access": api.NotFound}, "failed", "gcloud secrets versions add aws-keys"),
        ({"access": api.NotFound, "secret": api.NotFound}, "failed", "gcloud secrets create aws-keys --project p "),
        ({"access": api.InternalServerError}, "warning", None),
    ],
)
def test_a_new_key_is_for_a_secret_without_one_and_not_for_an_outage(manager, sts, capsys, fault, status, mend):
    manager.faults = fault
    found = keys(capsys)["keys_readable"]
    assert found["status"] == status
    assert (mend in found["mend"]) if mend else found["mend"] is None


def test_keys_that_aws_does_not_know_are_replaced(manager, sts, capsys):
    sts.unknown = True
    found = keys(capsys)["aws_identity"]
    assert (found["status"], "InvalidClientTokenId" in found["detail"]) == ("failed", True)
    assert "aws iam create-access-key" in found["mend"]
