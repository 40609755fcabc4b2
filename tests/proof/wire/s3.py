"""An S3 that knows in which parts an object was uploaded, which no emulator does: in memory, to be read only."""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate

from werkzeug.wrappers import Request, Response

from tests.servers import listening

ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>'
BEGINNING = 1_760_000_000
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def error(code: str, message: str = "") -> bytes:
    return ERROR.format(code, message).encode()


def crc32(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was uploaded: in one request, or in `parts`, with or without checksums of the parts' own."""

    parts: Sequence[bytes]
    etag: str
    modified: str
    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    listed: bool = False

    @property
    def data(self) -> bytes:
        return b"".join(self.parts)


@dataclass
class S3:
    """One bucket or more; `objects` are named as in the URL: bucket, slash, key."""

    objects: dict[str, Stored] = field(default_factory=dict)
    url: str = ""
    _puts: int = 0

    def put(self, name: str, data: bytes, *, tags: dict[str, str] | None = None, **headers: str) -> None:
        """In one request. Each object is a second newer than the one before."""
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self._keep(name, [data], etag, headers, tags=tags or {})

    def upload(self, name: str, parts: Sequence[bytes], *, checksums: bool, **headers: str) -> None:
        """In parts, with a CRC32 of each, or with nothing but MD5s."""
        digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        if checksums:
            composite = base64.b64encode(crc32(b"".join(map(crc32, parts)))).decode()
            headers |= {"x_amz_checksum_crc32": f"{composite}-{len(parts)}", "x_amz_checksum_type": "COMPOSITE"}
        self._keep(name, parts, etag, headers, listed=checksums)

    def _keep(self, name: str, parts: Sequence[bytes], etag: str, headers: dict[str, str], **more: object) -> None:
        self._puts += 1
        named = {header.replace("_", "-"): value for header, value in headers.items()}
        modified = formatdate(BEGINNING + self._puts, usegmt=True)
        self.objects[name] = Stored(parts, etag, modified, named, **more)  # type: ignore[arg-type]

    def answer(self, request: Request) -> Response:
        status, headers, body = self._answer(request)
        return Response(body, status, headers)

    def _answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        found = self.objects.get(request.path.removeprefix("/"))
        if found is None:
            return 404, {}, error("NoSuchKey")
        if request.headers.get("If-Match", f'"{found.etag}"').strip('"') != found.etag:
            return 412, {}, error("PreconditionFailed")
        if "tagging" in request.args:
            return 200, {}, _tagging(found)
        if "attributes" in request.args:
            return 200, {"Last-Modified": found.modified}, _attributes(found)
        about = {
            "ETag": f'"{found.etag}"',
            "Last-Modified": found.modified,
            "Content-Type": "application/x-of-the-matrix",
            **({"x-amz-tagging-count": str(len(found.tags))} if found.tags else {}),
            **found.headers,
        }
        if number := request.args.get("partNumber"):
            part = found.parts[int(number) - 1]
            return 206, {**about, "x-amz-mp-parts-count": str(len(found.parts)), "Content-Range": "bytes 0-0/*"}, part
        if wanted := RANGE.fullmatch(request.headers.get("Range", "")):
            start, end = int(wanted[1]), int(wanted[2] or len(found.data) - 1)
            about["Content-Range"] = f"bytes {start}-{end}/{len(found.data)}"
            return 206, about, found.data[start : end + 1]
        return 200, about, found.data


def _tagging(found: Stored) -> bytes:
    tags = "".join(f"<Tag><Key>{name}</Key><Value>{value}</Value></Tag>" for name, value in found.tags.items())
    return f"<Tagging><TagSet>{tags}</TagSet></Tagging>".encode()


def _attributes(found: Stored) -> bytes:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>{len(part)}</Size>"
        f"<ChecksumCRC32>{base64.b64encode(crc32(part)).decode()}</ChecksumCRC32></Part>"
        for number, part in enumerate(found.parts, 1)
    )
    listed = (
        f"<IsTruncated>false</IsTruncated><PartsCount>{len(found.parts)}</PartsCount>{parts if found.listed else ''}"
    )
    return (
        f"<GetObjectAttributesResponse><ETag>{found.etag}</ETag><ObjectParts>{listed}</ObjectParts>"
        "</GetObjectAttributesResponse>"
    ).encode()


@contextmanager
def running_s3() -> Iterator[S3]:
    s3 = S3()
    with listening(s3.answer) as s3.url:
        yield s3
