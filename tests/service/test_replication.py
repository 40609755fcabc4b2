"""What a user sees: the destination follows the source, whatever is asked how often."""

import hashlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from replicator.receipt import METADATA_KEY
from replicator.rules import Deletes
from tests.service.conftest import SOURCE, serving
from tests.service.envelopes import eventbridge, notification, push

KEYS = ["hello.txt", "with space", "a+b", "100%", "a%2Fb", "ü/日本語", "🚀", " & ? = # 🚀 + %"]


def test_a_new_object_is_created_and_explained(service):
    service.put("hello.txt", b"hello")
    response = service.replicate("hello.txt")
    assert response.status_code == 201
    answer = response.json()
    assert answer == {
        "result": "created",
        "reason": "destination_absent",
        "rule": "default",
        "source": "s3://source-bucket/hello.txt",
        "destination": "gs://replica-bucket/hello.txt",
        "generation": service.resource("hello.txt")["generation"],
        "bytes": 5,
        "path": "whole",
        "path_reason": "size",
        "checked": answer["checked"],
        "attempts": 1,
    }
    assert answer["checked"] != "none"
    assert service.visible("hello.txt") == b"hello"


def test_the_receipt_names_the_source_state_and_can_be_read_with_any_tool(service):
    service.put("k", b"hello")
    service.replicate("k")
    receipt = json.loads(service.resource("k")["metadata"][METADATA_KEY])
    assert receipt["etag"] == hashlib.md5(b"hello", usedforsecurity=False).hexdigest()
    assert (receipt["bucket"], receipt["key"], receipt["size"]) == (SOURCE, "k", 5)
    assert receipt["checked"] != "none"


@pytest.mark.parametrize("size", [0, 1, 8 * 1024**2, 8 * 1024**2 + 1, 20_000_000])
def test_every_size_arrives_byte_for_byte(service, size):
    data = os.urandom(size)
    service.put("k", data)
    assert service.replicate("k").status_code == 201
    assert service.visible("k") == data


@pytest.mark.parametrize("key", KEYS)
def test_any_key_arrives_through_either_door(service, key):
    service.put(key, b"one")
    assert service.replicate(key).status_code == 201
    assert service.visible(key) == b"one"
    for envelope in (push(eventbridge(key)), push(notification(key))):
        data = os.urandom(8)
        service.put(key, data)
        assert service.push(envelope).status_code == 204
        assert service.visible(key) == data


def test_content_headers_user_metadata_and_last_modified_are_kept(service):
    service.put(
        "k",
        b"hello",
        ContentType="text/css",
        ContentDisposition="inline",
        ContentLanguage="de",
        CacheControl="no-cache",
        Metadata={"colour": "blue"},
    )
    service.replicate("k")
    resource = service.resource("k")
    kept = {name: resource.get(name) for name in ("contentType", "contentDisposition", "contentLanguage")}
    assert kept == {"contentType": "text/css", "contentDisposition": "inline", "contentLanguage": "de"}
    assert (resource["cacheControl"], resource["metadata"]["colour"]) == ("no-cache", "blue")
    last_modified = service.s3.head_object(Bucket=SOURCE, Key="k")["LastModified"]
    assert resource["customTime"].startswith(last_modified.strftime("%Y-%m-%dT%H:%M:%S"))


def test_a_gzip_encoded_object_arrives_as_it_is_stored(service):
    import gzip

    data = gzip.compress(b"hello" * 1000)
    service.put("k", data, ContentEncoding="gzip")
    service.replicate("k")
    assert service.visible("k") == data
    assert service.resource("k")["contentEncoding"] == "gzip"


def test_the_same_event_ten_times_causes_one_write(service):
    service.put("k", b"hello")
    assert [service.push(push(eventbridge("k"))).status_code for _ in range(10)] == [204] * 10
    assert service.writes() == 1


def test_asking_again_says_that_nothing_was_to_be_done(service):
    service.put("k", b"hello")
    service.replicate("k")
    again = service.replicate("k")
    assert (again.status_code, again.json()["result"], again.json()["reason"]) == (200, "unchanged", "in_sync")


def test_an_overwritten_object_follows(service):
    service.put("k", b"one")
    service.replicate("k")
    service.put("k", b"two")
    answer = service.replicate("k")
    assert (answer.status_code, answer.json()["result"], answer.json()["reason"]) == (201, "updated", "source_changed")
    assert service.visible("k") == b"two"


