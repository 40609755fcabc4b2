"""What docs/deploy.md does with a running service: the first object's answer, and announcing keys."""

import json
import re
import shutil
import subprocess

import pytest

from tests.deploy.guide import TEXT, blocks, section
from tests.service.conftest import REPLICA, SOURCE, Service

FIRST, _ = blocks(section("5. The first object"))
(ANNOUNCE,) = blocks(section("6. What was there before"))
(REPLICAS,) = [block for block in blocks(section("When events were lost")) if "announce" in block]

missing = [tool for tool in ("bash", "curl", "jq") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def bash(script: str, **variables: str) -> str:
    told = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PROJECT": "my-project", "BUCKET": SOURCE, "TARGET": REPLICA}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=told | variables, capture_output=True, text=True, check=True
    )
    return done.stdout


def announced(keys: str) -> list[list[dict]]:
    """The messages of each request that `announce` makes for what a command prints."""
    define = ANNOUNCE[: ANNOUNCE.index("\n}\n") + 3]
    stand_ins = "gcloud() { echo token; }; curl() { cat; }\n"
    printed = bash(define + stand_ins + keys)
    return [json.loads(line)["messages"] for line in printed.splitlines()]


def comparable(answer: dict) -> dict:
    """Without what is never the same."""
    return answer | {"generation": ""} | {"receipt": answer["receipt"] | {"last_modified": ""}}


def deliver(service: Service, messages: list[dict]) -> None:
    for message in messages:
        pushed = service.push({"message": {**message, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"})
        assert pushed.status_code == 204, pushed.text


def test_the_first_object_is_answered_as_the_guide_shows(service: Service):
    service.put("replicator-hello.txt", b"hello\n")
    service.replicate("replicator-hello.txt")
    stand_ins = 'gcloud() { if [ "$1" = run ]; then echo "$SERVICE"; else echo a-token; fi; }; aws() { exit 1; }\n'
    answered = json.loads(bash(stand_ins + FIRST, SERVICE=service.url, REGION="europe-west1"))
    shown = re.search(r"```json\n(.*)\n```", section("5. The first object"))[1]
    expected = json.loads(shown.replace("my-source-bucket", SOURCE).replace("my-replica-bucket", REPLICA))
    assert comparable(answered) == comparable(expected)


def test_each_announced_key_is_looked_at_whatever_it_is_called(service: Service):
    keys = ["plain", 'quo"te', "a b+c%20d", "ü/\U0001f600", "back\\slash", "$HOME `id` 'x'"]
    for key in keys:
        service.put(key, key.encode())
    (messages,) = announced(f"announce <<'END'\n{json.dumps(keys)}\nEND\n")
    assert [message["attributes"] for message in messages] == [{"bucket": SOURCE, "kind": "Object Created"}] * len(keys)
    deliver(service, messages)
    assert [service.visible(key) for key in keys] == [key.encode() for key in keys]


def test_a_long_list_goes_in_requests_of_five_hundred():
    assert [len(messages) for messages in announced("jq -n '[range(1201) | tostring]' | announce")] == [500, 500, 201]


@pytest.mark.parametrize("nothing", ["null", "[]"])
def test_an_empty_bucket_announces_nothing(nothing):
    assert announced(f"echo '{nothing}' | announce") == []


def test_a_failed_request_stops_it():
    define = ANNOUNCE[: ANNOUNCE.index("\n}\n") + 3]
    stand_ins = "gcloud() { echo token; }; curl() { cat >/dev/null; echo asked; return 22; }\n"
    printed = bash(f"{define}{stand_ins}jq -n '[range(1201) | tostring]' | announce || echo stopped")
    assert printed.splitlines() == ["asked", "stopped"]


def test_a_replica_whose_source_is_gone_goes_when_the_replicas_are_announced(service: Service):
    for key in ("gone", "there"):
        service.put(key, b"bytes")
        service.replicate(key)
    service.delete("gone")
    listed = json.dumps([{"name": "gone"}, {"name": "there"}, {"name": ".replicator/part"}])
    script = REPLICAS.replace(
        "gcloud storage objects list \"gs://$TARGET/**\" --format 'json(name)'", f"echo '{listed}'"
    )
    assert script != REPLICAS
    (messages,) = announced(script)
    assert len(messages) == 2
    deliver(service, messages)
    assert service.visible("gone") is None
    assert service.visible("there") == b"bytes"


def test_the_guide_says_that_there_is_no_command_for_what_was_there_before():
    assert "There is no command for this yet." in TEXT
