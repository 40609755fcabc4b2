"""The composition root: nothing is built before it is needed, and then once."""

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from unittest.mock import patch

import pytest
from google.auth.credentials import AnonymousCredentials
from google.oauth2 import service_account
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator import bootstrap
from replicator.adapters.gcs import GcsDestination
from replicator.adapters.google_identity import GoogleIdentity
from replicator.adapters.pubsub import PubsubPublisher
from replicator.adapters.pubsub_dead_letters import PubsubDeadLetters
from replicator.adapters.pubsub_replay import PubsubReplayTopic
from replicator.adapters.source_by_bucket import SourceByBucket
from replicator.bootstrap import configuration, targets
from replicator.bootstrap.source import build_source
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.errors import Permanent, Transient
from replicator.model import AwsKeys
from replicator.once import once
from replicator.reasons import Reason
from replicator.rules import Rule, RuleSet, SourceAccess, parse_rules
from replicator.settings import ConfigurationError, EngineSettings, IngestSettings, ReplicateSettings
from replicator.transfer import Unwatched
from tests.google_keys import service_account_key

ROOT = Path(bootstrap.__file__).parents[2]
REPLICATE = {"SOURCE_S3_BUCKETS": "source", "TARGET_GCS_BUCKET": "replica", "K_SERVICE": "replicator"}
DEAD_LETTERS = {"DEAD_LETTER_SUBSCRIPTION": "projects/p/subscriptions/s3-events-dead"}
INGEST = {
    "FUNCTION_TARGET": "ingest",
    "INGEST_SECRETS": "secret-of-the-tests",
    "PUBSUB_TOPIC": "projects/p/topics/t",
    "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
}
SDKS = ("boto3", "botocore", "google.cloud.storage", "google.pubsub_v1", "google.cloud.secretmanager")


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch, tmp_path):
    for name in {name.upper() for kind in (ReplicateSettings, IngestSettings) for name in kind.model_fields}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("google.auth.default", lambda scopes: (AnonymousCredentials(), None))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_default_credentials(monkeypatch):
    monkeypatch.setattr("google.auth.default", lambda scopes: pytest.fail("looked for"))


@pytest.fixture(autouse=True)
def _the_process_stays_as_it_was():
    root, ours = logging.getLogger(), logging.getLogger("replicator")
    handlers, levels = root.handlers, (root.level, ours.level)
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def environment(monkeypatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def publisher_of(settings):
    return bootstrap.build_publisher(settings, settings.pubsub_topic)


# --- Configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [REPLICATE, INGEST])
def test_a_target_that_is_configured_passes(monkeypatch, variables):
    environment(monkeypatch, variables)
    bootstrap.check_configuration()


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({**REPLICATE, "TARGET_GCS_BUCKET": ""}, "TARGET_GCS_BUCKET"),
        ({**REPLICATE, "K_SERVICE": ""}, "AUTH"),
        ({**INGEST, "PUBSUB_TOPIC": ""}, "PUBSUB_TOPIC"),
        ({**REPLICATE, "FUNCTION_TARGET": "ingest"}, "INGEST_SECRETS"),
        ({**INGEST, "FUNCTION_TARGET": ""}, "SOURCE_S3_BUCKETS"),
    ],
)
def test_a_target_that_is_not_configured_stops_the_process_naming_the_variable(monkeypatch, variables, missing):
    environment(monkeypatch, variables)
    with pytest.raises(SystemExit) as stopped:
        bootstrap.check_configuration()
    assert str(stopped.value.code).startswith("configuration: ")
    assert missing in str(stopped.value.code)


def test_the_configuration_may_be_in_a_file(tmp_path):
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in REPLICATE.items()))
    with patch.dict(os.environ):
        bootstrap.check_configuration()


# --- Who checks callers -----------------------------------------------------------------------------------------------


def doors_of(monkeypatch, **variables: str) -> Client:
    """A target's doors as they are built for these variables, without an engine."""
    environment(monkeypatch, REPLICATE | variables)
    monkeypatch.setattr(targets, "build_engine", lambda *_: pytest.fail("built"))
    return Client(Request.application(targets._build_replicate_doors()))


OIDC = {"AUTH": "oidc", "OIDC_AUDIENCES": "a", "OIDC_EMAILS": "a@b.example"}


