"""The S3 adapter on an S3 whose answers a test scripts."""

from collections.abc import Iterator

import pytest
from botocore.retries.standard import ExponentialBackoff

from replicator.adapters.s3 import S3Source, connect
from replicator.model import SourceKey
from tests.scripted_s3 import ScriptedS3, found, scripted_s3


@pytest.fixture
def aws_environment(monkeypatch, tmp_path):
    """Nothing of this machine's AWS configuration, and no waiting between the SDK's own retries."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENTKEYID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment-secret")
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedS3]:
    with scripted_s3() as server:
        yield server


@pytest.fixture
def s3(scripted, aws_environment, monkeypatch) -> ScriptedS3:
    for kept in (scripted.script, scripted.requests, scripted.refused_lean):
        kept.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", scripted.url)
    return scripted


@pytest.fixture
def connected(s3):
    """Makes sources with the keys given, and closes their clients in the end."""
    clients = []

    def make(keys=None, request_payer=False, tag_filtered=frozenset()) -> S3Source:
        client = connect(keys, "us-east-1", 4, request_payer)
        clients.append(client)
        return S3Source(client, keys, tag_filtered)

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def environment_client(scripted):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_S3", scripted.url)
        environment.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENTKEYID")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "environment-secret")
        environment.delenv("AWS_SESSION_TOKEN", raising=False)
        client = connect(None, "us-east-1", 4)
    yield client
    client.close()


@pytest.fixture
def first_source(s3, environment_client) -> S3Source:
    """A source whose keys come from the environment. It has made no request so far: the first one is the SDK's."""
    return S3Source(environment_client)


@pytest.fixture(params=["first requests", "later requests"])
def source(request, s3, first_source) -> S3Source:
    """The same, also when it has made requests before, so that the next ones are lean."""
    if request.param == "later requests":
        s3.script.append(found())
        first_source.stat(SourceKey("source", "before"))
        s3.requests.clear()
    return first_source
