"""The implementations of the ports. Each SDK is imported by one adapter, and its exceptions end there."""
