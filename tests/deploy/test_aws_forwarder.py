"""The Lambda function on the real ingest door, with a stand-in for the layer that knows the secret."""

import importlib.util
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from replicator.events import parse
from replicator.model import Change, IgnoredEvent
from replicator.web.ingest import IngestDoors
from tests.deploy.aws_stacks import AWS, SECRET
from tests.servers import listening
from tests.unit.web.doors import FakePublisher

EVENTS = Path(__file__).parents[1] / "events"
INGEST_SECRET = "an-ingest-secret-of-some-length"
TOKEN = "session-token-of-the-function"


@dataclass
class Lambda:
    """The function as Lambda calls it, and what reached the other side."""

    module: ModuleType
    publisher: FakePublisher
    layer: list[Request]
    set_secret: Callable[[str], None]

    @property
    def forwarded(self) -> list[bytes]:
        return [body for body, _ in self.publisher.published]

    def __call__(self, event: object) -> Any:
        return self.module.handler(event, None)

    def raises(self, event: object) -> str:
        with pytest.raises(self.module.NotForwarded) as raised:
            self(event)
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None
        return str(raised.value)


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def sqs(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m{number}", "eventSource": "aws:sqs", "body": body} for number, body in enumerate(bodies)
        ]
    }


@pytest.fixture
def function(monkeypatch) -> Iterator[Lambda]:
    spec = importlib.util.spec_from_file_location("forwarder", AWS / "lambda" / "forwarder.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    publisher, asked, secret = FakePublisher(), [], {"SecretString": INGEST_SECRET}

    def layer(request: Request) -> Response:
        asked.append(request)
        known = request.args.get("secretId") == SECRET and request.headers["X-Aws-Parameters-Secrets-Token"] == TOKEN
        return Response(json.dumps(secret)) if request.path == "/secretsmanager/get" and known else Response(status=400)

    def set_secret(text: str) -> None:
        secret["SecretString"] = text

    with listening(layer) as extension, listening(IngestDoors(lambda: publisher, [INGEST_SECRET])) as ingest:
        monkeypatch.setenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", extension.rpartition(":")[2])
        monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
        monkeypatch.setenv("INGEST_SECRET_ARN", SECRET)
        monkeypatch.setenv("INGEST_URL", ingest)
        yield Lambda(module, publisher, asked, set_secret)


@pytest.mark.parametrize("path", sorted((EVENTS / "notification").glob("*.json")), ids=lambda path: path.stem)
def test_what_s3_invokes_the_function_with_says_the_same_on_the_other_side(path, function):
    assert function(json.loads(path.read_text())) == {}
    (body,) = function.forwarded
    assert parse(body) == parse(path.read_bytes())


def test_what_sns_invokes_the_function_with_is_forwarded(function):
    assert function(event("sns/lambda")) == {}
    (body,) = function.forwarded
    assert isinstance(parse(body)[0], Change)


@pytest.mark.parametrize("name", ["sqs/lambda", "sqs/lambda-several-messages", "sqs/lambda-with-sns"])
def test_messages_of_a_batch_are_forwarded_one_by_one(name, function):
    assert function(event(name)) == {"batchItemFailures": []}
    notices = [notice for body in function.forwarded for notice in parse(body)]
    assert len(function.forwarded) == len(event(name)["Records"])
    assert tuple(notices) == parse((EVENTS / f"{name}.json").read_bytes())


def test_only_the_messages_that_failed_come_again(function):
    good = json.dumps(event("notification/object-created"))
    answer = function(sqs(good, "not JSON", good, "{"))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m3"}]}
    assert len(function.forwarded) == 2


def test_s3s_test_event_is_forwarded_and_ignored_there(function):
    test = event("notification/test-event")
    assert function(test) == {}
    assert function(sqs(json.dumps(test))) == {"batchItemFailures": []}
    assert all(isinstance(parse(body)[0], IgnoredEvent) for body in function.forwarded)


def test_an_event_without_records_is_not_taken_for_an_empty_batch(function):
    assert function({"Records": []}) == {}
    assert len(function.forwarded) == 1


@pytest.mark.parametrize("status", [300, 302, 307, 400, 403, 404, 429, 500, 503])
def test_any_status_but_2xx_is_a_failure_and_the_secret_follows_no_redirect(status, function, monkeypatch):
    asked = []

    def ingest(request: Request) -> Response:
        asked.append(request.path)
        return Response(status=status, headers={"Location": "/elsewhere"})

    with listening(ingest) as url:
        monkeypatch.setenv("INGEST_URL", url)
        assert function.raises(event("notification/object-created")) == f"ingest: {status}"
        assert function(sqs("{}")) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert asked == ["/v1/events"] * 2


def test_an_ingest_service_that_does_not_answer_is_a_failure(function, monkeypatch):
    with listening(lambda _: Response()) as url:
        pass
    monkeypatch.setenv("INGEST_URL", url)
    assert function.raises(event("notification/object-created")) == "ingest: URLError"


def test_a_wrong_secret_is_a_failure(function):
    function.set_secret("another-secret-of-some-length")
    assert function.raises(event("notification/object-created")) == "ingest: 403"


def test_without_the_secret_nothing_is_sent_and_a_whole_batch_comes_again(function, monkeypatch):
    monkeypatch.setenv("INGEST_SECRET_ARN", "arn:of:another")
    assert function.raises(sqs("{}")) == "secret: 400"
    assert function.forwarded == []


def test_the_secret_is_asked_for_once_for_a_batch(function):
    function(event("sqs/lambda-several-messages"))
    assert len(function.layer) == 1


def test_a_new_secret_needs_no_new_function(function):
    function.set_secret("another-secret-of-some-length")
    function.raises(event("notification/object-created"))
    function.set_secret(INGEST_SECRET + "\n")  # as an editor or a shell leaves it
    function(event("notification/object-created"))
    assert len(function.forwarded) == 1


@pytest.mark.parametrize(
    "secret", ["a-secret\nof-two-lines", "a-secret-with-\N{SNOWMAN}", "wrong-secret-of-some-length"]
)
def test_no_failure_tells_the_secret(secret, function, caplog, capsys):
    """Of a header that cannot be sent Python's own errors quote the value."""
    function.set_secret(secret)
    with caplog.at_level(logging.DEBUG, "forwarder"):
        said = function.raises(event("notification/object-created"))
        assert function(sqs("{}")) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    (line,) = [record.getMessage() for record in caplog.records if record.name == "forwarder"]
    assert line == f"message m0: {said}"
    shown = said + line + "".join(capsys.readouterr())
    assert not any(word in shown for word in (*secret.splitlines(), TOKEN))
