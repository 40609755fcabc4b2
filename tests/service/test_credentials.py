"""The service with every kind of credentials: several AWS accounts, rotations, and identity servers that fail."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.retries.standard import ExponentialBackoff
from google.api_core import exceptions as api
from google.auth.compute_engine import _metadata
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator import bootstrap
from replicator.rules import Rule, RuleSet, SourceAccess
from replicator.settings import ReplicateSettings
from replicator.web.replicate import ReplicateDoors
from tests.identity_servers import MetadataServer, Sts, running
from tests.secret_manager import accessed, instead_of_secret_manager
from tests.servers import cloud_storage
from tests.service.accounts_s3 import AccountsS3, Bucket, accounts_s3

SECRET, OTHER_SECRET = "projects/p/secrets/one", "projects/p/secrets/two"
ROLE = "arn:aws:iam::111122223333:role/replicator"
LARGE = bytes(range(256)) * 40_000  # a stream, not a whole


class SecretManager:
    """Secret Manager's client, with the newest version of each secret."""

    def __init__(self, **_: object) -> None:
        self.secrets: dict[str, bytes] = {}
        self.down = False

    def put(self, resource: str, access_key_id: str) -> None:
        keys = {"aws_access_key_id": access_key_id, "aws_secret_access_key": "s"}
        self.secrets[f"{resource}/versions/latest"] = json.dumps(keys).encode()

    def access_secret_version(self, *, name: str, **_: object):
        if self.down:
            raise api.ServiceUnavailable("down")
        return accessed(self.secrets[name])


@pytest.fixture
def manager(monkeypatch) -> SecretManager:
    return instead_of_secret_manager(monkeypatch, SecretManager())


@pytest.fixture
def metadata(monkeypatch) -> Iterator[MetadataServer]:
    with running(MetadataServer) as server:
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", server.host)
        monkeypatch.setenv("GCE_METADATA_IP", server.host)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)
        yield server


@pytest.fixture
def sts(monkeypatch) -> Iterator[Sts]:
    with running(Sts) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        yield server


