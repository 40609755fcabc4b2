"""What every Cloud Storage endpoint must do, according to its published documentation.

Runs against the embedded server, in memory and in a folder, or against `GCS_CONTRACT_ENDPOINT`. Nothing here
knows how a server works inside. Where the documentation leaves a choice, the test leaves it too.
"""

import base64
import gzip
import hashlib
import http.client
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.cloud_storage_endpoint import KINDS, QUANTUM, Endpoint, crc32c, put, running

DATA = b"The quick brown fox"
OTHER = b"jumps over the lazy dog"
WRONG_CRC32C = crc32c(b"something else")
KMS_KEY = os.environ.get("GCS_CONTRACT_KMS_KEY", "projects/p/locations/eu/keyRings/r/cryptoKeys/k")
KMS_KEY_OF_NOBODY = "GCS_CONTRACT_KMS_KEY" not in os.environ
Write = Callable[..., requests.Response]


@pytest.fixture(scope="module", params=KINDS)
def shared_endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with running(request.param, tmp_path_factory.mktemp("buckets")) as endpoint:
        yield endpoint


@pytest.fixture
def gcs(shared_endpoint: Endpoint) -> Iterator[Endpoint]:
    shared_endpoint.prefix = f"{uuid.uuid4()}/"
    yield shared_endpoint
    shared_endpoint.remove_all()


def write_media(gcs: Endpoint, name: str, data: bytes, **conditions: object) -> requests.Response:
    return gcs.insert(name, data, **conditions)


def write_multipart(gcs: Endpoint, name: str, data: bytes, **conditions: object) -> requests.Response:
    return gcs.multipart(name, data, **conditions)


def write_resumable(gcs: Endpoint, name: str, data: bytes, **conditions: object) -> requests.Response:
    query = {"uploadType": "resumable", "name": name, **conditions}
    started = gcs.session.post(gcs.upload_url(), params=query, json={})
    # A condition that fails already may be told at once; it must be told in the end.
    return put(started.headers["Location"], data) if started.status_code == 200 else started


def write_compose(gcs: Endpoint, name: str, data: bytes, **conditions: object) -> requests.Response:
    part = gcs.name(f"part-{uuid.uuid4()}")
    gcs.insert(part, data)
    return gcs.compose(name, [{"name": part}], **conditions)


def write_rewrite(gcs: Endpoint, name: str, data: bytes, **conditions: object) -> requests.Response:
    source = gcs.name(f"source-{uuid.uuid4()}")
    gcs.insert(source, data)
    return gcs.rewrite(source, name, **conditions)


UPLOADS = [write_media, write_multipart, write_resumable]
every_write = pytest.mark.parametrize("write", [*UPLOADS, write_compose, write_rewrite])
# Compose knows the two matches only.
every_write_but_compose = pytest.mark.parametrize("write", [*UPLOADS, write_rewrite])


def reason(response: requests.Response) -> str:
    answer: str = response.json()["error"]["errors"][0]["reason"]
    return answer


def persisted(response: requests.Response) -> int:
    """How many bytes a 308 says are kept."""
    assert response.status_code == 308, response.text
    stated = response.headers.get("Range")
    return int(stated.removeprefix("bytes=0-")) + 1 if stated else 0


class TestBuckets:
    def test_a_missing_bucket_is_not_found_and_says_so_in_the_usual_form(self, gcs: Endpoint) -> None:
        response = gcs.session.get(f"{gcs.url}/storage/v1/b/no-such-bucket-{uuid.uuid4()}")
        assert response.status_code == 404
        error = response.json()["error"]
        assert error["code"] == 404
        assert error["message"]
        assert error["errors"][0]["reason"] == "notFound"

    @pytest.mark.parametrize("upload_type", ["media", "resumable"])
    def test_nothing_can_be_uploaded_to_a_missing_bucket(self, gcs: Endpoint, upload_type: str) -> None:
        url = f"{gcs.url}/upload/storage/v1/b/no-such-bucket-{uuid.uuid4()}/o"
        response = gcs.session.post(url, params={"uploadType": upload_type, "name": "x"}, data=DATA)
        assert response.status_code == 404

    def test_a_bucket_describes_itself(self, gcs: Endpoint) -> None:
        bucket = gcs.session.get(f"{gcs.url}/storage/v1/b/{gcs.bucket}").json()
        assert bucket["kind"] == "storage#bucket"
        assert bucket["name"] == bucket["id"] == gcs.bucket
        assert int(bucket["metageneration"]) >= 1
        assert {"location", "storageClass", "timeCreated", "etag"} <= set(bucket)

    @pytest.mark.skipif("GCS_CONTRACT_BUCKET" in os.environ, reason="the token may be for that bucket only")
    def test_a_bucket_is_made_listed_and_removed_once(self, gcs: Endpoint) -> None:
        buckets, name, project = f"{gcs.url}/storage/v1/b", f"made-{uuid.uuid4()}", {"project": gcs.project}
        settings = {"versioning": {"enabled": False}, "storageClass": "NEARLINE"}
        made = gcs.session.post(buckets, params=project, json={"name": name, **settings})
        assert made.status_code == 200
        assert made.json()["storageClass"] == "NEARLINE"
        again = gcs.session.post(buckets, params=project, json={"name": name})
        assert (again.status_code, reason(again)) == (409, "conflict")
        listed = gcs.session.get(buckets, params={**project, "prefix": name}).json()["items"]
        assert [bucket["name"] for bucket in listed] == [name]
        assert gcs.session.delete(f"{buckets}/{name}").status_code == 204
        assert gcs.session.get(f"{buckets}/{name}").status_code == 404

    @pytest.mark.skipif("GCS_CONTRACT_BUCKET" in os.environ, reason="the bucket is not ours to delete")
    def test_a_bucket_that_is_not_empty_is_not_deleted(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name(), DATA)
        assert gcs.session.delete(f"{gcs.url}/storage/v1/b/{gcs.bucket}").status_code == 409
        assert gcs.media(gcs.name()).content == DATA

    def test_permissions_are_answered_out_of_those_asked_about(self, gcs: Endpoint) -> None:
        asked = ["storage.objects.get", "storage.objects.create", "storage.objects.delete"]
        url = f"{gcs.url}/storage/v1/b/{gcs.bucket}/iam/testPermissions"
        answer = gcs.session.get(url, params={"permissions": asked}).json()
        assert set(answer["permissions"]) == set(asked)  # all of which this suite needs


