"""What has to be right before a process takes requests: the settings, the rules, and who it is towards Google."""

import re
from functools import cache
from pathlib import Path

from replicator.adapters.google_identity import CLOUD_PLATFORM, GoogleIdentity
from replicator.errors import ReplicationError
from replicator.rules import MAX_BYTES, SECRET_RESOURCE, RulesError, RuleSet, parse_rules
from replicator.settings import (
    ConfigurationError,
    EngineSettings,
    IngestSettings,
    ReplicateSettings,
    ServerSettings,
    Settings,
    Target,
    load_env_file,
)


def check_configuration() -> None:
    """Stops the process, naming the variable, when the target that it is to run is not configured."""
    try:
        configured_target()
    except ConfigurationError as error:
        raise SystemExit(f"configuration: {error}") from None


def configured_target() -> Target:
    """The target that this process is to run. Raises `ConfigurationError` when that is not configured."""
    load_env_file()
    target = ServerSettings.load().function_target
    if target is Target.INGEST:
        google_identity(IngestSettings.load())
    else:
        settings = ReplicateSettings.load()
        google_identity(settings)
        load_rules(settings)
    return target


def google_identity(settings: Settings, impersonated: str | None = None) -> GoogleIdentity:
    """Raises `ConfigurationError`, naming the variable, where what is to be a key is none."""
    return _identity(settings.google_key(), impersonated)


def _identity(given: tuple[str, str] | None, impersonated: str | None = None) -> GoogleIdentity:
    if given is None:
        return GoogleIdentity(None, impersonated)
    variable, key = given
    try:
        return GoogleIdentity(key, impersonated)
    except ValueError as error:
        raise ConfigurationError(f"{variable}: {error}") from None


def load_rules(settings: EngineSettings, impersonated: str | None = None) -> RuleSet:
    """The rules, wherever they are. Raises `ConfigurationError`, which names the rule and the field.

    A secret is read as `impersonated`, if that is given (`google_identity`). They are read once for a process and those
    it forks: a changed file or secret takes effect with the next revision.
    """
    if settings.rules is not None:
        return settings.rules
    try:
        return _read_rules(str(settings.replication_rules), settings.google_key(), impersonated)
    except RulesError as error:
        raise ConfigurationError(f"REPLICATION_RULES: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"REPLICATION_RULES: the file cannot be read: {error.strerror}") from None
    except ReplicationError as error:
        raise ConfigurationError(f"REPLICATION_RULES: {error.detail}") from None


@cache
def _read_rules(given: str, google_key: tuple[str, str] | None, impersonated: str | None) -> RuleSet:
    """From the document itself, or from the secret or the file that holds it."""
    if "\n" in given or given.lstrip().startswith(("{", "[", "rules:")):
        return parse_rules(given)
    if re.fullmatch(SECRET_RESOURCE, given):
        from replicator.adapters import secrets  # noqa: PLC0415  few have their rules there

        with secrets.connect_before_fork(_identity(google_key, impersonated).credentials(CLOUD_PLATFORM)) as client:
            return parse_rules(secrets.read(client, given))
    with Path(given).open("rb") as file:
        return parse_rules(file.read(MAX_BYTES + 1))
