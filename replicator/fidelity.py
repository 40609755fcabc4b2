"""What of a source object goes where: the one place where S3's properties become Cloud Storage's."""

from replicator.model import Attributes, Placement, SourceObject
from replicator.receipt import METADATA_KEY, receipt_of


def attributes_of(source: SourceObject, placement: Placement) -> Attributes:
    """All that is written beside the bytes of `source`."""
    metadata = {name: value for name, value in source.metadata.items() if name != METADATA_KEY}
    return Attributes(source.headers, metadata, source.last_modified, receipt_of(source), placement)


def not_held(source: SourceObject) -> tuple[str, ...]:
    """What of `source` its replica cannot hold, by name."""
    return source.not_held
