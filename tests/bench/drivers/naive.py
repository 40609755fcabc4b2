"""The ways that come to mind first, with boto3 and google-cloud-storage as they are.

python -m tests.bench.drivers.naive WAY S3_URL STORAGE_URL SOURCE_BUCKET DESTINATION_BUCKET CONCURRENCY
"""

import shutil
import sys
from collections.abc import Callable

import boto3
import requests
from botocore.config import Config
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.bench.drivers.copying import serve

CHUNK = 8 * 1024**2
"""Between 1 MiB and the library's 40 MiB, this was the fastest `blob.open` of those tried."""


def main() -> None:
    way, s3_url, storage_url, source_bucket, destination_bucket, concurrency = sys.argv[1:]
    s3 = boto3.client(
        "s3",
        endpoint_url=s3_url,
        config=Config(proxies={}, s3={"addressing_style": "path"}, max_pool_connections=int(concurrency)),
    )
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=int(concurrency)))
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = storage.Client("local", nobody, session, client_options={"api_endpoint": storage_url})
    bucket = client.bucket(destination_bucket)

    def upload_from_file(key: str) -> None:
        found = s3.get_object(Bucket=source_bucket, Key=key)
        bucket.blob(key).upload_from_file(found["Body"], size=found["ContentLength"])

    def blob_open(key: str) -> None:
        found = s3.get_object(Bucket=source_bucket, Key=key)
        with bucket.blob(key).open("wb", chunk_size=CHUNK, ignore_flush=True) as blob:
            shutil.copyfileobj(found["Body"], blob, CHUNK)

    def read_all(key: str) -> None:
        bucket.blob(key).upload_from_string(s3.get_object(Bucket=source_bucket, Key=key)["Body"].read())

    ways: dict[str, Callable[[str], None]] = {
        "upload-from-file": upload_from_file,
        "blob-open": blob_open,
        "read-all": read_all,
    }
    serve(ways[way])


if __name__ == "__main__":
    main()
