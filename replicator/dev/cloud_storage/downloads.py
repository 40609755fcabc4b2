"""An object's bytes on the way out: ranges, hashes, and the unpacking of gzip on the fly."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

from replicator.dev.cloud_storage.contents import Reader
from replicator.dev.cloud_storage.messages import ApiError, Request, Response, Stream
from replicator.dev.cloud_storage.records import ObjectRecord
from replicator.dev.cloud_storage.resources import object_etag

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_GZIP_MAGIC = b"\x1f\x8b"


def download(request: Request, record: ObjectRecord, reader: Reader) -> Response:
    """The whole object or the range asked for. Raises ApiError (416)."""
    headers = _headers(record)
    if _to_be_unpacked(request, record, reader):
        # A range cannot be honoured here, and the length is not known:
        # https://cloud.google.com/storage/docs/transcoding#decompressive_transcoding
        del headers["Content-Encoding"]
        return Response(200, headers, Stream(_unpacked(reader.blocks(0, record.size)), None))
    asked = _range(request.headers.get("Range"), record.size)
    if asked is None:
        return Response(200, headers, Stream(reader.blocks(0, record.size), record.size))
    start, stop = asked
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{record.size}"
    return Response(206, headers, Stream(reader.blocks(start, stop), stop - start))


def _headers(record: ObjectRecord) -> dict[str, str]:
    attributes = record.attributes
    stated = {
        "Cache-Control": attributes.get("cacheControl"),
        "Content-Disposition": attributes.get("contentDisposition"),
        "Content-Encoding": attributes.get("contentEncoding"),
        "Content-Language": attributes.get("contentLanguage"),
        "Content-Type": attributes.get("contentType", "application/octet-stream"),
        "ETag": object_etag(record),
        "X-Goog-Generation": str(record.generation),
        "X-Goog-Metageneration": str(record.metageneration),
        "X-Goog-Hash": f"crc32c={record.crc32c}" + (f",md5={record.md5}" if record.md5 is not None else ""),
        "X-Goog-Storage-Class": attributes["storageClass"],
        "X-Goog-Stored-Content-Encoding": attributes.get("contentEncoding", "identity"),
        "X-Goog-Stored-Content-Length": str(record.size),
    }
    return {name: value for name, value in stated.items() if value is not None}


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """The half-open range asked for; None for all. What is not one range of bytes is ignored (RFC 9110, 14.2)."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise ApiError(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
    return start, stop


def _to_be_unpacked(request: Request, record: ObjectRecord, reader: Reader) -> bool:
    if record.attributes.get("contentEncoding") != "gzip":
        return False
    if "no-transform" in record.attributes.get("cacheControl", ""):
        return False
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return False
    return b"".join(reader.blocks(0, len(_GZIP_MAGIC))) == _GZIP_MAGIC


def _unpacked(blocks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    for block in blocks:
        yield unpacker.decompress(block)
    yield unpacker.flush()
