"""Replicates objects from Amazon S3 to Google Cloud Storage: destination = source, whatever happens to the events."""

__version__ = "0.1.0"
