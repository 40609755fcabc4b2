"""The dead letters on the real Pub/Sub, or on the emulator that `PUBSUB_EMULATOR_HOST` names."""

from replicator.adapters.google_identity import CLOUD_PLATFORM
from replicator.bootstrap.configuration import google_identity
from replicator.bootstrap.engine import build_publisher
from replicator.ports import DeadLetters, Publisher
from replicator.settings import ConfigurationError, DeadLetterSettings, load_env_file


def dead_letters() -> DeadLetters:
    """Those of the configured subscription. Raises `ConfigurationError`, and `Transient(credentials_unavailable)`."""
    from replicator.adapters import pubsub_dead_letters  # noqa: PLC0415  what a command does not use is not imported

    load_env_file()
    settings = DeadLetterSettings.load()
    emulated = settings.pubsub_emulator_host is not None
    credentials = None if emulated else google_identity(settings).credentials(CLOUD_PLATFORM)
    client = pubsub_dead_letters.connect(credentials)
    return pubsub_dead_letters.PubsubDeadLetters(client, settings.dead_letter_subscription)


def replaying_publisher() -> Publisher:
    """Publishes to the topic of the events. Raises as `dead_letters`."""
    load_env_file()
    settings = DeadLetterSettings.load()
    if settings.pubsub_topic is None:
        raise ConfigurationError("PUBSUB_TOPIC: required to replay")
    return build_publisher(settings, settings.pubsub_topic)
