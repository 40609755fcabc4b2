"""The dead letters on the real Pub/Sub, or on the emulator that `PUBSUB_EMULATOR_HOST` names."""

from replicator.adapters.google_identity import CLOUD_PLATFORM
from replicator.bootstrap.configuration import google_identity
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
    """Publishes to the topic of the events, once it is sure that they are delivered there.

    Raises as `dead_letters`, and as `require_delivery`.
    """
    from replicator.adapters import pubsub, pubsub_replay  # noqa: PLC0415
    from replicator.dead_letters import require_delivery  # noqa: PLC0415

    load_env_file()
    settings = DeadLetterSettings.load()
    if settings.pubsub_topic is None:
        raise ConfigurationError("PUBSUB_TOPIC: required to replay")
    emulator = settings.pubsub_emulator_host
    credentials = None if emulator else google_identity(settings).credentials(CLOUD_PLATFORM)
    topic = pubsub_replay.PubsubReplayTopic(pubsub.connect(credentials, emulator), settings.pubsub_topic)
    require_delivery(topic, settings.dead_letter_subscription)
    return topic
