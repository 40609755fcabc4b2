"""The source objects, as S3's users have them: large ones are uploaded in parts, and each has a CRC64NVME over all."""

import random
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awscrt.checksums import combine_crc32c, crc32c

from replicator.dev.clients import s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCE_BUCKET = "source-bucket"
PART = 8 * 1024**2
"""The part size of the AWS CLI and boto3."""

SEED = 20_240_229
UPLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Content:
    """What a replica is compared with; `crc32c` is in base64, as Cloud Storage says it."""

    size: int
    crc32c: str


class Source:
    """Puts objects into S3. Each key's bytes are the same in every run, and no two parts are alike."""

    def __init__(self, url: str) -> None:
        self._client: S3Client = s3_client(url)
        self._noise = random.Random(SEED).randbytes(PART)
        self._client.create_bucket(Bucket=SOURCE_BUCKET)

    def put(self, objects: Mapping[str, int]) -> dict[str, Content]:
        """Uploads `objects`, sizes by key."""
        with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            return dict(zip(objects, pool.map(self._put, objects, objects.values()), strict=True))

    def stored(self, key: str) -> str:
        """Which checksum S3 has stored, in S3's words."""
        head = self._client.head_object(Bucket=SOURCE_BUCKET, Key=key, ChecksumMode="ENABLED")
        found = [name.removeprefix("Checksum") for name in head if name.startswith("Checksum")]
        algorithm = next((name for name in found if name != "Type"), "no checksum")
        return f"{algorithm}, {head.get('ChecksumType', 'of an object uploaded whole')}"

    def _put(self, key: str, size: int) -> Content:
        if size > PART:
            return self._put_in_parts(key, size)
        data = next(self._pieces(key, size))
        self._client.put_object(Bucket=SOURCE_BUCKET, Key=key, Body=data, ChecksumAlgorithm="CRC64NVME")
        return Content(size, _text(crc32c(data)))

    def _put_in_parts(self, key: str, size: int) -> Content:
        target: Any = {"Bucket": SOURCE_BUCKET, "Key": key}
        upload = self._client.create_multipart_upload(
            **target, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT"
        )
        crc, parts = 0, []
        for number, data in enumerate(self._pieces(key, size), start=1):
            crc = combine_crc32c(crc, crc32c(data), len(data))
            part = self._client.upload_part(
                **target, UploadId=upload["UploadId"], PartNumber=number, Body=data, ChecksumAlgorithm="CRC64NVME"
            )
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC64NVME": part["ChecksumCRC64NVME"]})
        self._client.complete_multipart_upload(
            **target,
            UploadId=upload["UploadId"],
            MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
            ChecksumType="FULL_OBJECT",
        )
        return Content(size, _text(crc))

    def _pieces(self, key: str, size: int) -> Iterator[bytes]:
        for offset in range(0, size, PART):
            mark = f"{key} at {offset}\n".encode()
            yield (mark + self._noise[len(mark) :])[: min(PART, size - offset)]


def _text(crc: int) -> str:
    return b64encode(crc.to_bytes(4)).decode()
