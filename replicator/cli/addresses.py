"""`s3://bucket/key` and `gs://bucket/name`, as arguments.

All that follows the bucket is the key, literally: `%`, `#`, `?`, `//` and spaces are characters like any other.
"""

from typing import Any

import click

from replicator.model import DestinationName, SourceKey

KINDS = {"s3": ("s3://bucket/key", SourceKey), "gs": ("gs://bucket/name", DestinationName)}


class Address(click.ParamType[SourceKey | DestinationName]):
    """An argument that names an object, by one of these schemes."""

    name = "address"

    def __init__(self, *schemes: str) -> None:
        self._schemes = schemes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        scheme, separator, rest = str(value).partition("://")
        bucket, slash, key = rest.partition("/")
        if not (separator and scheme in self._schemes and bucket and slash and key):
            self.fail(f"expected {' or '.join(KINDS[known][0] for known in self._schemes)}", param, ctx)
        try:
            rest.encode()
        except UnicodeEncodeError:
            self.fail("it is not valid UTF-8", param, ctx)
        return KINDS[scheme][1](bucket, key)
