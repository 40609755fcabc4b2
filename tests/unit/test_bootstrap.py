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
    assert engine.rules == EngineSettings.load().rules
    assert engine.reconciler.transfer.progress is progress


def test_a_command_line_that_is_not_configured_says_so():
    with pytest.raises(ConfigurationError, match="TARGET_GCS_BUCKET"):
        bootstrap.command_line_engine(None)
