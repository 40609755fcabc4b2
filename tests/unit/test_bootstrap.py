"""The composition root: nothing is built before it is needed, and then once."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from unittest.mock import patch

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator import bootstrap
from replicator.adapters.gcs import GcsDestination
from replicator.adapters.pubsub import PubsubPublisher
from replicator.adapters.s3 import S3Source
from replicator.adapters.secrets import SecretManagerKeys
from replicator.errors import Transient
from replicator.reasons import Reason
from replicator.rules import parse_rules
from replicator.settings import ConfigurationError, EngineSettings, IngestSettings, ReplicateSettings
from replicator.transfer import Unwatched

ROOT = Path(bootstrap.__file__).parents[1]
REPLICATE = {"SOURCE_S3_BUCKETS": "source", "TARGET_GCS_BUCKET": "replica", "AUTH": "iam"}
INGEST = {
    "FUNCTION_TARGET": "ingest",
    "INGEST_SECRETS": "0123456789abcdef",
    "PUBSUB_TOPIC": "projects/p/topics/t",
    "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
}
SDKS = ("boto3", "botocore", "google.cloud.storage", "google.cloud.pubsub_v1", "google.cloud.secretmanager")


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch, tmp_path):
    for name in {name.upper() for kind in (ReplicateSettings, IngestSettings) for name in kind.model_fields}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


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


# --- Configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [REPLICATE, INGEST])
def test_a_target_that_is_configured_passes(monkeypatch, variables):
    environment(monkeypatch, variables)
    bootstrap.check_configuration()


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({**REPLICATE, "TARGET_GCS_BUCKET": ""}, "TARGET_GCS_BUCKET"),
        ({**REPLICATE, "AUTH": ""}, "AUTH"),
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

    monkeypatch.setattr(secrets, "connect_without_threads", lambda: manager)
    monkeypatch.setattr(secrets, "read_secret", read)
    yield manager
    bootstrap._read_rules.cache_clear()


def test_rules_are_given_as_text_as_a_file_or_as_a_secret(monkeypatch, tmp_path, secret_manager):
    (tmp_path / "rules.yaml").write_text(RULES)
    expected = parse_rules(RULES)
    environment(monkeypatch, {"AUTH": "iam", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"})
    one_line = "rules: [{id: images, source: {bucket: media}, destination: {bucket: media-replica}}]"
    for given in (RULES, "rules.yaml", str(tmp_path / "rules.yaml"), SECRET):
        monkeypatch.setenv("REPLICATION_RULES", given)
        bootstrap.check_configuration()
        assert bootstrap.load_rules(ReplicateSettings.load()) == expected
    for given in (one_line, one_line.removeprefix("rules: ")):
        monkeypatch.setenv("REPLICATION_RULES", given)
        assert bootstrap.load_rules(ReplicateSettings.load()).rules == expected.rules[:1]
    assert bootstrap.build_engine(ReplicateSettings.load(), 1).rules.rules == expected.rules[:1]
    assert secret_manager.closed


def test_rules_are_read_once_for_a_process(monkeypatch, secret_manager):
    environment(monkeypatch, {"AUTH": "iam", "REPLICATION_RULES": SECRET})
    bootstrap.check_configuration()
    secret_manager.data = b"something else"
    bootstrap.check_configuration()
    assert len(bootstrap.load_rules(ReplicateSettings.load()).rules) == 2
    assert secret_manager.reads == 1


def test_the_other_variables_are_one_rule(monkeypatch):
    environment(monkeypatch, REPLICATE)
    [rule] = bootstrap.load_rules(ReplicateSettings.load()).rules
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
    environment(monkeypatch, {"AUTH": "iam", "REPLICATION_RULES": given})
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
            "AUTH": "iam",
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


@pytest.mark.parametrize("variables", [REPLICATE, INGEST])
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
    environment(monkeypatch, REPLICATE if target == "replicate" else INGEST)
    monkeypatch.setattr(bootstrap, "build_engine", lambda settings: pytest.fail("built for a health check"))
    monkeypatch.setattr(bootstrap, "build_publisher", lambda settings: pytest.fail("built for a health check"))
    doors = bootstrap._once(getattr(bootstrap, f"_build_{target}_doors"))
    assert Client(Request.application(doors())).get("/health").status_code == 200
    assert doors() is doors()


def test_doors_that_are_not_configured_say_so(monkeypatch):
    with pytest.raises(ConfigurationError):
        bootstrap._once(bootstrap._build_replicate_doors)()


def test_what_is_built_once_is_built_at_the_first_call_and_by_one_thread():
    built, both_build = [], Barrier(2)

    def build():
        built.append(object())
        with suppress(BrokenBarrierError):
            both_build.wait(0.1)  # a second thread that builds, too, would come here meanwhile
        return built[0]

    get = bootstrap._once(build)
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

    get = bootstrap._once(build)
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
    engine = bootstrap.build_engine(settings)
    reconciler = engine.reconciler
    assert isinstance(reconciler.source, S3Source)
    assert isinstance(reconciler.destination, GcsDestination)
    assert reconciler.transfer.chunk_size == 131072
    assert (engine.rules, engine.deadline_seconds) == (settings.rules, 99)
    assert (engine.retry.max_retries, engine.retry.delay, engine.retry.backoff) == (7, 0.25, 3)
    assert (reconciler.transfer.source, reconciler.transfer.destination) == (reconciler.source, reconciler.destination)


def test_keys_come_from_a_secret_only_where_one_is_named(monkeypatch):
    from replicator.adapters import secrets

    environment(monkeypatch, REPLICATE)
    assert bootstrap._key_store(ReplicateSettings.load()) is None
    monkeypatch.setattr(secrets, "connect", lambda: None)
    monkeypatch.setenv("AWS_CREDENTIALS_SECRET", "projects/p/secrets/s")
    assert isinstance(bootstrap._key_store(ReplicateSettings.load()), SecretManagerKeys)


def test_the_publisher_is_the_one_on_pubsub(monkeypatch):
    environment(monkeypatch, INGEST)
    assert isinstance(bootstrap.build_publisher(IngestSettings.load()), PubsubPublisher)


# --- The command line -------------------------------------------------------------------------------------------------


def test_the_command_line_has_the_service_s_rules_and_its_own_progress_and_needs_no_auth(monkeypatch):
    environment(monkeypatch, {**REPLICATE, "AUTH": "", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"})
    progress = Unwatched()
    engine = bootstrap.command_line_engine(progress)
    assert engine.rules == bootstrap.load_rules(EngineSettings.load())
    assert engine.reconciler.transfer.progress is progress


def test_a_command_line_that_is_not_configured_says_so():
    with pytest.raises(ConfigurationError, match="TARGET_GCS_BUCKET"):
        bootstrap.command_line_engine(None)