def test_a_change_of_metadata_alone_moves_no_bytes(service):
    service.put("k", b"hello", Metadata={"v": "1"})
    service.replicate("k")
    generation = service.resource("k")["generation"]
    service.s3.copy_object(
        Bucket=SOURCE,
        Key="k",
        CopySource={"Bucket": SOURCE, "Key": "k"},
        MetadataDirective="REPLACE",
        Metadata={"v": "2"},
        ContentType="text/html",
    )
    answer = service.replicate("k")
    assert (answer.status_code, answer.json()["result"], answer.json()["bytes"]) == (201, "metadata_updated", 0)
    resource = service.resource("k")
    assert (resource["generation"], resource["contentType"]) == (generation, "text/html")
    assert resource["metadata"]["v"] == "2"


def test_a_deleted_object_is_deleted_and_comes_back_when_it_is_recreated(service):
    service.put("k", b"one")
    service.push(push(eventbridge("k")))
    service.delete("k")
    assert service.push(push(eventbridge("k", "deleted"))).status_code == 204
    assert service.resource("k") is None
    service.put("k", b"two")
    assert service.push(push(eventbridge("k"))).status_code == 204
    assert service.visible("k") == b"two"


def test_a_deleted_object_is_kept_where_deletes_are_ignored(s3_url):
    with serving(s3_url, Deletes.IGNORE) as service:
        service.put("k", b"one")
        service.replicate("k")
        service.delete("k")
        assert service.push(push(eventbridge("k", "deleted"))).status_code == 204
        assert service.visible("k") == b"one"
        asked = service.replicate("k")
        assert (asked.status_code, asked.json()["reason"]) == (404, "deletes_ignored")


def test_an_event_that_comes_late_does_not_bring_back_what_was_deleted(service):
    service.put("k", b"one")
    service.delete("k")
    assert service.push(push(eventbridge("k"))).status_code == 204
    assert service.resource("k") is None


def test_several_records_in_one_message_are_all_replicated(service):
    for key in ("a", "b c", "d+e"):
        service.put(key, key.encode())
    assert service.push(push(notification("a", "b c", "d+e"))).status_code == 204
    assert [service.visible(key) for key in ("a", "b c", "d+e")] == [b"a", b"b c", b"d+e"]


def test_twenty_concurrent_requests_while_the_object_is_overwritten_end_equal_and_never_go_back(service):
    """Each version holds its number, so a regression would be seen by whoever watches the destination."""
    service.put("k", b"%08d" % 0)
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            if visible := service.visible("k"):
                seen.append(int(visible))

    def overwrite():
        for version in range(1, 40):
            service.put("k", b"%08d" % version)

    with ThreadPoolExecutor(22) as pool:
        watcher = pool.submit(watch)
        writer = pool.submit(overwrite)
        answers = list(pool.map(lambda _: service.replicate("k").status_code, range(20)))
        writer.result()
        answers.append(service.replicate("k").status_code)
        done.set()
        watcher.result()
    assert set(answers) <= {200, 201}, answers
    assert seen == sorted(seen), "an older version covered a newer one"
    assert service.visible("k") == b"%08d" % 39


def test_twenty_concurrent_requests_for_one_new_object_cause_one_write(service):
    service.put("k", b"hello")
    with ThreadPoolExecutor(20) as pool:
        answers = sorted(pool.map(lambda _: service.replicate("k").status_code, range(20)))
    assert set(answers) <= {200, 201}
    assert 201 in answers
    assert service.visible("k") == b"hello"
    generations = [r for r in service.storage.requests if r.method == "POST" and r.status == 200 and "upload" in r.path]
    assert len(generations) == 1


def test_the_lag_is_measured_from_the_event_to_the_durable_object(service, caplog):
    service.put("k", b"hello")
    event = eventbridge("k")
    event["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 100))
    with caplog.at_level("INFO", "replicator"):
        service.push(push(event))
    [line] = [record.json_fields for record in caplog.records if "lag_seconds" in getattr(record, "json_fields", {})]
    assert 99 <= line["lag_seconds"] < 130
    assert (line["source"], line["result"], line["event"]) == (f"s3://{SOURCE}/k", "created", "Object Created")
