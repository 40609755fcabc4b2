"""obstore: what it reads from S3 as a stream goes to Cloud Storage in parts. Runs in the peers' environment.

python -m tests.bench.drivers.obstore_stream S3_URL STORAGE_XML_URL SOURCE_BUCKET DESTINATION_BUCKET
"""

import asyncio
import json
import os
import sys

import obstore  # type: ignore[import-not-found]
from obstore.store import GCSStore, S3Store  # type: ignore[import-not-found]

from tests.bench.drivers.copying import serve

if __name__ == "__main__":
    s3_url, storage_url, source_bucket, destination_bucket = sys.argv[1:]
    source = S3Store(
        source_bucket,
        endpoint=s3_url,
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["AWS_REGION"],
        client_options={"allow_http": True},
    )
    # It takes another address for Cloud Storage from a service account's key alone.
    nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
    key = {"gcs_base_url": storage_url, "disable_oauth": True, **nobody}
    destination = GCSStore(destination_bucket, service_account_key=json.dumps(key), client_options={"allow_http": True})

    async def stream(name: str) -> None:
        await obstore.put_async(destination, name, await obstore.get_async(source, name))

    serve(lambda name: asyncio.run(stream(name)))
