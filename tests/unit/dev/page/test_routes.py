"""The page's requests, on the two embedded buckets."""

import re

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.dev.clients import s3_client, storage_client
from replicator.dev.cloud_storage import CloudStorageServer
from replicator.dev.page import Buckets, FaultSwitch, Hub, Parts
from replicator.dev.page.assets import FILES, FOLDER
from replicator.dev.page.routes import Page
from replicator.dev.s3 import EmbeddedS3
from replicator.dev.sockets import bind

SOURCE, REPLICA = "page-source", "page-replica"
HOSTILE = "<img src=x onerror=alert(1)>"
OWN = {"Host": "127.0.0.1:8082", "Origin": "http://127.0.0.1:8082"}


@pytest.fixture(scope="module")
def s3():
    with bind(0) as listener, EmbeddedS3(listener, [SOURCE], lambda _: None) as server:
        client = s3_client(server.url)
        yield client
        client.close()


@pytest.fixture
def cloud_storage():
    with CloudStorageServer(buckets=[REPLICA]) as server:
        yield server


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def parts(s3, cloud_storage, hub):
    storage = storage_client(cloud_storage.url)
    buckets = Buckets(s3, SOURCE, storage, REPLICA)
    switch = FaultSwitch(cloud_storage.faults)
    yield Parts(buckets, switch, hub, lambda: {"under_way": 3, "dead_letters": 2}, lambda: 2)
    for entry in s3.list_objects_v2(Bucket=SOURCE).get("Contents", ()):
        s3.delete_object(Bucket=SOURCE, Key=entry["Key"])
    storage.close()


@pytest.fixture
def ask(parts):
    client = Client(Request.application(Page(parts, "127.0.0.1")))

    def ask(method, path, headers=OWN, **options):
        return client.open(path, method=method, headers=headers, **options)

    return ask


def stored(s3, key):
    return s3.get_object(Bucket=SOURCE, Key=key)


def test_the_page_is_served_with_all_its_files(ask):
    page = ask("GET", "/dev")
    assert page.mimetype == "text/html"
    loaded = set(re.findall(r'(?:href|src)="(/dev/[^"]+)"', page.text))
    assert {"/dev/page.css", "/dev/page.js"} <= loaded
    for path in loaded:
        assert ask("GET", path).status_code == 200
    assert {file.name for file in FOLDER.iterdir()} == FILES


def test_the_root_leads_to_the_page(ask):
    answer = ask("GET", "/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/dev")


def test_the_page_loads_nothing_from_anywhere_else_and_makes_no_markup_of_text():
    for file in FOLDER.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|url\(|\"//|from \"(?!/dev/)", text), file.name
        assert not re.search("innerHTML|outerHTML|insertAdjacentHTML|document.write", text), file.name
        assert not re.search(r"<script>|<style>| on\w+=| style=", text), file.name


def test_every_answer_forbids_scripts_from_elsewhere_and_frames(ask):
    for answer in (ask("GET", "/dev"), ask("GET", "/dev/api/state"), ask("GET", "/absent"), ask("GET", "/dev", {})):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/dev/../server.py",
        "/dev/..%2f__init__.py",
        "/dev/%2e%2e/hub.py",
        "/dev/assets/page.js",
        "/dev//etc/passwd",
        "/dev/page.html%00",
        "/dev/..",
        "/dev/\\..\\hub.py",
    ],
)
def test_no_other_file_can_be_reached(ask, path):
    answer = ask("GET", path)
    assert answer.status_code == 404
    assert answer.json["error"]


def test_the_state_names_both_buckets_the_progress_and_the_switch(ask):
    state = ask("GET", "/dev/api/state").json
    assert state["source"] == {"bucket": SOURCE, "more": False, "objects": []}
    assert state["replica"] == {"bucket": REPLICA, "more": False, "objects": []}
    assert (state["under_way"], state["dead_letters"]) == (3, 2)
    assert state["fault"]["position"] == "off"


def test_the_state_pairs_replicas_with_their_sources(ask, s3, cloud_storage):
    s3.put_object(Bucket=SOURCE, Key=HOSTILE, Body=b"12345")
    storage = storage_client(cloud_storage.url)
    storage.bucket(REPLICA).blob("foreign").upload_from_string(b"1")
    storage.close()
    state = ask("GET", "/dev/api/state").json
    (source,), (replica,) = state["source"]["objects"], state["replica"]["objects"]
    assert (source["key"], source["size"]) == (HOSTILE, 5)
    assert (replica["name"], replica["key"], replica["state"]) == ("foreign", "foreign", "no_receipt")
    assert int(replica["generation"]) > 0


