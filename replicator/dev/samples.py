"""The objects that the stack begins with, and what `--once` does to them."""

import io
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Sample:
    """An object whose bytes are random, but the same in every run; `edition` gives other bytes."""

    key: str
    size: int
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = field(default_factory=dict)
    edition: int = 1

    def put(self, s3: "S3Client", bucket: str) -> None:
        """The SDK uploads large ones in parts, as it always does."""
        body = random.Random(f"{self.key} {self.edition}").randbytes(self.size)
        extra = {"ContentType": self.content_type, "Metadata": self.metadata}
        s3.upload_fileobj(io.BytesIO(body), bucket, self.key, ExtraArgs=extra)


HELLO = "hello.txt"
HELLO_TEXT = b"Hello from S3!\n"

EMPTY = Sample("empty", 0)
ONE_BYTE = Sample("one-byte", 1)
WHOLE = Sample("5-mib.bin", 5 * MIB, metadata={"colour": "green"})
STREAMED = Sample("40-mib.bin", 40 * MIB)
ODD_KEY = Sample("odd key/1 + 1 = 100 % 🦊.bin", 100, metadata={"note": "space, plus, percent sign and emoji"})


def put_all(s3: "S3Client", bucket: str) -> None:
    s3.put_object(
        Bucket=bucket, Key=HELLO, Body=HELLO_TEXT, ContentType="text/plain; charset=utf-8", Metadata={"language": "en"}
    )
    for sample in (EMPTY, ONE_BYTE, WHOLE, STREAMED, ODD_KEY):
        sample.put(s3, bucket)


def change_some(s3: "S3Client", bucket: str) -> None:
    """Overwrites one, changes only the metadata of one and deletes one."""
    replace(WHOLE, size=WHOLE.size + 1, edition=2).put(s3, bucket)
    s3.copy_object(
        Bucket=bucket,
        Key=HELLO,
        CopySource={"Bucket": bucket, "Key": HELLO},
        MetadataDirective="REPLACE",
        ContentType="text/markdown; charset=utf-8",
        Metadata={"language": "fr"},
    )
    s3.delete_object(Bucket=bucket, Key=ONE_BYTE.key)