@pytest.fixture
def serving(monkeypatch, tmp_path):
    """Builds the service as `bootstrap` does, from variables and rules, in front of an S3. It retries nothing, so that
    every request that fails is seen."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
    with cloud_storage("replica") as storage:

        def build(s3: AccountsS3, *rules: Rule, **variables: str) -> Client:
            environment = {
                "SOURCE_S3_BUCKETS": "one",
                "TARGET_GCS_BUCKET": "replica",
                "K_SERVICE": "replicator",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL_S3": s3.url,
                "STORAGE_EMULATOR_HOST": storage.url,
                "MAX_RETRIES": "0",
                **variables,
            }
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            if rules:
                monkeypatch.setattr(ReplicateSettings, "rules", RuleSet(rules))
            engine = bootstrap.build_engine(ReplicateSettings.load(), 16)
            return Client(Request.application(ReplicateDoors(lambda: engine)))

        yield build


def replicate(service: Client, key: str, bucket: str = "one") -> tuple[int, dict]:
    answer = service.post("/v1/replicate", json={"bucket": bucket, "key": key})
    return answer.status_code, answer.get_json(force=True)


def rule(bucket: str, **access) -> Rule:
    return Rule(bucket, frozenset({bucket}), "replica", destination_prefix=f"{bucket}/", access=SourceAccess(**access))


# --- Several accounts -------------------------------------------------------------------------------------------------


def test_each_rule_reads_its_own_account(serving, manager, metadata, sts, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    manager.put(SECRET, "ONE")
    manager.put(OTHER_SECRET, "TWO")
    buckets = {name: Bucket({keys}, {"k": b"hello"}) for name, keys in [("one", "ONE"), ("two", "TWO")]}
    buckets |= {"role": Bucket({"ROLE1"}, {"k": b"hello"}), "sdk": Bucket({"ENVIRONMENT"}, {"k": b"hello"})}
    with accounts_s3(**buckets) as s3:
        service = serving(
            s3,
            rule("one", credentials_secret=SECRET),
            rule("two", credentials_secret=OTHER_SECRET),
            rule("role", role_arn=ROLE),
            rule("sdk"),
        )
        assert [replicate(service, "k", bucket)[0] for bucket in buckets] == [201] * 4
        assert service.get("/ready").status_code == 200
    assert s3.rejections == 0
    assert (len(metadata.asked) > 0, len(sts.asked)) == (True, 1)


def test_only_the_rule_that_pays_pays(serving, manager):
    manager.put(SECRET, "ONE")
    with accounts_s3(one=Bucket({"ONE"}, {"k": b"hello", "large": LARGE}, requester_pays=True)) as s3:
        payer = serving(s3, rule("one", request_payer=True), AWS_CREDENTIALS_SECRET=SECRET)
        assert [replicate(payer, key)[0] for key in ("k", "large")] == [201, 201]
        assert payer.get("/ready").status_code == 200
        status, problem = replicate(serving(s3, rule("one"), AWS_CREDENTIALS_SECRET=SECRET), "k")
    assert (status, problem["reason"]) == (403, "source_access_denied")


def test_a_kms_key_that_denies_is_told_from_a_bucket_that_does(serving, manager):
    manager.put(SECRET, "ONE")
    text = "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:::key/1"
    with accounts_s3(
        one=Bucket({"ONE"}, denial=("AccessDenied", text)),
        two=Bucket({"ONE"}, denial=("AccessDenied", "Access Denied")),
    ) as s3:
        service = serving(s3, rule("one"), rule("two"), AWS_CREDENTIALS_SECRET=SECRET)
        answers = [replicate(service, "k", bucket) for bucket in ("one", "two")]
    assert [(status, problem["reason"]) for status, problem in answers] == [
        (403, "source_kms_denied"),
        (403, "source_access_denied"),
    ]
    assert "arn:" not in str(answers)


# --- Rotation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 2, 3, 40, 41, 42])
def test_no_request_fails_when_keys_are_rotated_under_sixteen_threads(serving, manager, at):
    manager.put(SECRET, "OLD")
    objects = {f"k{number}": b"hello" for number in range(40)} | {"large": LARGE}
    bucket = Bucket({"OLD"}, objects)

    def rotate(number: int) -> None:
        if number == at:
            manager.put(SECRET, "NEW")
            bucket.keys = {"NEW"}

    with accounts_s3(one=bucket) as s3:
        s3.before = rotate
        service = serving(s3, AWS_CREDENTIALS_SECRET=SECRET)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda key: replicate(service, key), objects))
    assert [status for status, _ in answers] == [201] * len(objects)
    assert s3.rejections > 0


def test_no_request_fails_when_the_keys_of_a_role_are_revoked(serving, metadata, sts):
    objects = {f"k{number}": b"hello" for number in range(20)}
    bucket = Bucket({"ROLE1"}, objects)

    def revoke(number: int) -> None:
        if number == 20:
            bucket.keys = {"ROLE2"}

    with accounts_s3(one=bucket) as s3:
        s3.before = revoke
        service = serving(s3, AWS_ROLE_ARN=ROLE)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda key: replicate(service, key), objects))
    assert [status for status, _ in answers] == [201] * len(objects)
    assert len(sts.asked) == 2


def test_no_request_fails_while_secret_manager_is_down_or_its_newest_version_is_no_key(serving, manager):
    manager.put(SECRET, "OLD")
    with accounts_s3(one=Bucket({"OLD"}, dict.fromkeys("abc", b"hello"))) as s3:
        service = serving(s3, AWS_CREDENTIALS_SECRET=SECRET, AWS_CREDENTIALS_MAX_AGE="0.000001")
        assert replicate(service, "a")[0] == 201
        manager.down = True
        assert replicate(service, "b")[0] == 201
        manager.down = False
        manager.secrets[f"{SECRET}/versions/latest"] = b"not a key"
        assert replicate(service, "c")[0] == 201
    assert s3.rejections == 0


# --- Nothing to sign with ---------------------------------------------------------------------------------------------


def test_a_secret_that_was_never_read_is_asked_for_again_with_the_next_request(serving, manager):
    manager.put(SECRET, "ONE")
    manager.down = True
    with accounts_s3(one=Bucket({"ONE"}, {"k": b"hello"})) as s3:
        service = serving(s3, AWS_CREDENTIALS_SECRET=SECRET)
        status, problem = replicate(service, "k")
        assert (status, problem["reason"]) == (503, "credentials_unavailable")
        manager.down = False
        assert replicate(service, "k")[0] == 201


@pytest.mark.parametrize("which", ["metadata", "sts"])
def test_a_role_without_its_servers_is_transient_and_says_nothing_of_the_token(
    serving, metadata, sts, which, capsys, caplog
):
    {"metadata": metadata, "sts": sts}[which].down = True
    with accounts_s3(one=Bucket({"ROLE1"}, {"k": b"hello"})) as s3:
        status, problem = replicate(serving(s3, AWS_ROLE_ARN=ROLE), "k")
    assert (status, problem["reason"]) == (503, "credentials_unavailable")
    tokens = [request.parameters["WebIdentityToken"] for request in sts.asked]
    printed = f"{problem} {capsys.readouterr()} {caplog.text}"
    assert not any(token in printed for token in tokens)
    assert (len(tokens) > 0) == (which == "sts")
