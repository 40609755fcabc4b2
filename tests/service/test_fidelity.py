"""What a source object has beside its bytes, and what becomes of it, through the real doors."""

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import parse_qsl

import pytest
import requests

from replicator.fidelity import EXPIRES_KEY, TAGS_KEY, WEBSITE_REDIRECT_KEY
from replicator.model import Placement
from replicator.receipt import METADATA_KEY
from replicator.rules import Filter, Rule, RuleSet
from tests.proof.wire.proxy import Proxy
from tests.service.canned_s3 import canned_s3
from tests.service.conftest import REPLICA, SOURCE, Service, serving
from tests.service.envelopes import eventbridge, push

LARGE = 8 * 1024**2 + 1
RED = Filter(tags={"team": "red"})
EMPTY = {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"', "Last-Modified": "Sat, 21 Nov 2026 00:00:00 GMT"}
KMS_KEY = "projects/p/locations/eu/keyRings/r/cryptoKeys/k"

both_paths = pytest.mark.parametrize("size", [5, LARGE], ids=["whole", "stream"])


def metadata(service: Service, key: str = "k") -> dict[str, str]:
    """The replica's custom metadata but for the receipt."""
    return {name: value for name, value in service.resource(key)["metadata"].items() if name != METADATA_KEY}


def tag(service: Service, **tags: str) -> None:
    """Replaces the source object's tags, which neither its ETag nor its time shows."""
    tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
    service.s3.put_object_tagging(Bucket=SOURCE, Key="k", Tagging={"TagSet": tag_set})


def tags_changed() -> dict[str, object]:
    event = eventbridge("k")
    event["detail-type"] = "Object Tags Added"
    return push(event)


@contextmanager
def sending(service: Service, **headers: str) -> Iterator[None]:
    """Puts objects with headers that the SDK would not send, and other clients do."""

    def add(params: dict[str, dict[str, str]], **_: object) -> None:
        params["headers"].update({name.replace("_", "-"): value for name, value in headers.items()})

    service.s3.meta.events.register("before-call.s3.PutObject", add)
    yield
    service.s3.meta.events.unregister("before-call.s3.PutObject", add)


# --- What has a property of its own -----------------------------------------------------------------------------------


@both_paths
def test_every_content_header_arrives(service, size):
    headers = {
        "ContentType": "text/css; charset=utf-8",
        "ContentDisposition": 'attachment; filename="a.css"',
        "ContentLanguage": "de, en",
        "CacheControl": "no-cache, max-age=0",
    }
    service.put("k", os.urandom(size), **headers)
    assert service.replicate("k").status_code == 201
    resource = service.resource("k")
    assert {name: resource[name[0].lower() + name[1:]] for name in headers} == headers


def test_a_header_that_the_object_does_not_have_is_none_of_the_replica_s(service):
    service.put("k", b"hello")
    service.replicate("k")
    assert {"contentEncoding", "contentDisposition", "contentLanguage", "cacheControl"}.isdisjoint(
        service.resource("k")
    )


def test_a_header_that_is_not_ascii_arrives_as_it_was_meant(service):
    with sending(service, Content_Disposition='attachment; filename="ü.txt"'):
        service.put("k", b"hello")
    service.replicate("k")
    assert service.resource("k")["contentDisposition"] == 'attachment; filename="ü.txt"'


@pytest.mark.parametrize("size", [1000, LARGE], ids=["whole", "stream"])
def test_a_gzip_encoded_object_arrives_byte_for_byte(service, size):
    packed = gzip.compress(os.urandom(size))
    assert (len(packed) > 8 * 1024**2) == (size == LARGE)
    service.put("k", packed, ContentEncoding="gzip", ContentType="text/plain")
    assert service.replicate("k").status_code == 201
    assert service.visible("k") == packed
    resource = service.resource("k")
    assert (resource["contentEncoding"], resource["size"]) == ("gzip", str(len(packed)))


def test_the_coding_of_an_upload_is_not_taken_for_one_of_the_object(s3_url):
    """moto takes it out of what it stores, as S3 does now."""
    stored = EMPTY | {"Content-Encoding": "gzip,aws-chunked"}
    with canned_s3(200, stored) as source_url, serving(s3_url, source_url=source_url) as service:
        assert service.replicate("k").status_code == 201
        assert service.resource("k")["contentEncoding"] == "gzip"


@both_paths
def test_last_modified_becomes_the_custom_time(service, size):
    service.put("k", os.urandom(size))
    service.replicate("k")
    modified = service.s3.head_object(Bucket=SOURCE, Key="k")["LastModified"]
    assert datetime.fromisoformat(service.resource("k")["customTime"]) == modified


# --- What goes into custom metadata -----------------------------------------------------------------------------------


@both_paths
def test_user_metadata_arrives_non_ascii_too(service, size):
    """moto returns what it was given, so these values are as S3 itself would return them."""
    encoded = {"colour": "blue", "empty": "", "city": "=?UTF-8?B?TcO8bmNoZW4=?=", "plan": "=?UTF-8?Q?gr=C3=BCn?="}
    service.put("k", os.urandom(size), Metadata=encoded)
    assert "not_held" not in service.replicate("k").json()
    assert metadata(service) == {"colour": "blue", "empty": "", "city": "München", "plan": "grün"}


@both_paths
def test_tags_arrive_and_can_be_put_back(service, size):
    service.put("k", os.urandom(size), Tagging="team=red+%2B%20blue&gr%C3%BCn=&a%2Bb=x%3Dy%2Fz%3A%40")
    assert "not_held" not in service.replicate("k").json()
    arrived = metadata(service)[TAGS_KEY]
    assert dict(parse_qsl(arrived, keep_blank_values=True)) == {"team": "red + blue", "grün": "", "a+b": "x=y/z:@"}
    service.put("restored", b"hello", Tagging=arrived)
    first, second = (service.s3.get_object_tagging(Bucket=SOURCE, Key=key)["TagSet"] for key in ("k", "restored"))
    assert sorted(first, key=str) == sorted(second, key=str)


def test_the_website_redirect_arrives(service):
    service.put("k", b"hello", WebsiteRedirectLocation="/other page")
    service.replicate("k")
    assert metadata(service) == {WEBSITE_REDIRECT_KEY: "/other page"}


@pytest.mark.parametrize("expires", ["Thu, 01 Dec 2050 16:00:00 GMT", "never", "0"])
def test_the_expiry_arrives_as_it_was_written(service, expires):
    with sending(service, Expires=expires):
        service.put("k", b"hello")
    service.replicate("k")
    assert metadata(service) == {EXPIRES_KEY: expires}


# --- Changes that touch no byte ---------------------------------------------------------------------------------------


def test_a_change_of_tags_alone_moves_no_bytes(service):
    service.put("k", b"hello", Metadata={"v": "1"})
    service.replicate("k")
    generation = service.resource("k")["generation"]
    tag(service, team="red")
    assert service.push(tags_changed()).status_code == 204
    assert metadata(service) == {"v": "1", TAGS_KEY: "team=red"}
    tag(service, team="blue")
    answer = service.replicate("k")
    assert (answer.status_code, answer.json()["result"], answer.json()["bytes"]) == (201, "metadata_updated", 0)
    assert metadata(service) == {"v": "1", TAGS_KEY: "team=blue"}
    service.s3.delete_object_tagging(Bucket=SOURCE, Key="k")
    assert service.push(tags_changed()).status_code == 204
    assert metadata(service) == {"v": "1"}
    assert service.resource("k")["generation"] == generation
    assert service.replicate("k").json()["reason"] == "in_sync"


def test_an_object_without_tags_is_not_asked_for_them(faulty_source):
    service, proxy = faulty_source
    service.put("k", b"hello")
    service.replicate("k")
    assert not [path for path in proxy.requested if "tagging" in path]
    tag(service, team="red")
    service.replicate("k")
    assert [path for path in proxy.requested if "tagging" in path]


def test_the_tags_are_those_of_the_version_that_was_copied(service):
    service.s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    service.put("k", b"one", Tagging="v=1")
    service.replicate("k")
    service.put("k", b"two", Tagging="v=2")
    service.replicate("k")
    assert metadata(service) == {TAGS_KEY: "v=2"}
    for version in service.s3.list_object_versions(Bucket=SOURCE)["Versions"]:
        service.s3.delete_object(Bucket=SOURCE, Key="k", VersionId=version["VersionId"])


# --- Placement by rule ------------------------------------------------------------------------------------------------


@both_paths
def test_the_rule_chooses_storage_class_and_key(s3_url, size):
    with serving(s3_url, placement=Placement("NEARLINE", KMS_KEY)) as service:
        service.put("k", os.urandom(size), StorageClass="STANDARD_IA")
        assert service.replicate("k").status_code == 201
        resource = service.resource("k")
        assert (resource["storageClass"], resource["kmsKeyName"]) == ("NEARLINE", KMS_KEY)


def test_without_a_word_in_the_rule_the_bucket_s_own_default_holds(service):
    service.put("k", b"hello", StorageClass="STANDARD_IA")
    service.replicate("k")
    resource = service.resource("k")
    assert resource["storageClass"] == "STANDARD"
    assert "kmsKeyName" not in resource


def test_different_rules_place_their_objects_differently(s3_url):
    def rule(name: str, storage_class: str) -> Rule:
        where = {"filter": Filter(prefix=f"{name}/"), "placement": Placement(storage_class)}
        return Rule(name, frozenset({SOURCE}), REPLICA, **where)

    with serving(s3_url, rules=RuleSet((rule("logs", "COLDLINE"), rule("web", "STANDARD")))) as service:
        for key in ("logs/a", "web/a"):
            service.put(key, b"hello")
            service.replicate(key)
        assert service.resource("logs/a")["storageClass"] == "COLDLINE"
        assert service.resource("web/a")["storageClass"] == "STANDARD"


def test_a_storage_class_that_does_not_exist_is_refused_and_nothing_is_written(s3_url):
    with serving(s3_url, placement=Placement("GLACIER")) as service:
        service.put("k", b"hello")
        answer = service.replicate("k")
        assert (answer.status_code, answer.json()["reason"]) == (422, "destination_refused")
        assert service.resource("k") is None


def test_tags_decide_which_rule_applies_and_a_change_of_tags_is_seen(s3_url):
    rule = Rule("red", frozenset({SOURCE}), REPLICA, filter=RED)
    with serving(s3_url, rules=RuleSet((rule,))) as service:
        service.put("k", b"hello", Tagging="team=blue")
        ignored = service.replicate("k").json()
        assert (ignored["result"], ignored["reason"]) == ("ignored", "filtered_by_tags")
        tag(service, team="red")
        assert service.push(tags_changed()).status_code == 204
        assert metadata(service) == {TAGS_KEY: "team=red"}


def test_where_rules_filter_by_tags_each_object_is_asked_for_them(s3_url):
    """That S3 counts none proves nothing: it also counts none for who may not read them."""
    rules = (Rule("all", frozenset({SOURCE}), REPLICA), Rule("red", frozenset({SOURCE}), REPLICA, filter=RED))
    with Proxy(s3_url) as proxy, serving(s3_url, source_url=proxy.url, rules=RuleSet(rules)) as service:
        service.put("k", b"hello")
        assert service.replicate("k").status_code == 201
        assert [line for line in proxy.requested if "tagging" in line]


# --- What cannot be held is said --------------------------------------------------------------------------------------


def too_many_tags(service: Service) -> None:
    tag(service, **{f"{number}".ljust(128, "名"): "値" * 256 for number in range(10)})


def posing_as_ours(service: Service) -> None:
    service.put("k", b"hello", Metadata={METADATA_KEY: "{}", "colour": "blue"})


@pytest.mark.parametrize(("make", "name"), [(too_many_tags, "tags"), (posing_as_ours, "user-metadata")])
def test_what_a_replica_cannot_hold_is_reported_and_the_rest_arrives(
    service, make: Callable[[Service], None], name: str
):
    service.put("k", b"hello", Metadata={"colour": "blue"})
    make(service)
    created = service.replicate("k")
    assert (created.status_code, created.json()["not_held"]) == (201, [name])
    assert service.replicate("k").json()["not_held"] == [name]
    assert metadata(service) == {"colour": "blue"}
    assert service.visible("k") == b"hello"


@pytest.mark.parametrize(
    ("headers", "not_held"),
    [
        ({"x-amz-object-lock-mode": "COMPLIANCE"}, ["object-lock"]),
        ({"x-amz-object-lock-legal-hold": "ON"}, ["object-lock"]),
        ({"x-amz-missing-meta": "1"}, ["user-metadata"]),
        ({"x-amz-missing-meta": "1", "x-amz-object-lock-mode": "GOVERNANCE"}, ["object-lock", "user-metadata"]),
    ],
)
def test_what_is_not_carried_from_s3_is_reported(s3_url, headers, not_held):
    with canned_s3(200, EMPTY | headers) as source_url, serving(s3_url, source_url=source_url) as service:
        assert service.replicate("k").json()["not_held"] == not_held
        assert {"retention", "temporaryHold", "eventBasedHold"}.isdisjoint(service.resource("k"))


def test_an_object_encrypted_with_the_customer_s_own_key_is_refused(s3_url):
    """S3 answers 400 to who does not bring the key, to a HEAD without a word."""
    with canned_s3(400, code="InvalidRequest") as source_url, serving(s3_url, source_url=source_url) as service:
        answer = service.replicate("k")
        assert (answer.status_code, answer.json()["reason"]) == (422, "source_refused")
        assert service.writes() == 0


def test_a_replica_is_served_with_what_arrived(service):
    """As a reader sees it, not only as the resource tells it."""
    service.put("k", b"hello", ContentType="text/css", CacheControl="no-cache", ContentLanguage="de")
    service.replicate("k")
    url = f"{service.storage.url}/storage/v1/b/{REPLICA}/o/k"
    headers = requests.get(url, params={"alt": "media"}, timeout=60).headers
    assert (headers["Content-Type"], headers["Cache-Control"], headers["Content-Language"]) == (
        "text/css",
        "no-cache",
        "de",
    )
