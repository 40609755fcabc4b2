"""What every `Destination` promises: the in-memory one of the unit tests, and the real adapter on a server.

`GCS_CONTRACT_ENDPOINT`, with `GCS_CONTRACT_BUCKET` and `GCS_CONTRACT_TOKEN`, names another server than the embedded.
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
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.model import ContentHeaders, DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY, attributes_of
from tests.fakes import InMemoryDestination, InMemorySource, crc32c
from tests.servers import cloud_storage, gcs_destination

UNIT = 256 * 1024
DATA = b"some bytes"


class Side:
    """A destination, a bucket in it, and a way to read what is visible in it."""

    def __init__(self, destination, bucket: str, read) -> None:
        self.destination, self.bucket, self.read = destination, bucket, read

    def name(self, name: str) -> DestinationName:
        return DestinationName(self.bucket, self.prefix + name)

    prefix = ""


@pytest.fixture(params=["in memory", "Cloud Storage"])
def side(request) -> Iterator[Side]:
    if request.param == "in memory":
        destination = InMemoryDestination({"replica"})
        yield Side(destination, "replica", destination.data)
    elif endpoint := os.environ.get("GCS_CONTRACT_ENDPOINT"):
        yield external(endpoint)
    else:
        with cloud_storage("replica") as server:
            client = Client("test", AnonymousCredentials(), client_options={"api_endpoint": server.url})
            yield Side(gcs_destination(server.url), "replica", reader(client))


def external(endpoint: str) -> Side:
    token = os.environ.get("GCS_CONTRACT_TOKEN")
    credentials = Credentials(token) if token else AnonymousCredentials()
    client = Client("test", credentials, client_options={"api_endpoint": endpoint})
    side = Side(GcsDestination(client, pool_size=8), os.environ["GCS_CONTRACT_BUCKET"], reader(client))
    side.prefix = f"{uuid.uuid4()}/"
    return side


def reader(client: Client):
    def read(name: DestinationName) -> bytes | None:
        blob = client.bucket(name.bucket).get_blob(name.name)
        return blob.download_as_bytes(raw_download=True) if blob else None

    return read


def attributes(size: int = len(DATA), **properties):
    source = InMemorySource("source").put(SourceKey("source", "k"), b"x" * size, **properties)
    return attributes_of(source)


def insert(side: Side, name: DestinationName, data: bytes = DATA, if_generation: int = 0, **properties):
    checksum = crc32c(data)
    return side.destination.insert(name, memoryview(data), checksum, attributes(len(data), **properties), if_generation)


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


def upload(side, name, data, if_generation=0):
    """A session that has all but the last bytes; returns the rest to finish it with."""
    session = side.destination.begin(name, len(data), attributes(len(data)), if_generation)
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