def test_where_the_service_itself_checks_callers_nobody_comes_in_without_a_token(monkeypatch):
    doors = doors_of(monkeypatch, **OIDC)
    assert doors.post("/", json={}).status_code == 401
    assert doors.get("/health").status_code == 200
    assert "googleIdentity" in doors.get("/openapi.json").text


@pytest.mark.parametrize("variables", [{"K_SERVICE": "replicator"}, {"AUTH": "none", "HOST": "127.0.0.1"}])
def test_elsewhere_it_asks_for_none(monkeypatch, variables):
    doors = doors_of(monkeypatch, **variables)
    assert doors.post("/", json={}).status_code == 400
    assert "googleIdentity" not in doors.get("/openapi.json").text


# --- Rules ------------------------------------------------------------------------------------------------------------

RULES = """
rules:
  - {id: images, source: {bucket: media}, destination: {bucket: media-replica}}
  - {id: logs, source: {bucket: logs}, destination: {bucket: logs-replica}}
"""
SECRET = "projects/p/secrets/rules"


class FakeSecretManager:
    """Secret Manager's client; `data` is the payload. Counts the reads, and remembers that it was closed."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads, self.closed = data, 0, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True


@pytest.fixture
def secret_manager(monkeypatch):
    from replicator.adapters import secrets

    manager = FakeSecretManager(RULES.encode())

    def read(client, resource):
        client.reads += 1
        if not manager.data:
            raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the secret cannot be read: Forbidden")
        return manager.data

    monkeypatch.setattr(secrets, "connect_before_fork", lambda credentials: manager)
    monkeypatch.setattr(secrets, "read", read)
    yield manager
    configuration._read_rules.cache_clear()


def test_rules_are_given_as_text_as_a_file_or_as_a_secret(monkeypatch, tmp_path, secret_manager):
    (tmp_path / "rules.yaml").write_text(RULES)
    expected = parse_rules(RULES)
    environment(
        monkeypatch,
        {"K_SERVICE": "replicator", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"},
    )
    one_line = "rules: [{id: images, source: {bucket: media}, destination: {bucket: media-replica}}]"
    for given in (RULES, "rules.yaml", str(tmp_path / "rules.yaml"), SECRET):
        monkeypatch.setenv("REPLICATION_RULES", given)
        bootstrap.check_configuration()
        assert configuration.load_rules(ReplicateSettings.load()) == expected
    for given in (one_line, one_line.removeprefix("rules: ")):
        monkeypatch.setenv("REPLICATION_RULES", given)
        assert configuration.load_rules(ReplicateSettings.load()).rules == expected.rules[:1]
    assert bootstrap.build_engine(ReplicateSettings.load(), 1).rules.rules == expected.rules[:1]
    assert secret_manager.closed


def test_rules_in_a_secret_are_read_as_whom_the_doctor_is_lent(monkeypatch, secret_manager):
    asking = []
    from replicator.adapters import secrets

    monkeypatch.setattr(
        secrets, "connect_before_fork", lambda credentials: asking.append(credentials) or secret_manager
    )
    monkeypatch.setattr("google.auth.default", lambda scopes: (AnonymousCredentials(), None))
    environment(monkeypatch, {"K_SERVICE": "replicator", "REPLICATION_RULES": SECRET, "AWS_REGION": "eu-west-1"})
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    configuration.load_rules(ReplicateSettings.load(), "replicator@p.iam.gserviceaccount.com")
    assert [one.service_account_email for one in asking] == ["replicator@p.iam.gserviceaccount.com"]


def test_rules_are_read_once_for_a_process(monkeypatch, secret_manager):
    environment(monkeypatch, {"K_SERVICE": "replicator", "REPLICATION_RULES": SECRET})
    bootstrap.check_configuration()
    secret_manager.data = b"something else"
    bootstrap.check_configuration()
    assert len(configuration.load_rules(ReplicateSettings.load()).rules) == 2
    assert secret_manager.reads == 1


def test_the_other_variables_are_one_rule(monkeypatch):
    environment(monkeypatch, REPLICATE)
    [rule] = configuration.load_rules(ReplicateSettings.load()).rules
    assert (rule.id, rule.source_buckets, rule.destination_bucket) == ("default", {"source"}, "replica")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (RULES.replace("media-replica", "Do_Not_Show"), 'rule "images": destination.bucket: is not the bare name'),
        ("[{id: images}]", 'rule "images": source: is required; rule "images": destination: is required'),
        ("rules:\n- [", "line 2: not valid YAML"),
        ("do-not-show.yaml", "the file cannot be read: No such file or directory"),
        ("/", "the file cannot be read: Is a directory"),
        ("x" * 5000, "the file cannot be read: File name too long"),
        ("/dev/zero", "the document is larger than 256 KiB"),
        (SECRET, "the secret cannot be read: Forbidden"),
    ],
)
def test_rules_that_cannot_be_used_stop_the_process_naming_the_rule_and_the_field(
    monkeypatch, secret_manager, given, problem
):
    secret_manager.data = b""
    environment(monkeypatch, {"K_SERVICE": "replicator", "REPLICATION_RULES": given})
    with pytest.raises(SystemExit) as stopped:
        bootstrap.check_configuration()
    assert str(stopped.value.code).startswith(f"configuration: REPLICATION_RULES: {problem}")
    assert "show" not in str(stopped.value.code).lower()


def test_the_server_does_not_start_on_rules_that_cannot_be_used(tmp_path):
    """Gunicorn reads this module in its master: a worker that exits would be started again and again."""
    done = subprocess.run(
        [sys.executable, "-c", "import replicator.server"],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(ROOT),
            "PATH": "",
            "K_SERVICE": "replicator",
            "REPLICATION_RULES": '[{"id": "images", "source": {}}]',
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith('configuration: REPLICATION_RULES: rule "images": source: one of bucket and buckets')
    assert "Traceback" not in done.stderr


# --- Laziness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [REPLICATE, {**REPLICATE, "PUBSUB_TOPIC": "projects/p/topics/t"}, INGEST])
def test_neither_imports_nor_the_doors_load_an_sdk_before_the_first_request(variables, tmp_path):
    script = (
        "import sys, main; from replicator import bootstrap;"
        f"bootstrap.{variables.get('FUNCTION_TARGET', 'replicate')}_doors();"
        f"print([name for name in {SDKS!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.parametrize("target", ["replicate", "ingest"])
def test_the_doors_answer_a_health_check_and_are_the_same_for_the_whole_process(monkeypatch, target):
    topic = {"PUBSUB_TOPIC": "projects/p/topics/t"}
    environment(monkeypatch, {**REPLICATE, **topic} if target == "replicate" else INGEST)
    monkeypatch.setattr(targets, "build_engine", lambda *_: pytest.fail("built for a health check"))
    monkeypatch.setattr(targets, "build_publisher", lambda *_: pytest.fail("built for a health check"))
    doors = once(getattr(targets, f"_build_{target}_doors"))
    assert Client(Request.application(doors())).get("/health").status_code == 200
    assert doors() is doors()


def test_doors_that_are_not_configured_say_so(monkeypatch):
    with pytest.raises(ConfigurationError):
        once(targets._build_replicate_doors)()


def test_what_is_built_once_is_built_at_the_first_call_and_by_one_thread():
    built, both_build = [], Barrier(2)

    def build():
        built.append(object())
        with suppress(BrokenBarrierError):
            both_build.wait(0.1)  # a second thread that builds, too, would come here meanwhile
        return built[0]

    get = once(build)
    assert built == []
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda _: get(), range(2))) == set(built)
    assert len(built) == 1


def test_a_build_that_failed_is_tried_again():
    outcomes = [ValueError("first"), "engine"]

    def build():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    get = once(build)
    with pytest.raises(ValueError, match="first"):
        get()
    assert (get(), get()) == ("engine", "engine")


# --- What is built ----------------------------------------------------------------------------------------------------


def test_the_engine_is_what_the_settings_say(monkeypatch):
    environment(
        monkeypatch,
        {
            **REPLICATE,
            "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1",
            "AWS_REGION": "eu-west-1",
            "MAX_RETRIES": "7",
            "RETRY_DELAY": "0.25",
            "RETRY_BACKOFF": "3",
            "DEADLINE_SECONDS": "99",
            "CHUNK_SIZE": "131072",
        },
    )
    settings = ReplicateSettings.load()
    engine = bootstrap.build_engine(settings, 1)
    reconciler = engine.reconciler
    assert isinstance(reconciler.source, SourceByBucket)
    assert isinstance(reconciler.destination, GcsDestination)
    assert reconciler.transfer.chunk_size == 131072
    assert (engine.rules, engine.deadline_seconds) == (settings.rules, 99)
    assert (engine.retry.max_retries, engine.retry.delay, engine.retry.backoff) == (7, 0.25, 3)
    assert (reconciler.transfer.source, reconciler.transfer.destination) == (reconciler.source, reconciler.destination)


@pytest.mark.usefixtures("no_default_credentials")
def test_emulators_take_no_credentials(monkeypatch):
    environment(monkeypatch, {**REPLICATE, "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"})
    engine = bootstrap.build_engine(ReplicateSettings.load(), 1)
    assert isinstance(engine.reconciler.destination._api.credentials, AnonymousCredentials)
    environment(monkeypatch, INGEST)
    publisher_of(IngestSettings.load())


@pytest.mark.usefixtures("no_default_credentials")
def test_every_google_client_uses_the_key_that_is_given(monkeypatch, tmp_path):
    environment(monkeypatch, {**REPLICATE, "AWS_CREDENTIALS_SECRET": SECRET, "GCP_SA_KEY": service_account_key()})
    given = {}
    monkeypatch.setattr("replicator.adapters.gcs.connect", lambda credentials, _: given.setdefault("gcs", credentials))
    monkeypatch.setattr("replicator.adapters.gcs.GcsDestination", lambda api: api)
    monkeypatch.setattr("replicator.adapters.secrets.connect", lambda credentials: given.setdefault("s", credentials))
    monkeypatch.setattr("replicator.adapters.pubsub.connect", lambda credentials, _: given.setdefault("p", credentials))
    bootstrap.build_engine(ReplicateSettings.load(), 1)
    environment(monkeypatch, {**INGEST, "PUBSUB_EMULATOR_HOST": ""})
    publisher_of(IngestSettings.load())
    monkeypatch.setattr(
        "replicator.adapters.pubsub_dead_letters.connect", lambda credentials: given.setdefault("d", credentials)
    )
    environment(monkeypatch, DEAD_LETTERS)
    bootstrap.dead_letters()
    assert all(isinstance(credentials, service_account.Credentials) for credentials in given.values())
    assert {name: credentials.scopes for name, credentials in given.items()} == {
        "gcs": ["https://www.googleapis.com/auth/devstorage.full_control"],
        "s": ["https://www.googleapis.com/auth/cloud-platform"],
        "p": ["https://www.googleapis.com/auth/cloud-platform"],
        "d": ["https://www.googleapis.com/auth/cloud-platform"],
    }


@pytest.mark.parametrize("variables", [REPLICATE, INGEST])
@pytest.mark.parametrize("variable", ["GCP_SA_KEY", "GCP_SA_KEY_B64", "GCP_CREDENTIALS_PATH"])
def test_a_google_key_that_is_none_stops_the_process_naming_the_variable(monkeypatch, tmp_path, variables, variable):
    wrong = {"GCP_SA_KEY": "do-not-show", "GCP_SA_KEY_B64": "ZG8tbm90LXNob3c=", "GCP_CREDENTIALS_PATH": "key.json"}
    (tmp_path / "key.json").write_text("do-not-show")
    environment(monkeypatch, {**variables, variable: wrong[variable]})
    with pytest.raises(SystemExit) as stopped:
        bootstrap.check_configuration()
    assert stopped.value.code == f"configuration: {variable}: is not the key of a Google service account"


def test_a_google_key_that_is_one_passes(monkeypatch):
    environment(monkeypatch, {**REPLICATE, "GCP_SA_KEY": service_account_key()})
    bootstrap.check_configuration()


# --- Access to the source ---------------------------------------------------------------------------------------------

SECRET, OTHER_SECRET = "projects/p/secrets/one", "projects/p/secrets/two"
ROLE, OTHER_ROLE = (f"arn:aws:iam::{account * 12}:role/replicator" for account in "12")


@dataclass
class Built:
    """What was built to read S3 with, in place of the real clients."""

    secrets: list[str] = field(default_factory=list)
    roles: list[tuple[str, str]] = field(default_factory=list)
    clients: list[tuple[object, bool]] = field(default_factory=list)
    sts_clients: int = 0

    def access_to(self, bucket: str) -> tuple[object, bool]:
        """The keys and whether to pay."""
        return self.clients[self.source._sources[bucket]._client]


@pytest.fixture
def built(monkeypatch):
    """Builds the source for some rules, and shows what it is made of."""
    from replicator.adapters import s3, secrets, sts

    found = Built()

    def connect_s3(keys, region, pool_size, request_payer):
        found.clients.append((keys, request_payer))
        return len(found.clients) - 1

    def connect_sts(region):
        found.sts_clients += 1

    def read(client, resource):
        found.secrets.append(resource)
        return json.dumps({"AccessKeyId": resource, "SecretAccessKey": "s"}).encode()

    def assume_role(client, role_arn, token):
        found.roles.append((role_arn, token()))
        return AwsKeys(role_arn, "s", "t")

    monkeypatch.setattr(s3, "connect", connect_s3)
    monkeypatch.setattr(s3, "LeanRequests", lambda client: None)
    monkeypatch.setattr(secrets, "connect", lambda credentials: None)
    monkeypatch.setattr(secrets, "read", read)
    monkeypatch.setattr(sts, "connect", connect_sts)
    monkeypatch.setattr(sts, "assume_role", assume_role)
    monkeypatch.setattr(GoogleIdentity, "token", lambda self, audience: f"token for {audience}")

    def build(*rules: Rule, **variables: str) -> Built:
        environment(monkeypatch, {**REPLICATE, **variables})
        found.source = build_source(ReplicateSettings.load(), RuleSet(rules), GoogleIdentity(), 1)
        return found

    return build


def rule(bucket: str, *, enabled: bool = True, **access) -> Rule:
    return Rule(f"rule-{bucket}", frozenset({bucket}), "replica", enabled=enabled, access=SourceAccess(**access))


def test_without_any_access_the_aws_sdk_looks_for_credentials_itself(built):
    assert built(rule("a")).access_to("a") == (None, False)


@pytest.mark.parametrize("own", [False, True])
def test_keys_come_from_a_secret(built, own):
    found = built(rule("a", credentials_secret=SECRET)) if own else built(rule("a"), AWS_CREDENTIALS_SECRET=SECRET)
    keys, _ = found.access_to("a")
    assert found.secrets == []
    assert keys.current().access_key_id == SECRET
    assert found.secrets == [SECRET]


@pytest.mark.parametrize("own", [False, True])
def test_keys_come_from_a_role_with_a_token_for_its_audience(built, own):
    variables = {"AWS_ROLE_AUDIENCE": "my-audience"}
    found = built(rule("a", role_arn=ROLE), **variables) if own else built(rule("a"), AWS_ROLE_ARN=ROLE, **variables)
    assert found.access_to("a")[0].current().access_key_id == ROLE
    assert found.roles == [(ROLE, "token for my-audience")]


def test_a_role_that_the_environment_gives_a_token_for_is_the_aws_sdks_own_matter(built):
    assert built(rule("a"), AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE="/token").access_to("a") == (None, False)


@pytest.mark.parametrize("own", [{"role_arn": OTHER_ROLE}, {"credentials_secret": OTHER_SECRET}])
@pytest.mark.parametrize("default", [{"AWS_ROLE_ARN": ROLE}, {"AWS_CREDENTIALS_SECRET": SECRET}, {}])
def test_a_rules_own_keys_come_before_the_environments(built, own, default):
    found = built(rule("a", **own), rule("b"), **default)
    assert found.access_to("a")[0].current().access_key_id in own.values()
    others = found.access_to("b")[0]
    assert (others.current().access_key_id in default.values()) if default else others is None


def test_a_rule_may_pay_with_the_environments_keys(built):
    found = built(rule("a", request_payer=True), rule("b"), AWS_CREDENTIALS_SECRET=SECRET)
    assert [found.access_to(bucket)[1] for bucket in "ab"] == [True, False]
    assert found.access_to("a")[0] is found.access_to("b")[0]


def test_where_the_environment_pays_every_rule_does(built):
    found = built(rule("a", role_arn=ROLE), rule("b"), AWS_REQUEST_PAYER="true")
    assert [found.access_to(bucket)[1] for bucket in "ab"] == [True, True]


def test_buckets_that_are_read_in_the_same_way_share_one_client_and_one_key_store(built):
    found = built(
        rule("a", credentials_secret=SECRET),
        rule("b", credentials_secret=SECRET),
        rule("c"),
        rule("d", credentials_secret=SECRET, request_payer=True),
        AWS_CREDENTIALS_SECRET=SECRET,
    )
    stores = [found.access_to(bucket)[0] for bucket in "abcd"]
    assert len({id(store) for store in stores}) == 1
    for store in stores:
        store.current()
    assert found.secrets == [SECRET]
    assert len(found.clients) == 2  # one pays, one does not


def test_accounts_do_not_share_keys(built):
    found = built(rule("a", role_arn=ROLE), rule("b", role_arn=OTHER_ROLE))
    assert [found.access_to(bucket)[0].current().access_key_id for bucket in "ab"] == [ROLE, OTHER_ROLE]


def test_one_client_of_sts_asks_for_every_role(built):
    assert built(rule("a", role_arn=ROLE), rule("b", role_arn=OTHER_ROLE)).sts_clients == 1


def test_a_rule_that_is_disabled_opens_nothing(built):
    found = built(rule("a"), rule("b", enabled=False, credentials_secret=SECRET))
    assert (list(found.source._sources), len(found.clients)) == (["a"], 1)


def test_the_publisher_is_the_one_on_pubsub(monkeypatch):
    environment(monkeypatch, INGEST)
    assert isinstance(publisher_of(IngestSettings.load()), PubsubPublisher)


@pytest.mark.usefixtures("no_default_credentials")
def test_the_target_replicate_publishes_where_it_has_a_topic(monkeypatch):
    environment(monkeypatch, {**REPLICATE, "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"})
    assert once(targets._build_replicate_doors)()._events._publisher is None
    monkeypatch.setenv("PUBSUB_TOPIC", "projects/p/topics/t")
    publisher = once(targets._build_replicate_doors)()._events._publisher
    assert (type(publisher()), publisher()._topic) == (PubsubPublisher, "projects/p/topics/t")
    assert publisher() is publisher()


# --- The command line -------------------------------------------------------------------------------------------------


def test_the_command_line_has_the_service_s_rules_and_its_own_progress_and_needs_no_auth(monkeypatch):
    environment(monkeypatch, {**REPLICATE, "K_SERVICE": "", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"})
    progress = Unwatched()
    engine = bootstrap.command_line_engine(progress)
    assert engine.rules == configuration.load_rules(EngineSettings.load())
    assert engine.reconciler.transfer.progress is progress


def test_a_command_line_that_is_not_configured_says_so():
    with pytest.raises(ConfigurationError, match="TARGET_GCS_BUCKET"):
        bootstrap.command_line_engine(None)


@pytest.mark.usefixtures("no_default_credentials")
def test_dead_letters_are_those_of_the_subscription_and_are_replayed_to_the_topic(monkeypatch):
    with EmbeddedPubsub("projects/p/topics/t", lambda _: None) as pubsub:
        given = {"PUBSUB_TOPIC": "projects/p/topics/t", "PUBSUB_EMULATOR_HOST": pubsub.address}
        environment(monkeypatch, DEAD_LETTERS | given)
        queue, publisher = bootstrap.dead_letters(), bootstrap.replaying_publisher()
    assert (type(queue), queue._subscription) == (PubsubDeadLetters, "projects/p/subscriptions/s3-events-dead")
    assert (type(publisher), publisher._topic) == (PubsubReplayTopic, "projects/p/topics/t")


@pytest.mark.usefixtures("no_default_credentials")
def test_dead_letters_are_not_replayed_to_where_they_are_lost(monkeypatch):
    with EmbeddedPubsub("projects/p/topics/t", lambda _: pytest.fail("published"), followers=()) as pubsub:
        given = {"PUBSUB_TOPIC": "projects/p/topics/t", "PUBSUB_EMULATOR_HOST": pubsub.address}
        environment(monkeypatch, DEAD_LETTERS | given)
        with pytest.raises(Permanent, match="topic_unfollowed"):
            bootstrap.replaying_publisher()


@pytest.mark.parametrize(
    ("variables", "build", "named"),
    [
        ({}, bootstrap.dead_letters, "DEAD_LETTER_SUBSCRIPTION"),
        ({"DEAD_LETTER_SUBSCRIPTION": "s3-events-dead"}, bootstrap.dead_letters, "DEAD_LETTER_SUBSCRIPTION"),
        (DEAD_LETTERS, bootstrap.replaying_publisher, "PUBSUB_TOPIC: required to replay"),
        ({**DEAD_LETTERS, "PUBSUB_TOPIC": "s3-events"}, bootstrap.replaying_publisher, "PUBSUB_TOPIC"),
    ],
)
def test_dead_letters_that_are_not_configured_name_the_variable(monkeypatch, variables, build, named):
    environment(monkeypatch, variables)
    with pytest.raises(ConfigurationError, match=named):
        build()
