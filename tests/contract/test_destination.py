"""What every `Destination` promises: the in-memory one of the unit tests, and the real adapter on a server.

`GCS_CONTRACT_ENDPOINT`, with `GCS_CONTRACT_BUCKET` and `GCS_CONTRACT_TOKEN`, names another server than the embedded,
and `GCS_CONTRACT_KMS_KEY` a key that it may use.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from google.oauth2.credentials import Credentials

from replicator.adapters.gcs import GcsDestination
from replicator.adapters.gcs_connections import Connections
from replicator.adapters.gcs_requests import JsonApi
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.fidelity import attributes_of
from replicator.model import (
    Attributes,
    BucketFacts,
    ContentHeaders,
    DestinationName,
    DestinationObject,
    Placement,
    SourceKey,
)
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY
from tests.fakes import InMemoryDestination, InMemorySource, crc32c
from tests.servers import cloud_storage, gcs_destination

UNIT = 256 * 1024
DATA = b"some bytes"
AS_THE_BUCKET_HAS_IT = Placement()
KMS_KEY = os.environ.get("GCS_CONTRACT_KMS_KEY", "projects/p/locations/eu/keyRings/r/cryptoKeys/k")


class Side:
    """A destination, a bucket in it, and ways to see the bytes and the placement of what is visible in it."""

    def __init__(self, destination, bucket: str, read, placement) -> None:
        self.destination, self.bucket, self.read, self.placement = destination, bucket, read, placement

    def name(self, name: str) -> DestinationName:
        return DestinationName(self.bucket, self.prefix + name)

    prefix = ""


@pytest.fixture(params=["in memory", "Cloud Storage"])
def side(request) -> Iterator[Side]:
    if request.param == "in memory":
        destination = InMemoryDestination({"replica"})
        yield Side(
            destination, "replica", destination.data, lambda name: destination.objects[name].attributes.placement
        )
    elif endpoint := os.environ.get("GCS_CONTRACT_ENDPOINT"):
        yield external(endpoint)
    else:
        with cloud_storage("replica") as server:
            client = Client("test", AnonymousCredentials(), client_options={"api_endpoint": server.url})
            yield Side(gcs_destination(server.url), "replica", reader(client), placement_in(client))


def external(endpoint: str) -> Side:
    token = os.environ.get("GCS_CONTRACT_TOKEN")
    credentials = Credentials(token) if token else AnonymousCredentials()
    client = Client("test", credentials, client_options={"api_endpoint": endpoint})
    destination = GcsDestination(JsonApi(endpoint.rstrip("/"), credentials, Connections(8)))
    bucket = os.environ["GCS_CONTRACT_BUCKET"]
    side = Side(destination, bucket, reader(client), placement_in(client))
    side.prefix = f"{uuid.uuid4()}/"
    return side


def reader(client: Client):
    def read(name: DestinationName) -> bytes | None:
        blob = client.bucket(name.bucket).get_blob(name.name)
        return blob.download_as_bytes(raw_download=True) if blob else None

    return read


def placement_in(client: Client):
    """Cloud Storage names the version of the key, too."""

    def placement(name: DestinationName) -> Placement:
        blob = client.bucket(name.bucket).get_blob(name.name)
        return Placement(
            blob.storage_class, blob.kms_key_name and blob.kms_key_name.partition("/cryptoKeyVersions/")[0]
        )

    return placement


def attributes(size: int = len(DATA), placement: Placement = AS_THE_BUCKET_HAS_IT, **properties):
    source = InMemorySource("source").put(SourceKey("source", "k"), b"x" * size, **properties)
    return attributes_of(source, placement)


def insert(side: Side, name: DestinationName, data: bytes = DATA, if_generation: int = 0, **properties):
    wanted = attributes(len(data), **properties)
    return side.destination.insert(name, memoryview(data), crc32c(data), wanted, if_generation)


def test_an_absent_object_is_none(side):
    assert side.destination.stat(side.name("absent")) is None


def test_an_inserted_object_is_what_stat_says_it_is(side):
    name = side.name("k")
    written = insert(side, name)
    found = side.destination.stat(name)
    assert replace(found, md5=written.md5) == written
    assert (found.size, found.crc32c, found.receipt) == (len(DATA), crc32c(DATA), attributes().receipt)
    assert found.generation > 0
    assert side.read(name) == DATA


def test_an_empty_object_can_be_inserted(side):
    assert insert(side, side.name("empty"), b"").size == 0
    assert side.read(side.name("empty")) == b""


@pytest.mark.parametrize("key", ["a b", "a+b", "a%2Fb", "a/b//c/", "ü/日本", "🚀", "x?y#z&w", "é" * 512])
def test_any_name_that_cloud_storage_holds_comes_back(side, key):
    name = side.name(key)
    insert(side, name)
    assert side.destination.stat(name).name == name
    assert side.read(name) == DATA


def test_headers_metadata_and_last_modified_are_kept(side):
    name = side.name("k")
    headers = ContentHeaders("text/css", None, 'attachment; filename="ü"', "de", "no-cache")
    insert(side, name, headers=headers, metadata={"colour": "blue", "empty": ""})
    found = side.destination.stat(name)
    assert found.custom_time == attributes().custom_time
    assert {key: value for key, value in found.metadata.items() if key != METADATA_KEY} == {
        "colour": "blue",
        "empty": "",
    }


def test_metadata_may_be_any_text(side):
    name = side.name("k")
    metadata = {"ascii": "x", "umlaut": "ÄMÄZÕÑ S3", "emoji": "🚀", "c1": "a\x85b", "s3-tags": "a=%C3%BC"}
    insert(side, name, metadata=metadata, tags={"a": "ü"})
    found = side.destination.stat(name).metadata
    assert {key: value for key, value in found.items() if key != METADATA_KEY} == metadata


def test_as_much_metadata_as_cloud_storage_holds_is_held(side):
    name = side.name("k")
    metadata = {f"{number:03}": "é" * 500 for number in range(10)}
    wanted = attributes(metadata=metadata)
    assert 0 < len(wanted.metadata) < len(metadata)
    written = side.destination.insert(name, memoryview(DATA), crc32c(DATA), wanted, 0)
    assert set(written.metadata) == {*wanted.metadata, METADATA_KEY}


@pytest.mark.parametrize("storage_class", ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"])
def test_an_object_has_the_storage_class_it_was_written_with(side, storage_class):
    placement = Placement(storage_class)
    insert(side, side.name("inserted"), placement=placement)
    assert side.placement(side.name("inserted")) == placement
    data = os.urandom(UNIT + 1)
    session, offset, rest = upload(side, side.name("uploaded"), data, placement=placement)
    session.finish(offset, rest, crc32c(data))
    assert side.placement(side.name("uploaded")) == placement


@pytest.mark.skipif(
    "GCS_CONTRACT_ENDPOINT" in os.environ and "GCS_CONTRACT_KMS_KEY" not in os.environ, reason="it needs a key"
)
def test_an_object_is_encrypted_with_the_key_it_was_written_with(side):
    placement = Placement("STANDARD", KMS_KEY)
    insert(side, side.name("inserted"), placement=placement)
    assert side.placement(side.name("inserted")) == placement
    data = os.urandom(UNIT + 1)
    session, offset, rest = upload(side, side.name("uploaded"), data, placement=placement)
    session.finish(offset, rest, crc32c(data))
    assert side.placement(side.name("uploaded")) == placement


def test_a_metadata_update_leaves_the_placement_as_it_is(side):
    name = side.name("k")
    written = insert(side, name, placement=Placement("NEARLINE"))
    side.destination.update_metadata(written, attributes(metadata={"v": "2"}, placement=Placement("COLDLINE")))
    assert side.placement(name) == Placement("NEARLINE")
    assert side.destination.stat(name).metadata["v"] == "2"


def test_a_new_generation_may_be_placed_elsewhere(side):
    name = side.name("k")
    first = insert(side, name, placement=Placement("NEARLINE"))
    insert(side, name, b"two", first.generation, placement=Placement("COLDLINE"))
    assert side.placement(name) == Placement("COLDLINE")


def test_an_insert_over_an_object_that_must_not_be_there_moves_nothing(side):
    name = side.name("k")
    insert(side, name)
    with pytest.raises(DestinationMoved):
        insert(side, name, b"other")
    assert side.read(name) == DATA


def test_an_insert_over_another_generation_moves_nothing(side):
    name = side.name("k")
    first = insert(side, name)
    second = insert(side, name, b"two", first.generation)
    with pytest.raises(DestinationMoved):
        insert(side, name, b"three", first.generation)
    assert side.read(name) == b"two"
    assert second.generation > first.generation


def test_an_insert_with_another_checksum_becomes_no_object(side):
    name = side.name("k")
    with pytest.raises(Transient) as corrupt:
        side.destination.insert(name, memoryview(DATA), crc32c(b"other"), attributes(), 0)
    assert corrupt.value.reason is Reason.CHECKSUM_MISMATCH
    assert side.destination.stat(name) is None


def test_an_insert_into_a_missing_bucket_is_refused(side):
    with pytest.raises(Permanent) as refused:
        insert(side, DestinationName(f"no-such-bucket-{uuid.uuid4()}", "k"))
    assert refused.value.reason is Reason.DESTINATION_BUCKET_NOT_FOUND


def upload(side, name, data, if_generation=0, **properties):
    """A session that has all but the last bytes; returns the rest to finish it with."""
    session = side.destination.begin(name, len(data), attributes(len(data), **properties), if_generation)
    end = (len(data) - 1) // UNIT * UNIT
    assert session.append(0, end, iter([memoryview(data)[: end - 1], memoryview(data)[end - 1 : end]])) == end
    return session, end, data[end:]


def test_an_upload_is_visible_only_when_it_is_finished(side):
    name, data = side.name("k"), os.urandom(3 * UNIT + 5)
    session, offset, rest = upload(side, name, data)
    assert side.destination.stat(name) is None
    written = session.finish(offset, rest, crc32c(data))
    assert (written.size, written.receipt) == (len(data), attributes(len(data)).receipt)
    assert side.read(name) == data


def test_finishing_twice_is_finishing_once(side):
    name, data = side.name("k"), os.urandom(UNIT + 1)
    session, offset, rest = upload(side, name, data)
    first = session.finish(offset, rest, crc32c(data))
    again = session.finish(offset, rest, crc32c(data))
    assert again.generation == first.generation


def test_an_upload_with_another_checksum_becomes_no_object(side):
    name, data = side.name("k"), os.urandom(UNIT + 1)
    session, offset, rest = upload(side, name, data)
    with pytest.raises(Transient) as corrupt:
        session.finish(offset, rest, crc32c(b"other"))
    assert corrupt.value.reason is Reason.CHECKSUM_MISMATCH
    assert side.destination.stat(name) is None


def test_an_upload_overtaken_by_another_writer_moves_nothing(side):
    name, data = side.name("k"), os.urandom(UNIT + 1)
    session, offset, rest = upload(side, name, data)
    insert(side, name, b"overtook")
    with pytest.raises(DestinationMoved):
        session.finish(offset, rest, crc32c(data))
    assert side.read(name) == b"overtook"


def test_a_cancelled_upload_is_gone(side):
    name, data = side.name("k"), os.urandom(UNIT + 1)
    session, _, _ = upload(side, name, data)
    session.cancel()
    assert side.destination.stat(name) is None


def test_what_goes_wrong_while_sending_passes_through(side):
    def chunks():
        yield memoryview(b"x" * 1000)
        raise Transient(Reason.SOURCE_TRUNCATED)

    session = side.destination.begin(side.name("k"), UNIT + 1, attributes(UNIT + 1), 0)
    with pytest.raises(Transient) as failed:
        session.append(0, UNIT, chunks())
    assert failed.value.reason is Reason.SOURCE_TRUNCATED
    assert side.destination.stat(side.name("k")) is None


def test_a_metadata_update_replaces_all_metadata_and_keeps_the_generation(side):
    name = side.name("k")
    written = insert(side, name, headers=ContentHeaders("text/plain", cache_control="no-cache"), metadata={"old": "1"})
    later = written.custom_time + timedelta(seconds=1)
    changed = attributes(headers=ContentHeaders("text/html"), metadata={"new": "2"}, last_modified=later)
    updated = side.destination.update_metadata(written, changed)
    found = side.destination.stat(name)
    assert found == replace(updated, md5=found.md5)
    assert (found.generation, found.receipt, found.custom_time) == (written.generation, changed.receipt, later)
    assert found.metageneration > written.metageneration
    assert set(found.metadata) == {"new", METADATA_KEY}
    assert side.read(name) == DATA


def test_a_metadata_update_of_something_that_changed_moves_nothing(side):
    name = side.name("k")
    written = insert(side, name)
    side.destination.update_metadata(written, attributes(metadata={"winner": "1"}))
    with pytest.raises(DestinationMoved):
        side.destination.update_metadata(written, attributes(metadata={"loser": "1"}))
    assert "winner" in side.destination.stat(name).metadata


def test_a_metadata_update_of_something_gone_moves_nothing(side):
    written = insert(side, side.name("k"))
    side.destination.delete(written)
    with pytest.raises(DestinationMoved):
        side.destination.update_metadata(written, attributes())


def test_custom_time_does_not_go_back(side):
    written = insert(side, side.name("k"))
    earlier = attributes(last_modified=written.custom_time - timedelta(seconds=1))
    with pytest.raises(Permanent) as refused:
        side.destination.update_metadata(written, earlier)
    assert refused.value.reason is Reason.DESTINATION_REFUSED


def test_a_delete_takes_exactly_what_was_seen(side):
    name = side.name("k")
    first = insert(side, name)
    second = insert(side, name, b"two", first.generation)
    with pytest.raises(DestinationMoved):
        side.destination.delete(first)
    assert side.read(name) == b"two"
    side.destination.delete(second)
    assert side.destination.stat(name) is None


def test_a_delete_of_something_gone_says_so(side):
    written = insert(side, side.name("k"))
    side.destination.delete(written)
    with pytest.raises(DestinationMoved):
        side.destination.delete(written)


def test_a_bucket_that_can_be_used_passes_its_check(side):
    side.destination.check(side.bucket)


def test_a_missing_bucket_fails_its_check(side):
    with pytest.raises(Permanent) as missing:
        side.destination.check(f"no-such-bucket-{uuid.uuid4()}")
    assert missing.value.reason is Reason.DESTINATION_BUCKET_NOT_FOUND


TEMPORARY = Attributes(ContentHeaders(), {})


def insert_parts(side, count: int) -> tuple[list[DestinationObject], bytes]:
    """Temporary objects, and their bytes one after the other."""
    pieces = [f"[{number}]".encode() for number in range(count)]
    parts = [
        side.destination.insert(side.name(f"parts/{number:02}"), memoryview(piece), crc32c(piece), TEMPORARY, 0)
        for number, piece in enumerate(pieces)
    ]
    return parts, b"".join(pieces)


@pytest.mark.parametrize("count", [1, 2, 32])
def test_parts_are_composed_in_their_order_into_a_replica(side, count):
    parts, data = insert_parts(side, count)
    wanted = attributes(len(data), headers=ContentHeaders("text/css"), metadata={"colour": "blue"})
    written = side.destination.compose(side.name("k"), parts, wanted, 0)
    found = side.destination.stat(side.name("k"))
    assert replace(found, md5=written.md5) == written
    assert (found.size, found.crc32c, found.receipt) == (len(data), crc32c(data), wanted.receipt)
    assert (found.custom_time, found.metadata["colour"]) == (wanted.custom_time, "blue")
    assert side.read(side.name("k")) == data
    assert [side.destination.stat(part.name).generation for part in parts] == [part.generation for part in parts]


def test_parts_are_deleted_as_they_are_composed_where_that_is_asked_for(side):
    parts, data = insert_parts(side, 3)
    side.destination.compose(side.name("k"), parts, attributes(len(data)), 0, delete_components=True)
    assert side.read(side.name("k")) == data
    assert [side.destination.stat(part.name) for part in parts] == [None] * 3


def test_a_compose_that_moves_nothing_deletes_nothing(side):
    parts, _ = insert_parts(side, 3)
    insert(side, side.name("k"))
    with pytest.raises(DestinationMoved):
        side.destination.compose(side.name("k"), parts, attributes(), 0, delete_components=True)
    assert all(side.destination.stat(part.name) for part in parts)


def test_what_was_composed_can_be_composed_again(side):
    parts, data = insert_parts(side, 2)
    node = side.destination.compose(side.name("node"), parts, TEMPORARY, 0)
    side.destination.compose(side.name("k"), [node, *parts], attributes(), 0)
    assert side.read(side.name("k")) == data * 2


def test_a_compose_over_another_generation_moves_nothing(side):
    parts, _ = insert_parts(side, 2)
    for if_generation in (0, 1):
        insert_once = side.destination.stat(side.name("k")) or insert(side, side.name("k"))
        with pytest.raises(DestinationMoved):
            side.destination.compose(side.name("k"), parts, attributes(), if_generation)
        assert side.destination.stat(side.name("k")).generation == insert_once.generation
    assert side.read(side.name("k")) == DATA


def test_a_compose_over_the_generation_that_was_seen_replaces_it(side):
    parts, data = insert_parts(side, 2)
    seen = insert(side, side.name("k"))
    written = side.destination.compose(side.name("k"), parts, attributes(), seen.generation)
    assert written.generation > seen.generation
    assert side.read(side.name("k")) == data


def test_a_compose_of_a_part_that_is_gone_moves_nothing(side):
    parts, _ = insert_parts(side, 2)
    side.destination.discard(parts[1])
    with pytest.raises(DestinationMoved):
        side.destination.compose(side.name("k"), parts, attributes(), 0)
    assert side.destination.stat(side.name("k")) is None


def test_a_compose_of_a_part_that_was_replaced_moves_nothing(side):
    parts, _ = insert_parts(side, 2)
    other = memoryview(b"other")
    side.destination.insert(parts[1].name, other, crc32c(other), TEMPORARY, parts[1].generation)
    with pytest.raises(DestinationMoved):
        side.destination.compose(side.name("k"), parts, attributes(), 0)
    assert side.destination.stat(side.name("k")) is None


def test_a_composed_object_has_the_storage_class_of_its_parts(side):
    placement = Placement("STANDARD")
    data = memoryview(DATA)
    part = side.destination.insert(side.name("part"), data, crc32c(data), replace(TEMPORARY, placement=placement), 0)
    side.destination.compose(side.name("k"), [part], attributes(placement=placement), 0)
    assert side.placement(side.name("k")) == placement


@pytest.mark.skipif(
    "GCS_CONTRACT_ENDPOINT" in os.environ and "GCS_CONTRACT_KMS_KEY" not in os.environ, reason="it needs a key"
)
def test_a_composed_object_is_encrypted_with_the_key_it_was_composed_with(side):
    placement = Placement("STANDARD", KMS_KEY)
    data = memoryview(DATA)
    part = side.destination.insert(side.name("part"), data, crc32c(data), replace(TEMPORARY, placement=placement), 0)
    side.destination.compose(side.name("k"), [part], attributes(placement=placement), 0)
    assert side.placement(side.name("k")) == placement


def test_a_listing_has_what_begins_with_the_prefix_as_stat_has_it(side):
    names = [side.name(name) for name in ("p/a b", "p/a/b", "p/é", "p/😀", "q", "p")]
    for name in names:
        insert(side, name)
    found = list(side.destination.list_objects(side.bucket, side.name("p/").name))
    assert found == [side.destination.stat(name) for name in sorted(names[:4], key=lambda name: name.name.encode())]


def test_a_listing_of_nothing_is_empty(side):
    assert list(side.destination.list_objects(side.bucket, side.name("nothing/").name)) == []


def test_a_discarded_object_is_gone_and_may_be_discarded_again(side):
    (part,), _ = insert_parts(side, 1)
    side.destination.discard(part)
    assert side.destination.stat(part.name) is None
    side.destination.discard(part)


def test_a_discard_leaves_another_generation_alone(side):
    (part,), _ = insert_parts(side, 1)
    other = memoryview(b"other")
    kept = side.destination.insert(part.name, other, crc32c(other), TEMPORARY, part.generation)
    side.destination.discard(part)
    assert side.destination.stat(part.name).generation == kept.generation


@pytest.mark.skipif("GCS_CONTRACT_ENDPOINT" in os.environ, reason="its bucket may be of any kind")
def test_a_bucket_tells_its_facts(side):
    assert side.destination.facts(side.bucket) == BucketFacts("STANDARD")