def test_the_state_of_a_bucket_that_does_not_answer_is_an_error(ask, cloud_storage):
    cloud_storage.stop()
    answer = ask("GET", "/dev/api/state")
    assert answer.status_code == 502
    assert "did not answer" in answer.json["error"]


@pytest.mark.parametrize("key", ["a.txt", HOSTILE, "../up", "a//b", "odd key/1 + 1 = 100 % 🦊.bin", "?x=1&y#z"])
def test_an_upload_is_put_under_its_key(ask, s3, key):
    answer = ask("PUT", "/dev/api/object", query_string={"key": key}, data=b"Hello", content_type="text/plain")
    assert (answer.status_code, answer.json) == (201, {"key": key, "size": 5})
    object_ = stored(s3, key)
    assert (object_["Body"].read(), object_["ContentType"]) == (b"Hello", "text/plain")
    assert ask("DELETE", "/dev/api/object", query_string={"key": key}).status_code == 200
    assert "Contents" not in s3.list_objects_v2(Bucket=SOURCE)


@pytest.mark.parametrize("query", ["", "?key=", f"?key={'x' * 1025}", "?key=a%00b"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_is_no_key_is_refused(ask, method, query):
    answer = ask(method, f"/dev/api/object{query}", data=b"x")
    assert answer.status_code == 400
    assert "key" in answer.json["error"]


def test_the_switch_is_turned(ask, cloud_storage):
    answer = ask("POST", "/dev/api/fault", json={"position": "down"})
    assert answer.json["position"] == "down"
    assert cloud_storage.faults.pending
    assert ask("POST", "/dev/api/fault", json={"position": "off"}).json["position"] == "off"
    assert not cloud_storage.faults.pending


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"{}", b'{"position": "x"}', b'{"position": []}', b"\xff"])
def test_a_position_that_does_not_exist_is_refused(ask, body):
    answer = ask("POST", "/dev/api/fault", data=body)
    assert answer.status_code == 400
    assert answer.json["error"]


def test_a_position_that_takes_no_end_is_refused(ask):
    assert ask("POST", "/dev/api/fault", data=b" " * 2000).status_code == 413


def test_dead_letters_can_be_delivered_again(ask):
    assert ask("POST", "/dev/api/dead-letters/replay").json == {"replayed": 2}


def test_outcomes_are_a_stream(ask, hub):
    hub.publish({"result": "created"})
    answer = ask("GET", "/dev/api/outcomes")
    assert answer.mimetype == "text/event-stream"
    stream = answer.iter_encoded()
    assert b"event: begin" in next(stream)
    assert b'"created"' in next(stream)
    hub.close()
    assert list(stream) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/dev/api/object?key=a"),
        ("DELETE", "/dev/api/object?key=kept"),
        ("POST", "/dev/api/fault"),
        ("POST", "/dev/api/dead-letters/replay"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:8082"},
        {"Host": "127.0.0.1:8082", "Origin": "https://evil.example"},
        {"Host": "evil.example:8082", "Origin": "http://evil.example:8082"},
    ],
    ids=["no origin", "foreign origin", "rebound name"],
)
def test_a_foreign_page_changes_nothing(ask, s3, cloud_storage, method, path, headers):
    s3.put_object(Bucket=SOURCE, Key="kept", Body=b"")
    answer = ask(method, path, headers=headers, data=b'{"position": "down"}', content_type="text/plain")
    assert answer.status_code == 403
    assert answer.json["error"]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=SOURCE)["Contents"]] == ["kept"]
    assert not cloud_storage.faults.pending


@pytest.mark.parametrize("path", ["/dev", "/dev/api/state", "/dev/api/outcomes"])
def test_a_foreign_name_reads_nothing(ask, path):
    assert ask("GET", path, headers={"Host": "evil.example:8082"}).status_code == 403


def test_another_method_is_refused_with_those_there_are(ask):
    answer = ask("POST", "/dev/api/object?key=a")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"DELETE", "PUT"}