class TestUploads:
    @pytest.mark.parametrize("write", UPLOADS)
    def test_an_upload_is_read_back_as_it_was(self, gcs: Endpoint, write: Write) -> None:
        data = os.urandom(3 * QUANTUM + 17)
        assert write(gcs, gcs.name(), data).status_code == 200
        assert gcs.media(gcs.name()).content == data

    @pytest.mark.parametrize("write", UPLOADS)
    def test_an_empty_object_is_an_object(self, gcs: Endpoint, write: Write) -> None:
        resource = write(gcs, gcs.name(), b"").json()
        assert (resource["size"], resource["crc32c"]) == ("0", "AAAAAA==")
        assert gcs.media(gcs.name()).content == b""

    def test_a_large_upload_keeps_every_byte(self, gcs: Endpoint) -> None:
        data = os.urandom(9 * 1024 * 1024 + 3)
        resource = gcs.insert(gcs.name(), data).json()
        assert (int(resource["size"]), resource["crc32c"]) == (len(data), crc32c(data))
        assert gcs.media(gcs.name()).content == data

    def test_an_upload_without_a_known_length_keeps_every_byte(self, gcs: Endpoint) -> None:
        pieces = [os.urandom(70_000) for _ in range(8)]
        query = {"uploadType": "media", "name": gcs.name()}
        assert gcs.session.post(gcs.upload_url(), params=query, data=iter(pieces)).status_code == 200
        assert gcs.media(gcs.name()).content == b"".join(pieces)

    def test_an_object_describes_itself(self, gcs: Endpoint) -> None:
        resource = gcs.insert(gcs.name(), DATA, {"Content-Type": "text/plain"}).json()
        assert resource["kind"] == "storage#object"
        assert resource["bucket"] == gcs.bucket
        assert resource["name"] == gcs.name()
        assert resource["id"] == f"{gcs.bucket}/{gcs.name()}/{resource['generation']}"
        assert resource["size"] == str(len(DATA))
        assert resource["contentType"] == "text/plain"
        assert resource["crc32c"] == crc32c(DATA)
        assert resource["md5Hash"] == base64.b64encode(hashlib.md5(DATA, usedforsecurity=False).digest()).decode()
        assert resource["metageneration"] == "1"
        assert resource["timeCreated"] == resource["updated"]
        assert {"etag", "selfLink", "mediaLink", "storageClass"} <= set(resource)
        assert gcs.get(gcs.name()).json() == resource
        assert gcs.session.get(resource["selfLink"]).json() == resource
        assert gcs.session.get(resource["mediaLink"]).content == DATA

    def test_metadata_travels_with_a_multipart_upload(self, gcs: Endpoint) -> None:
        fields = {
            "cacheControl": "no-cache",
            "contentDisposition": "attachment",
            "contentLanguage": "en",
            "contentType": "application/x-test",
            "metadata": {"one": "1", "two": "zwei"},
        }
        resource = gcs.multipart(gcs.name(), DATA, {**fields, "customTime": "2024-01-02T03:04:05Z"}).json()
        assert {name: resource[name] for name in fields} == fields
        assert datetime.fromisoformat(resource["customTime"]) == datetime.fromisoformat("2024-01-02T03:04:05Z")

    def test_the_media_part_says_the_content_type_when_the_metadata_does_not(self, gcs: Endpoint) -> None:
        assert gcs.multipart(gcs.name(), DATA).json()["contentType"] == "text/plain"

    def test_a_boundary_may_be_quoted(self, gcs: Endpoint) -> None:
        assert gcs.multipart(gcs.name(), DATA, boundary='"=== =="').status_code == 200
        assert gcs.multipart(gcs.name(), DATA, boundary="'===='").status_code == 200
        assert gcs.media(gcs.name()).content == DATA

    @pytest.mark.parametrize("data", [b"\r\n", b"\n", b"--b", b"\r\n\r\n--b \r\n", b"\r\n--"], ids=repr)
    def test_media_may_look_like_a_boundary_almost(self, gcs: Endpoint, data: bytes) -> None:
        assert gcs.multipart(gcs.name(), data, boundary="bound").status_code == 200
        assert gcs.media(gcs.name()).content == data

    def test_a_multipart_body_without_two_parts_is_refused(self, gcs: Endpoint) -> None:
        response = gcs.session.post(
            gcs.upload_url(),
            params={"uploadType": "multipart", "name": gcs.name()},
            data=b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--",
            headers={"Content-Type": "multipart/related; boundary=b"},
        )
        assert response.status_code == 400
        assert gcs.get(gcs.name()).status_code == 404

    def test_bytes_are_of_no_particular_type_unless_something_says_so(self, gcs: Endpoint) -> None:
        assert gcs.insert(gcs.name(), DATA).json()["contentType"] == "application/octet-stream"

    @pytest.mark.parametrize(
        "name",
        ["a b", "a+b", "100%", "%2F", "a/b", "ü/é", "😀", "a?b#c&d=e", "a//b", "trail/", "/lead", "a/../b", "'\"\\"],
    )
    @pytest.mark.parametrize("write", UPLOADS)
    def test_odd_names_are_kept_as_they_are(self, gcs: Endpoint, write: Write, name: str) -> None:
        assert write(gcs, gcs.name(name), DATA).json()["name"] == gcs.name(name)
        assert gcs.get(gcs.name(name)).json()["name"] == gcs.name(name)
        assert gcs.media(gcs.name(name)).content == DATA
        assert [item["name"] for item in gcs.list(prefix=gcs.prefix)["items"]] == [gcs.name(name)]
        assert gcs.delete(gcs.name(name)).status_code == 204

    def test_a_plus_in_a_path_is_a_plus(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name("a+b"), DATA)
        assert gcs.session.get(gcs.object_url(gcs.name("a+b")).replace("%2B", "+")).json()["name"] == gcs.name("a+b")

    def test_names_that_differ_little_are_different_objects(self, gcs: Endpoint) -> None:
        names = ["a", "A", "a/", "a/b", "a/b/c", "a//b", "é", "e\u0301", "a/./b", "x" * 300]
        for name in names:
            assert gcs.insert(gcs.name(name), name.encode()).status_code == 200
        assert [gcs.media(gcs.name(name)).content.decode() for name in names] == names
        assert [item["name"] for item in gcs.list(prefix=gcs.prefix)["items"]] == sorted(map(gcs.name, names))

    def test_a_name_may_have_1024_bytes_and_no_more(self, gcs: Endpoint) -> None:
        longest = gcs.name("ü" * ((1024 - len(gcs.prefix)) // 2)).ljust(512, "x")
        longest += "x" * (1024 - len(longest.encode()))
        assert gcs.insert(longest, DATA).status_code == 200
        assert gcs.media(longest).content == DATA
        assert gcs.insert(longest + "x", DATA).status_code == 400

    @pytest.mark.parametrize("name", [".", "..", "a\nb", "a\rb", ".well-known/acme-challenge/x"])
    def test_forbidden_names_are_refused(self, gcs: Endpoint, name: str) -> None:
        response = gcs.insert(name, DATA)
        assert (response.status_code, reason(response)) == (400, "invalid")

    def test_an_upload_needs_a_name(self, gcs: Endpoint) -> None:
        assert gcs.insert("", DATA).status_code == 400

    @pytest.mark.parametrize("size", [8192, 8193])
    def test_custom_metadata_may_have_8_kib(self, gcs: Endpoint, size: int) -> None:
        response = gcs.multipart(gcs.name(), DATA, {"metadata": {"k": "v" * (size - 1)}})
        assert response.status_code == (200 if size == 8192 else 400)

    def test_metadata_that_is_not_json_is_refused(self, gcs: Endpoint) -> None:
        query = {"uploadType": "resumable", "name": gcs.name()}
        assert gcs.session.post(gcs.upload_url(), params=query, data=b"{not json").status_code == 400


class TestGenerations:
    def test_a_replacement_has_a_greater_generation_and_starts_its_metageneration_anew(self, gcs: Endpoint) -> None:
        first = gcs.insert(gcs.name(), DATA).json()
        assert gcs.patch(gcs.name(), {"metadata": {"k": "v"}}).json()["metageneration"] == "2"
        second = gcs.insert(gcs.name(), OTHER).json()
        assert int(second["generation"]) > int(first["generation"])
        assert second["metageneration"] == "1"
        assert "metadata" not in second
        assert second["etag"] != first["etag"]

    def test_a_new_object_has_a_greater_generation_than_a_deleted_one(self, gcs: Endpoint) -> None:
        first = gcs.insert(gcs.name(), DATA).json()
        gcs.delete(gcs.name())
        assert int(gcs.insert(gcs.name(), DATA).json()["generation"]) > int(first["generation"])

    def test_a_generation_that_is_not_live_is_not_found(self, gcs: Endpoint) -> None:
        live = int(gcs.insert(gcs.name(), DATA).json()["generation"])
        assert gcs.get(gcs.name(), generation=live).status_code == 200
        for response in (
            gcs.get(gcs.name(), generation=live + 1),
            gcs.media(gcs.name(), generation=live + 1),
            gcs.patch(gcs.name(), {}, generation=live + 1),
            gcs.delete(gcs.name(), generation=live + 1),
        ):
            assert response.status_code == 404
        assert gcs.media(gcs.name()).content == DATA


class TestPreconditionsOfWrites:
    @every_write
    def test_generation_zero_makes_a_new_object(self, gcs: Endpoint, write: Write) -> None:
        assert write(gcs, gcs.name(), DATA, ifGenerationMatch=0).status_code == 200
        assert gcs.media(gcs.name()).content == DATA

    @every_write
    def test_generation_zero_never_replaces_an_object(self, gcs: Endpoint, write: Write) -> None:
        before = gcs.insert(gcs.name(), DATA).json()
        response = write(gcs, gcs.name(), OTHER, ifGenerationMatch=0)
        assert response.status_code == 412
        assert gcs.get(gcs.name()).json() == before
        assert gcs.media(gcs.name()).content == DATA

    def test_a_failed_condition_gives_its_reason(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name(), DATA)
        assert reason(gcs.insert(gcs.name(), OTHER, ifGenerationMatch=0)) == "conditionNotMet"

    @every_write
    def test_the_live_generation_is_replaced(self, gcs: Endpoint, write: Write) -> None:
        live = gcs.insert(gcs.name(), DATA).json()["generation"]
        assert write(gcs, gcs.name(), OTHER, ifGenerationMatch=live).status_code == 200
        assert gcs.media(gcs.name()).content == OTHER

    @every_write
    def test_a_stale_generation_is_refused_and_nothing_changes(self, gcs: Endpoint, write: Write) -> None:
        stale = gcs.insert(gcs.name(), DATA).json()["generation"]
        before = gcs.insert(gcs.name(), DATA).json()
        assert write(gcs, gcs.name(), OTHER, ifGenerationMatch=stale).status_code == 412
        assert gcs.get(gcs.name()).json() == before
        assert gcs.media(gcs.name()).content == DATA

    @every_write
    def test_a_generation_is_refused_where_there_is_no_object(self, gcs: Endpoint, write: Write) -> None:
        assert write(gcs, gcs.name(), DATA, ifGenerationMatch=1).status_code == 412
        assert gcs.get(gcs.name()).status_code == 404

    @every_write
    def test_a_stale_metageneration_is_refused_and_the_live_one_is_not(self, gcs: Endpoint, write: Write) -> None:
        gcs.insert(gcs.name(), DATA)
        before = gcs.patch(gcs.name(), {"metadata": {"k": "v"}}).json()
        assert write(gcs, gcs.name(), OTHER, ifMetagenerationMatch=1).status_code == 412
        assert gcs.get(gcs.name()).json() == before
        assert write(gcs, gcs.name(), OTHER, ifMetagenerationMatch=2).status_code == 200

    @every_write_but_compose
    def test_a_generation_not_to_match_is_not_replaced(self, gcs: Endpoint, write: Write) -> None:
        live = gcs.insert(gcs.name(), DATA).json()["generation"]
        assert write(gcs, gcs.name(), OTHER, ifGenerationNotMatch=live).status_code in (304, 412)
        assert gcs.media(gcs.name()).content == DATA
        assert write(gcs, gcs.name(), OTHER, ifGenerationNotMatch=1).status_code == 200

    @every_write_but_compose
    def test_a_metageneration_not_to_match_is_not_replaced(self, gcs: Endpoint, write: Write) -> None:
        gcs.insert(gcs.name(), DATA)
        assert write(gcs, gcs.name(), OTHER, ifMetagenerationNotMatch=1).status_code in (304, 412)
        assert gcs.media(gcs.name()).content == DATA
        assert write(gcs, gcs.name(), OTHER, ifMetagenerationNotMatch=7).status_code == 200

    @every_write
    def test_a_condition_that_is_not_a_number_is_refused(self, gcs: Endpoint, write: Write) -> None:
        assert write(gcs, gcs.name(), DATA, ifGenerationMatch="x").status_code == 400
        assert gcs.get(gcs.name()).status_code == 404

    @every_write
    def test_of_many_writers_at_once_exactly_one_wins(self, gcs: Endpoint, write: Write) -> None:
        bodies = [f"writer {number}".encode() for number in range(12)]
        with ThreadPoolExecutor(len(bodies)) as pool:
            answers = list(pool.map(lambda body: write(gcs, gcs.name(), body, ifGenerationMatch=0), bodies))
        winners = [body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 200]
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * (len(bodies) - 1)
        assert winners == [gcs.media(gcs.name()).content]

    @pytest.mark.parametrize("operation", ["patch", "update", "delete"])
    @pytest.mark.parametrize(
        "condition", ["ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch"]
    )
    def test_changes_and_deletions_obey_conditions(self, gcs: Endpoint, operation: str, condition: str) -> None:
        before = gcs.insert(gcs.name(), DATA).json()
        live = int(before["generation" if "ifGeneration" in condition else "metageneration"])
        holds, fails = (live + 1, live) if "Not" in condition else (live, live + 1)
        body = [] if operation == "delete" else [{"metadata": {"k": "v"}}]
        act = getattr(gcs, operation)
        refusals = (304, 412) if "Not" in condition else (412,)
        assert act(gcs.name(), *body, **{condition: fails}).status_code in refusals
        assert gcs.get(gcs.name()).json() == before
        assert act(gcs.name(), *body, **{condition: holds}).status_code in (200, 204)


class TestPreconditionsOfReads:
    @pytest.mark.parametrize("read", [Endpoint.get, Endpoint.media])
    def test_reads_obey_conditions(self, gcs: Endpoint, read: Write) -> None:
        live = int(gcs.insert(gcs.name(), DATA).json()["generation"])
        assert read(gcs, gcs.name(), ifGenerationMatch=live).status_code == 200
        assert read(gcs, gcs.name(), ifGenerationMatch=live - 1).status_code == 412
        assert read(gcs, gcs.name(), ifMetagenerationMatch=2).status_code == 412
        assert read(gcs, gcs.name(), ifGenerationNotMatch=live - 1).status_code == 200
        for condition in ({"ifGenerationNotMatch": live}, {"ifMetagenerationNotMatch": 1}):
            response = read(gcs, gcs.name(), **condition)
            assert (response.status_code, response.content) == (304, b"")

    def test_a_missing_object_is_not_found_whatever_its_generation_should_be(self, gcs: Endpoint) -> None:
        assert gcs.get(gcs.name()).status_code == 404
        assert gcs.get(gcs.name(), ifGenerationMatch=1).status_code in (404, 412)


class TestChecksums:
    @pytest.mark.parametrize("wrong", [f"crc32c={WRONG_CRC32C}", "md5=" + base64.b64encode(bytes(16)).decode()])
    def test_a_media_upload_with_a_wrong_hash_is_refused(self, gcs: Endpoint, wrong: str) -> None:
        response = gcs.insert(gcs.name(), DATA, {"X-Goog-Hash": wrong})
        assert (response.status_code, reason(response)) == (400, "invalid")
        assert gcs.get(gcs.name()).status_code == 404

    @pytest.mark.parametrize("field", ["crc32c", "md5Hash"])
    def test_a_multipart_upload_with_a_wrong_hash_is_refused(self, gcs: Endpoint, field: str) -> None:
        right = gcs.insert(gcs.name("other"), OTHER).json()[field]
        before = gcs.insert(gcs.name(), OTHER).json()
        response = gcs.multipart(gcs.name(), DATA, {field: right})
        assert (response.status_code, reason(response)) == (400, "invalid")
        assert gcs.get(gcs.name()).json() == before

    def test_a_wrong_hash_in_the_last_request_of_a_session_is_refused(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/*")
        last = f"bytes {QUANTUM}-{QUANTUM + len(DATA) - 1}/{QUANTUM + len(DATA)}"
        response = put(uri, DATA, last, X_Goog_Hash=f"crc32c={crc32c(DATA)}")
        assert response.status_code == 400
        assert gcs.get(gcs.name()).status_code == 404

    def test_a_wrong_hash_stated_when_a_session_starts_is_refused_in_the_end(self, gcs: Endpoint) -> None:
        assert put(gcs.start(gcs.name(), {"crc32c": WRONG_CRC32C}), DATA).status_code == 400
        assert gcs.get(gcs.name()).status_code == 404

    def test_right_hashes_are_accepted(self, gcs: Endpoint) -> None:
        md5 = base64.b64encode(hashlib.md5(DATA, usedforsecurity=False).digest()).decode()
        header = f"crc32c={crc32c(DATA)},md5={md5}"
        assert gcs.insert(gcs.name(), DATA, {"X-Goog-Hash": header}).status_code == 200
        assert gcs.multipart(gcs.name(), DATA, {"crc32c": crc32c(DATA), "md5Hash": md5}).status_code == 200
        assert put(gcs.start(gcs.name(), {"md5Hash": md5}), DATA, X_Goog_Hash=header).status_code == 200

    def test_a_hash_over_all_chunks_is_accepted_with_the_last_one(self, gcs: Endpoint) -> None:
        data = os.urandom(QUANTUM + 5)
        uri = gcs.start(gcs.name())
        put(uri, data[:QUANTUM], f"bytes 0-{QUANTUM - 1}/*")
        last = f"bytes {QUANTUM}-{QUANTUM + 4}/{QUANTUM + 5}"
        response = put(uri, data[QUANTUM:], last, X_Goog_Hash=f"crc32c={crc32c(data)}")
        assert (response.status_code, response.json()["crc32c"]) == (200, crc32c(data))

    def test_a_hash_that_is_no_hash_is_refused(self, gcs: Endpoint) -> None:
        assert gcs.multipart(gcs.name(), DATA, {"crc32c": "???"}).status_code == 400


class TestResumableSessions:
    def test_chunks_add_up_to_an_object_that_is_not_visible_before_the_last(self, gcs: Endpoint) -> None:
        data = os.urandom(2 * QUANTUM + 100)
        uri = gcs.start(gcs.name(), {"metadata": {"k": "v"}}, {"X-Upload-Content-Type": "text/x-test"})
        assert persisted(put(uri, b"", "bytes */*")) == 0
        for start in (0, QUANTUM):
            chunk = data[start : start + QUANTUM]
            assert persisted(put(uri, chunk, f"bytes {start}-{start + QUANTUM - 1}/{len(data)}")) == start + QUANTUM
            assert persisted(put(uri, b"", f"bytes */{len(data)}")) == start + QUANTUM
            assert gcs.get(gcs.name()).status_code == 404
        done = put(uri, data[2 * QUANTUM :], f"bytes {2 * QUANTUM}-{len(data) - 1}/{len(data)}")
        assert done.status_code == 200
        resource = done.json()
        assert (resource["metadata"], resource["contentType"]) == ({"k": "v"}, "text/x-test")
        assert resource["crc32c"] == crc32c(data)
        assert gcs.media(gcs.name()).content == data

    def test_nothing_persisted_is_told_by_the_absence_of_a_range(self, gcs: Endpoint) -> None:
        response = put(gcs.start(gcs.name()), b"", "bytes */*")
        assert response.status_code == 308
        assert "Range" not in response.headers

    def test_the_metadata_wins_over_the_header_for_the_content_type(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name(), {"contentType": "text/a"}, {"X-Upload-Content-Type": "text/b"})
        assert put(uri, DATA).json()["contentType"] == "text/a"

    def test_one_request_with_everything_needs_no_range(self, gcs: Endpoint) -> None:
        assert put(gcs.start(gcs.name()), DATA).status_code == 200
        assert gcs.media(gcs.name()).content == DATA

    def test_an_unknown_total_may_be_told_with_the_last_chunk(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        assert persisted(put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/*")) == QUANTUM
        assert put(uri, DATA, f"bytes {QUANTUM}-{QUANTUM + len(DATA) - 1}/{QUANTUM + len(DATA)}").status_code == 200
        assert gcs.media(gcs.name()).content == bytes(QUANTUM) + DATA

    def test_an_unknown_total_may_be_told_after_the_last_chunk(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/*")
        assert gcs.get(gcs.name()).status_code == 404
        assert put(uri, b"", f"bytes */{QUANTUM}").status_code == 200
        assert gcs.media(gcs.name()).content == bytes(QUANTUM)

    def test_an_empty_object_ends_with_a_total_of_zero(self, gcs: Endpoint) -> None:
        assert put(gcs.start(gcs.name()), b"", "bytes */0").json()["size"] == "0"

    def test_asking_for_the_status_never_finishes_what_is_not_complete(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/{2 * QUANTUM}")
        for asked in ("bytes */*", f"bytes */{2 * QUANTUM}"):
            assert persisted(put(uri, b"", asked)) == QUANTUM
        assert gcs.get(gcs.name()).status_code == 404

    def test_a_finished_session_answers_with_the_object(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        done = put(uri, DATA)
        assert put(uri, b"", "bytes */*").json() == done.json()
        assert put(uri, b"", f"bytes */{len(DATA)}").json() == done.json()

    def test_a_repeated_last_chunk_does_not_make_another_generation(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name(), ifGenerationMatch=0)
        everything = f"bytes 0-{len(DATA) - 1}/{len(DATA)}"
        first, second = put(uri, DATA, everything), put(uri, DATA, everything)
        assert (second.status_code, second.json()["generation"]) == (200, first.json()["generation"])

    def test_only_whole_quanta_of_an_unfinished_upload_are_persisted(self, gcs: Endpoint) -> None:
        data = os.urandom(2 * QUANTUM + 1000)
        uri = gcs.start(gcs.name())
        assert persisted(put(uri, data[: QUANTUM + 500], f"bytes 0-{QUANTUM + 499}/{len(data)}")) == QUANTUM
        assert put(uri, data[QUANTUM:], f"bytes {QUANTUM}-{len(data) - 1}/{len(data)}").status_code == 200
        assert gcs.media(gcs.name()).content == data

    def test_an_unfinished_chunk_below_one_quantum_is_not_persisted(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        assert put(uri, DATA, f"bytes 0-{len(DATA) - 1}/*").status_code in (308, 400)
        assert persisted(put(uri, b"", "bytes */*")) == 0
        assert put(uri, DATA).status_code == 200

    def test_bytes_that_are_there_already_are_skipped(self, gcs: Endpoint) -> None:
        data = os.urandom(2 * QUANTUM + 10)
        uri = gcs.start(gcs.name())
        put(uri, data[:QUANTUM], f"bytes 0-{QUANTUM - 1}/{len(data)}")
        assert put(uri, data, f"bytes 0-{len(data) - 1}/{len(data)}").status_code == 200
        assert gcs.media(gcs.name()).content == data

    def test_a_chunk_that_leaves_a_gap_is_refused(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/{4 * QUANTUM}")
        gap = put(uri, bytes(QUANTUM), f"bytes {2 * QUANTUM}-{3 * QUANTUM - 1}/{4 * QUANTUM}")
        assert gap.status_code in (400, 416, 503)
        assert persisted(put(uri, b"", "bytes */*")) == QUANTUM

    @pytest.mark.parametrize("header", ["bytes 5-2/10", "octets 0-1/2", "bytes 0-18/5"])
    def test_a_range_that_makes_no_sense_is_refused(self, gcs: Endpoint, header: str) -> None:
        assert 400 <= put(gcs.start(gcs.name()), DATA, header).status_code < 500
        assert gcs.get(gcs.name()).status_code == 404

    def test_a_body_that_breaks_off_finishes_nothing_and_can_be_resumed(self, gcs: Endpoint) -> None:
        data = os.urandom(3 * QUANTUM)
        uri = gcs.start(gcs.name())
        sent = 2 * QUANTUM + 1000
        parts = urlsplit(uri)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=60)
        connection.putrequest("PUT", f"{parts.path}?{parts.query}")
        connection.putheader("Content-Length", str(len(data)))
        connection.putheader("Content-Range", f"bytes 0-{len(data) - 1}/{len(data)}")
        connection.endheaders(data[:sent])
        connection.close()
        for _ in range(10):  # while the broken request is still being read, more may be kept than the answer said
            kept = persisted(put(uri, b"", "bytes */*"))
            assert kept <= sent
            assert kept % QUANTUM == 0
            assert gcs.get(gcs.name()).status_code == 404
            with suppress(requests.ConnectionError):
                if put(uri, data[kept:], f"bytes {kept}-{len(data) - 1}/{len(data)}").status_code == 200:
                    break
        assert gcs.media(gcs.name()).content == data

    def test_a_client_that_cannot_read_308_gets_it_in_a_header(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        chunk = put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/*", X_GUploader_No_308="yes")
        assert (chunk.status_code, chunk.headers["X-HTTP-Status-Code-Override"]) == (200, "308")
        assert chunk.headers["Range"] == f"bytes=0-{QUANTUM - 1}"

    def test_chunks_may_be_posted(self, gcs: Endpoint) -> None:
        response = requests.post(gcs.start(gcs.name()), data=DATA, timeout=60)
        assert (response.status_code, response.json()["size"]) == (200, str(len(DATA)))

    def test_a_cancelled_session_is_gone(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name())
        put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/*")
        assert requests.delete(uri, timeout=60).status_code == 499
        assert 400 <= put(uri, b"", "bytes */*").status_code < 500
        assert 400 <= put(uri, DATA).status_code < 500
        assert gcs.get(gcs.name()).status_code == 404

    def test_an_unknown_session_is_not_found(self, gcs: Endpoint) -> None:
        uri = f"{gcs.upload_url()}?uploadType=resumable&upload_id=guessed"
        assert put(uri, DATA).status_code in (400, 404, 410)

    def test_conditions_are_judged_when_the_upload_ends(self, gcs: Endpoint) -> None:
        uri = gcs.start(gcs.name(), ifGenerationMatch=0)
        before = gcs.insert(gcs.name(), OTHER).json()
        assert put(uri, DATA).status_code == 412
        assert gcs.get(gcs.name()).json() == before
        assert 400 <= put(uri, DATA).status_code < 500
        assert gcs.media(gcs.name()).content == OTHER

    def test_sessions_are_independent_and_cannot_be_told_from_each_other(self, gcs: Endpoint) -> None:
        first, second = gcs.start(gcs.name()), gcs.start(gcs.name())
        assert first != second
        assert put(second, OTHER).status_code == 200
        assert put(first, DATA).status_code == 200
        assert gcs.media(gcs.name()).content == DATA


class TestDownloads:
    @pytest.mark.parametrize(
        ("asked", "start", "stop"), [("0-0", 0, 1), ("4-", 4, 19), ("-3", 16, 19), ("5-100", 5, 19), ("-100", 0, 19)]
    )
    def test_a_range_is_a_part(self, gcs: Endpoint, asked: str, start: int, stop: int) -> None:
        gcs.insert(gcs.name(), DATA)
        response = gcs.media(gcs.name(), {"Range": f"bytes={asked}"})
        assert (response.status_code, response.content) == (206, DATA[start:stop])
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
        assert response.headers["Content-Length"] == str(stop - start)

    @pytest.mark.parametrize("asked", ["19-", "100-200"])
    def test_a_range_behind_the_end_is_refused(self, gcs: Endpoint, asked: str) -> None:
        gcs.insert(gcs.name(), DATA)
        assert gcs.media(gcs.name(), {"Range": f"bytes={asked}"}).status_code == 416

    def test_a_range_across_blocks_is_exact(self, gcs: Endpoint) -> None:
        data = os.urandom(9 * 1024 * 1024)
        gcs.insert(gcs.name(), data)
        start, stop = 4 * 1024 * 1024 - 3, 8 * 1024 * 1024 + 5
        assert gcs.media(gcs.name(), {"Range": f"bytes={start}-{stop - 1}"}).content == data[start:stop]

    def test_a_download_says_what_it_is(self, gcs: Endpoint) -> None:
        fields = {"cacheControl": "no-cache", "contentDisposition": "inline", "contentLanguage": "de"}
        resource = gcs.multipart(gcs.name(), DATA, {**fields, "contentType": "text/x-test"}).json()
        headers = gcs.media(gcs.name()).headers
        assert headers["Content-Type"] == "text/x-test"
        assert headers["Cache-Control"] == "no-cache"
        assert headers["Content-Disposition"] == "inline"
        assert headers["Content-Language"] == "de"
        assert headers["X-Goog-Generation"] == resource["generation"]
        assert headers["X-Goog-Metageneration"] == resource["metageneration"]
        assert f"crc32c={crc32c(DATA)}" in headers["X-Goog-Hash"]
        assert f"md5={resource['md5Hash']}" in headers["X-Goog-Hash"]

    def test_there_is_a_path_for_downloads(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name("a/b c"), DATA)
        response = gcs.session.get(gcs.object_url(gcs.name("a/b c"), "/download"), params={"alt": "media"})
        assert response.content == DATA

    def test_a_missing_object_has_no_bytes(self, gcs: Endpoint) -> None:
        assert gcs.media(gcs.name()).status_code == 404


class TestGzip:
    PACKED = gzip.compress(DATA * 100)

    def raw(self, gcs: Endpoint, accept: str, **headers: str) -> tuple[bytes, requests.Response]:
        response = gcs.session.get(
            gcs.object_url(gcs.name()),
            params={"alt": "media"},
            headers={"Accept-Encoding": accept, **headers},
            stream=True,
        )
        return response.raw.read(decode_content=False), response

    def test_who_accepts_gzip_gets_what_is_stored(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), self.PACKED, {"contentEncoding": "gzip"})
        body, response = self.raw(gcs, "gzip")
        assert (body, response.headers["Content-Encoding"]) == (self.PACKED, "gzip")

    def test_who_does_not_gets_it_unpacked_without_a_length(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), self.PACKED, {"contentEncoding": "gzip"})
        body, response = self.raw(gcs, "identity")
        assert body == DATA * 100
        assert response.headers.get("Content-Encoding") != "gzip"
        assert response.headers.get("Content-Length") != str(len(self.PACKED))

    def test_no_transform_keeps_it_packed(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), self.PACKED, {"contentEncoding": "gzip", "cacheControl": "no-transform"})
        assert self.raw(gcs, "identity")[0] == self.PACKED

    def test_a_range_of_unpacked_bytes_is_not_served(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), self.PACKED, {"contentEncoding": "gzip"})
        body, response = self.raw(gcs, "identity", Range="bytes=0-3")
        assert (response.status_code, body) == (200, DATA * 100)


class TestPlacement:
    """https://cloud.google.com/storage/docs/storage-classes and .../docs/encryption/using-customer-managed-keys"""

    @pytest.mark.parametrize("storage_class", ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"])
    def test_an_object_has_the_storage_class_it_is_written_with(self, gcs: Endpoint, storage_class: str) -> None:
        asked = {"storageClass": storage_class}
        assert gcs.multipart(gcs.name("one"), DATA, asked).json()["storageClass"] == storage_class
        assert put(gcs.start(gcs.name("two"), asked), DATA).json()["storageClass"] == storage_class
        assert gcs.get(gcs.name("one")).json()["storageClass"] == storage_class

    @pytest.mark.parametrize("resource", [{}, {"storageClass": None}], ids=str)
    def test_otherwise_it_has_the_bucket_s(self, gcs: Endpoint, resource: dict[str, object]) -> None:
        default = gcs.session.get(f"{gcs.url}/storage/v1/b/{gcs.bucket}").json()["storageClass"]
        assert gcs.multipart(gcs.name(), DATA, resource).json()["storageClass"] == default

    @pytest.mark.parametrize("storage_class", ["GLACIER", "nearline ", "", 7])
    def test_a_storage_class_that_does_not_exist_is_refused(self, gcs: Endpoint, storage_class: object) -> None:
        asked = {"storageClass": storage_class}
        assert gcs.multipart(gcs.name("one"), DATA, asked).status_code == 400
        query = {"uploadType": "resumable", "name": gcs.name("two")}
        assert gcs.session.post(gcs.upload_url(), params=query, json=asked).status_code == 400
        assert gcs.get(gcs.name("one")).status_code == 404

    def test_a_patch_of_other_metadata_leaves_the_storage_class(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), DATA, {"storageClass": "NEARLINE"})
        assert gcs.patch(gcs.name(), {"metadata": {"a": "1"}}).json()["storageClass"] == "NEARLINE"

    @pytest.mark.skipif("external" in KINDS and KMS_KEY_OF_NOBODY, reason="GCS_CONTRACT_KMS_KEY names no key")
    def test_an_object_names_the_key_it_is_encrypted_with(self, gcs: Endpoint) -> None:
        """It may name the key's version, too."""
        one = gcs.multipart(gcs.name("one"), DATA, kmsKeyName=KMS_KEY).json()
        uri = gcs.start(gcs.name("two"), kmsKeyName=KMS_KEY)
        put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/{QUANTUM + 1}")
        two = put(uri, b"x", f"bytes {QUANTUM}-{QUANTUM}/{QUANTUM + 1}").json()
        assert one["kmsKeyName"].partition("/cryptoKeyVersions/")[0] == KMS_KEY
        assert two["kmsKeyName"].partition("/cryptoKeyVersions/")[0] == KMS_KEY
        assert gcs.get(gcs.name("one")).json()["crc32c"] == crc32c(DATA)
        assert gcs.media(gcs.name("one")).content == DATA

    @pytest.mark.parametrize("key", ["k", "projects/p/locations/eu/keyRings/r", "alias/aws/s3"])
    def test_what_is_no_key_s_name_is_refused(self, gcs: Endpoint, key: str) -> None:
        assert gcs.multipart(gcs.name(), DATA, kmsKeyName=key).status_code == 400
        query = {"uploadType": "resumable", "name": gcs.name(), "kmsKeyName": key}
        assert gcs.session.post(gcs.upload_url(), params=query, json={}).status_code == 400
        assert gcs.get(gcs.name()).status_code == 404

    def test_an_object_without_a_key_names_none(self, gcs: Endpoint) -> None:
        assert "kmsKeyName" not in gcs.insert(gcs.name(), DATA).json()


class TestMetadata:
    def test_custom_metadata_may_be_any_text(self, gcs: Endpoint) -> None:
        metadata = {"umlaut": "ÄMÄZÕÑ S3", "emoji": "🚀", "empty": "", "c1": "a\x85b"}
        gcs.multipart(gcs.name(), DATA, {"metadata": metadata})
        assert gcs.get(gcs.name()).json()["metadata"] == metadata

    def test_a_patch_merges_and_null_removes(self, gcs: Endpoint) -> None:
        before = gcs.multipart(gcs.name(), DATA, {"cacheControl": "no-cache", "metadata": {"a": "1", "b": "2"}}).json()
        after = gcs.patch(
            gcs.name(), {"cacheControl": None, "contentLanguage": "fr", "metadata": {"a": None, "c": "3"}}
        ).json()
        assert after["metadata"] == {"b": "2", "c": "3"}
        assert "cacheControl" not in after
        assert after["contentLanguage"] == "fr"
        assert after["contentType"] == before["contentType"]
        assert (after["generation"], after["metageneration"]) == (before["generation"], "2")
        assert after["timeCreated"] == before["timeCreated"]
        assert datetime.fromisoformat(after["updated"]) >= datetime.fromisoformat(before["updated"])
        assert after["etag"] != before["etag"]
        assert gcs.get(gcs.name()).json() == after
        assert gcs.media(gcs.name()).content == DATA

    def test_null_clears_all_metadata(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), DATA, {"metadata": {"a": "1"}})
        assert "metadata" not in gcs.patch(gcs.name(), {"metadata": None}).json()

    def test_an_update_replaces(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), DATA, {"cacheControl": "no-cache", "metadata": {"a": "1"}})
        after = gcs.update(gcs.name(), {"contentType": "text/x-new", "metadata": {"b": "2"}}).json()
        assert (after["metadata"], after["contentType"], after["metageneration"]) == ({"b": "2"}, "text/x-new", "2")
        assert "cacheControl" not in after

    def test_what_the_service_counts_cannot_be_patched(self, gcs: Endpoint) -> None:
        before = gcs.insert(gcs.name(), DATA).json()
        gcs.patch(gcs.name(), {"size": "7", "generation": "1", "crc32c": "AAAAAA==", "name": "elsewhere"})
        after = gcs.get(gcs.name()).json()
        assert [after[field] for field in ("size", "generation", "crc32c", "name")] == [
            before[field] for field in ("size", "generation", "crc32c", "name")
        ]

    @pytest.mark.parametrize("change", [{"customTime": None}, {"customTime": "2024-01-01T00:00:00Z"}], ids=str)
    def test_a_custom_time_never_goes_back(self, gcs: Endpoint, change: dict[str, object]) -> None:
        before = gcs.multipart(gcs.name(), DATA, {"customTime": "2024-06-01T00:00:00Z"}).json()
        assert gcs.patch(gcs.name(), change).status_code == 400
        assert gcs.get(gcs.name()).json() == before
        assert gcs.patch(gcs.name(), {"customTime": "2024-06-02T00:00:00Z"}).status_code == 200

    def test_custom_metadata_cannot_grow_beyond_8_kib(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name(), DATA, {"metadata": {"a": "x" * 5000}})
        assert gcs.patch(gcs.name(), {"metadata": {"b": "x" * 5000}}).status_code == 400
        assert set(gcs.get(gcs.name()).json()["metadata"]) == {"a"}

    def test_a_missing_object_cannot_be_changed(self, gcs: Endpoint) -> None:
        assert gcs.patch(gcs.name(), {}).status_code == 404
        assert gcs.update(gcs.name(), {}).status_code == 404
        assert gcs.delete(gcs.name()).status_code == 404

    def test_a_deleted_object_is_gone(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name(), DATA)
        response = gcs.delete(gcs.name())
        assert (response.status_code, response.content) == (204, b"")
        assert gcs.get(gcs.name()).status_code == 404
        assert gcs.list(prefix=gcs.prefix).get("items") is None


class TestListing:
    NAMES = ("a", "b/1", "b/2", "b/c/3", "d", "é", "😀")

    @pytest.fixture(autouse=True)
    def objects(self, gcs: Endpoint) -> None:
        for name in self.NAMES:
            gcs.insert(gcs.name(name), DATA)

    def names(self, gcs: Endpoint, page: dict[str, object]) -> list[str]:
        items = page.get("items", [])
        assert isinstance(items, list)
        return [item["name"].removeprefix(gcs.prefix) for item in items]

    def prefixes(self, gcs: Endpoint, page: dict[str, object]) -> list[str]:
        found = page.get("prefixes", [])
        assert isinstance(found, list)
        return [prefix.removeprefix(gcs.prefix) for prefix in found]

    def test_names_come_in_the_order_of_their_bytes(self, gcs: Endpoint) -> None:
        page = gcs.list(prefix=gcs.prefix)
        assert page["kind"] == "storage#objects"
        assert self.names(gcs, page) == sorted(self.NAMES, key=str.encode)
        assert page["items"][0] == gcs.get(gcs.name("a")).json()

    def test_a_prefix_selects(self, gcs: Endpoint) -> None:
        assert self.names(gcs, gcs.list(prefix=gcs.name("b/"))) == ["b/1", "b/2", "b/c/3"]
        assert self.names(gcs, gcs.list(prefix=gcs.name("nothing"))) == []

    def test_a_delimiter_folds_names_into_prefixes(self, gcs: Endpoint) -> None:
        page = gcs.list(prefix=gcs.prefix, delimiter="/")
        assert (self.names(gcs, page), self.prefixes(gcs, page)) == (["a", "d", "é", "😀"], ["b/"])
        inner = gcs.list(prefix=gcs.name("b/"), delimiter="/")
        assert (self.names(gcs, inner), self.prefixes(gcs, inner)) == (["b/1", "b/2"], ["b/c/"])

    @pytest.mark.parametrize("delimiter", ["", "/"])
    @pytest.mark.parametrize("size", [1, 2, 3, 100])
    def test_pages_together_are_the_whole(self, gcs: Endpoint, size: int, delimiter: str) -> None:
        asked = {"prefix": gcs.prefix, "delimiter": delimiter}
        whole = gcs.list(**asked)
        names, prefixes, token = [], [], None
        while True:
            page = gcs.list(**asked, maxResults=size, **({"pageToken": token} if token else {}))
            assert len(self.names(gcs, page)) + len(self.prefixes(gcs, page)) <= size
            names += self.names(gcs, page)
            prefixes += self.prefixes(gcs, page)
            token = page.get("nextPageToken")
            if token is None:
                break
        assert (names, prefixes) == (self.names(gcs, whole), self.prefixes(gcs, whole))

    def test_offsets_select_from_the_first_up_to_the_second(self, gcs: Endpoint) -> None:
        page = gcs.list(prefix=gcs.prefix, startOffset=gcs.name("b/1"), endOffset=gcs.name("d"))
        assert self.names(gcs, page) == ["b/1", "b/2", "b/c/3"]

    def test_an_object_deleted_between_two_pages_does_not_disturb_the_second(self, gcs: Endpoint) -> None:
        first = gcs.list(prefix=gcs.prefix, maxResults=2)
        gcs.delete(gcs.name("b/1"))
        second = gcs.list(prefix=gcs.prefix, maxResults=2, pageToken=first["nextPageToken"])
        assert self.names(gcs, second) == ["b/2", "b/c/3"]

    def test_a_missing_bucket_has_no_listing(self, gcs: Endpoint) -> None:
        assert gcs.session.get(f"{gcs.url}/storage/v1/b/no-such-bucket-{uuid.uuid4()}/o").status_code == 404


class TestCompose:
    def parts(self, gcs: Endpoint, count: int) -> list[dict[str, object]]:
        for number in range(count):
            gcs.insert(gcs.name(f"part-{number}"), f"[{number}]".encode())
        return [{"name": gcs.name(f"part-{number}")} for number in range(count)]

    def test_sources_are_joined_in_their_order(self, gcs: Endpoint) -> None:
        destination = {"contentType": "text/x-test", "metadata": {"k": "v"}}
        response = gcs.compose(gcs.name(), self.parts(gcs, 3)[::-1], {"destination": destination})
        assert response.status_code == 200
        resource = response.json()
        assert gcs.media(gcs.name()).content == b"[2][1][0]"
        assert resource["crc32c"] == crc32c(b"[2][1][0]")
        assert "md5Hash" not in resource
        assert (resource["componentCount"], resource["size"], resource["metageneration"]) == (3, "9", "1")
        assert (resource["contentType"], resource["metadata"]) == ("text/x-test", {"k": "v"})
        assert gcs.get(gcs.name("part-0")).status_code == 200

    def test_components_are_counted_through_all_levels(self, gcs: Endpoint) -> None:
        parts = self.parts(gcs, 2)
        gcs.compose(gcs.name("pair"), parts)
        resource = gcs.compose(gcs.name(), [{"name": gcs.name("pair")}, *parts]).json()
        assert resource["componentCount"] == 4
        assert gcs.media(gcs.name()).content == b"[0][1][0][1]"

    def test_an_object_can_be_appended_to(self, gcs: Endpoint) -> None:
        part = self.parts(gcs, 1)
        gcs.insert(gcs.name(), DATA)
        gcs.compose(gcs.name(), [{"name": gcs.name()}, *part])
        assert gcs.media(gcs.name()).content == DATA + b"[0]"

    @pytest.mark.parametrize("count", [0, 33])
    def test_fewer_than_one_and_more_than_32_sources_are_refused(self, gcs: Endpoint, count: int) -> None:
        gcs.insert(gcs.name("part"), DATA)
        assert gcs.compose(gcs.name(), [{"name": gcs.name("part")}] * count).status_code == 400
        assert gcs.get(gcs.name()).status_code == 404

    def test_32_sources_are_joined(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name("part"), DATA)
        assert gcs.compose(gcs.name(), [{"name": gcs.name("part")}] * 32).status_code == 200
        assert gcs.media(gcs.name()).content == DATA * 32

    def test_a_missing_source_is_not_found(self, gcs: Endpoint) -> None:
        response = gcs.compose(gcs.name(), [*self.parts(gcs, 1), {"name": gcs.name("missing")}])
        assert response.status_code == 404
        assert gcs.get(gcs.name()).status_code == 404

    def test_a_stale_source_is_refused_and_a_live_one_is_not(self, gcs: Endpoint) -> None:
        (part,) = self.parts(gcs, 1)
        live = int(gcs.get(str(part["name"])).json()["generation"])
        stale = {**part, "objectPreconditions": {"ifGenerationMatch": str(live - 1)}}
        assert gcs.compose(gcs.name(), [part, stale]).status_code == 412
        assert gcs.compose(gcs.name(), [{**part, "generation": str(live - 1)}]).status_code == 404
        assert gcs.get(gcs.name()).status_code == 404
        right = {**part, "generation": str(live), "objectPreconditions": {"ifGenerationMatch": str(live)}}
        assert gcs.compose(gcs.name(), [right]).status_code == 200

    def test_sources_are_deleted_on_request(self, gcs: Endpoint) -> None:
        response = gcs.compose(gcs.name(), self.parts(gcs, 3), {"deleteSourceObjects": True})
        assert response.status_code == 200
        assert gcs.media(gcs.name()).content == b"[0][1][2]"
        assert [item["name"] for item in gcs.list(prefix=gcs.prefix)["items"]] == [gcs.name()]

    def test_sources_survive_a_composition_that_is_refused(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name(), DATA)
        parts = self.parts(gcs, 2)
        assert gcs.compose(gcs.name(), parts, {"deleteSourceObjects": True}, ifGenerationMatch=0).status_code == 412
        assert [gcs.media(str(part["name"])).content for part in parts] == [b"[0]", b"[1]"]

    def test_a_composite_object_has_the_one_storage_class_of_its_sources(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name("near"), DATA, {"storageClass": "NEARLINE"})
        gcs.multipart(gcs.name("standard"), DATA, {"storageClass": "STANDARD"})
        near, standard = {"name": gcs.name("near")}, {"name": gcs.name("standard")}
        assert gcs.compose(gcs.name(), [near, standard]).status_code == 400
        other = {"destination": {"storageClass": "STANDARD"}}
        assert gcs.compose(gcs.name(), [near], other).status_code == 400
        assert gcs.get(gcs.name()).status_code == 404
        assert gcs.compose(gcs.name(), [near, near]).json()["storageClass"] == "NEARLINE"


class TestPartialAnswers:
    """https://cloud.google.com/storage/docs/json_api#partial-response"""

    def test_an_object_has_the_fields_asked_for(self, gcs: Endpoint) -> None:
        written = gcs.multipart(gcs.name(), DATA, {"metadata": {"k": "v"}}).json()
        found = gcs.get(gcs.name(), fields="generation,metadata,customTime").json()
        assert found == {"generation": written["generation"], "metadata": {"k": "v"}}

    def test_a_listing_has_the_fields_asked_for(self, gcs: Endpoint) -> None:
        for name in ("a", "b"):
            gcs.insert(gcs.name(name), DATA)
        page = gcs.list(prefix=gcs.prefix, maxResults=1, fields="items(name,size),nextPageToken")
        assert page["items"] == [{"name": gcs.name("a"), "size": str(len(DATA))}]
        assert set(page) == {"items", "nextPageToken"}

    def test_a_bucket_has_the_fields_asked_for(self, gcs: Endpoint) -> None:
        found = gcs.session.get(f"{gcs.url}/storage/v1/b/{gcs.bucket}", params={"fields": "storageClass"}).json()
        assert set(found) == {"storageClass"}

    def test_a_selection_that_is_none_is_refused(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name(), DATA)
        assert gcs.get(gcs.name(), fields="a(").status_code == 400


class TestRewrite:
    def test_a_copy_has_the_bytes_and_the_metadata(self, gcs: Endpoint) -> None:
        source = gcs.multipart(gcs.name("source"), DATA, {"metadata": {"k": "v"}, "cacheControl": "no-cache"}).json()
        answer = gcs.rewrite(gcs.name("source"), gcs.name("copy")).json()
        assert (answer["done"], answer["objectSize"], answer["totalBytesRewritten"]) == (True, "19", "19")
        copied = ("crc32c", "md5Hash", "size", "metadata", "cacheControl", "contentType")
        assert [answer["resource"][field] for field in copied] == [source[field] for field in copied]
        assert gcs.media(gcs.name("copy")).content == DATA

    def test_a_copy_can_have_metadata_of_its_own(self, gcs: Endpoint) -> None:
        gcs.multipart(gcs.name("source"), DATA, {"metadata": {"k": "v"}})
        stated = {"contentType": "text/x-new", "metadata": {"other": "1"}}
        resource = gcs.rewrite(gcs.name("source"), gcs.name("copy"), stated).json()["resource"]
        assert (resource["contentType"], resource["metadata"]) == ("text/x-new", {"other": "1"})

    def test_the_source_obeys_conditions(self, gcs: Endpoint) -> None:
        live = int(gcs.insert(gcs.name("source"), DATA).json()["generation"])
        for refused, status in (
            ({"ifSourceGenerationMatch": live - 1}, (412,)),
            ({"ifSourceGenerationNotMatch": live}, (304, 412)),
            ({"ifSourceMetagenerationMatch": 2}, (412,)),
            ({"ifSourceMetagenerationNotMatch": 1}, (304, 412)),
            ({"sourceGeneration": live - 1}, (404,)),
        ):
            assert gcs.rewrite(gcs.name("source"), gcs.name("copy"), **refused).status_code in status
            assert gcs.get(gcs.name("copy")).status_code == 404
        assert gcs.rewrite(gcs.name("source"), gcs.name("copy"), ifSourceGenerationMatch=live).status_code == 200

    def test_a_missing_source_is_not_found(self, gcs: Endpoint) -> None:
        assert gcs.rewrite(gcs.name("missing"), gcs.name("copy")).status_code == 404

    def test_copy_to_does_it_in_one_answer(self, gcs: Endpoint) -> None:
        gcs.insert(gcs.name("source"), DATA)
        target = gcs.object_url(gcs.name("copy")).removeprefix(f"{gcs.url}/storage/v1/")
        response = gcs.session.post(f"{gcs.object_url(gcs.name('source'))}/copyTo/{target}", json={})
        assert (response.status_code, response.json()["name"]) == (200, gcs.name("copy"))
