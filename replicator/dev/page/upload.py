"""What a person sends to the source bucket: checked and complete before S3 sees any of it."""

import shutil
from tempfile import SpooledTemporaryFile

from werkzeug.exceptions import BadRequest, LengthRequired, RequestEntityTooLarge
from werkzeug.wrappers import Request

from replicator.dev.page.buckets import Buckets
from replicator.model import MAX_KEY_BYTES

MAX_BYTES = 256 * 1024**2
"""The embedded S3 holds everything in memory."""

IN_MEMORY = 8 * 1024**2


def key_of(request: Request) -> str:
    """The key in the query, where no client shortens `..` or `//`. Raises `BadRequest` for what S3 would not take."""
    key = request.args.get("key", "")
    if not key:
        raise BadRequest("The query names no key.")
    if "\0" in key:
        raise BadRequest("The key holds a null character.")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise BadRequest(f"A key has at most {MAX_KEY_BYTES} bytes in UTF-8.")
    return key


def put(request: Request, buckets: Buckets) -> int:
    """Puts the body into the source bucket and returns its size. One that breaks off changes nothing.

    Raises `HTTPException`.
    """
    key = key_of(request)
    if request.content_length is None:
        raise LengthRequired("The length must be known.")
    if request.content_length > MAX_BYTES:
        raise RequestEntityTooLarge(f"At most {MAX_BYTES // 1024**2} MiB are taken.")
    with SpooledTemporaryFile(IN_MEMORY) as body:
        shutil.copyfileobj(request.stream, body)
        body.seek(0)
        buckets.put(key, body, request.mimetype or "application/octet-stream")
    return request.content_length
