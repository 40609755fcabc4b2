"""The configuration: the only reader of the environment. A wrong value stops the process, naming the variable.

The SDKs' own standard variables (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL_S3`, `GOOGLE_APPLICATION_CREDENTIALS`,
`STORAGE_EMULATOR_HOST`, …) are left to the SDKs.
"""

import base64
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from dotenv import load_dotenv
from pydantic import AliasChoices, ByteSize, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from replicator.rules import Deletes, Foreign, Rule, RuleSet, SourceAccess
from replicator.rules.fields import DestinationBucket, Role, Secret, SourceBucket, matching

Topic = Annotated[str, Field(pattern="^projects/[^/]+/topics/[^/]+$")]
Url = Annotated[str, matching("https?://[^/]+.*", "a URL, such as http://127.0.0.1:4443")]
Subscription = Annotated[str, Field(pattern="^projects/[^/]+/subscriptions/[^/]+$")]

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
EMAIL = "^[^@\\s]+@[^@\\s]+$"
TRUSTED_URL = r"^(https://|http://(127\.0\.0\.1|localhost)(:\d+)?/)"
"""What nobody on the way can change: an answer over TLS, or of this machine."""

MIN_SECRET_LENGTH = 16
MIN_MEMORY_BUDGET = 32 * 1024**2
"""Bytes with which every path still works, the largest part of the smallest plan included."""


def load_env_file() -> None:
    """Adds the variables in the working directory's `.env`, if there is one, to the environment, for the SDKs too.

    What is set already wins.
    """
    load_dotenv(".env")


class ConfigurationError(Exception):
    """The environment is not usable. The text names each variable and what is wrong with it, never its value."""


class Target(StrEnum):
    """The functions in `main.py`."""

    REPLICATE = "replicate"
    INGEST = "ingest"


class Auth(StrEnum):
    """Who keeps strangers out."""

    IAM = "iam"
    OIDC = "oidc"
    NONE = "none"


class Metrics(StrEnum):
    """Where the metrics go."""

    NONE = "none"
    OTLP = "otlp"
    CLOUD_MONITORING = "cloud_monitoring"


def _also(name: str, *others: str) -> AliasChoices:
    """The variable's own name, and those that earlier systems of this kind gave it."""
    return AliasChoices(name, *others)


def _listed(value: str) -> list[str]:
    """The items of a list that is separated by commas."""
    return [item.strip() for item in value.split(",") if item.strip()]


def _decoded(key: SecretStr) -> str:
    return base64.b64decode("".join(key.get_secret_value().split()), validate=True).decode()


GOOGLE_KEYS: dict[str, Callable[[Any], str]] = {
    "gcp_credentials_path": Path.read_text,
    "gcp_sa_key": SecretStr.get_secret_value,
    "gcp_sa_key_b64": _decoded,
}
"""The ways to give a Google service account's key, and how to read it from what is given."""


class Settings(BaseSettings):
    """What every process has."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True)

    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least severity that is logged.")
    metrics: Metrics = Field(
        Metrics.NONE,
        description="Where metrics go: `none`, `cloud_monitoring`, or `otlp`, to what OpenTelemetry's own "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` names.",
    )
    google_cloud_project: str | None = Field(
        None,
        validation_alias=_also("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT_ID"),
        description="The project that traces and metrics belong to.",
    )
    gcp_credentials_path: Path | None = Field(
        None, description="A Google service account's key file; unset, Google's application default credentials."
    )
    gcp_sa_key: SecretStr | None = Field(None, description="The same key as JSON.")
    gcp_sa_key_b64: SecretStr | None = Field(None, description="The same key as JSON in base64.")

    @classmethod
    def load(cls) -> Self:
        """Reads the environment. Raises `ConfigurationError`."""
        try:
            return cls()
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False)
            raise ConfigurationError("; ".join(cls._sentence(dict(problem)) for problem in problems)) from None

    def google_key(self) -> tuple[str, str] | None:
        """The variable that gives a Google service account's key, and the key's JSON. Raises `ConfigurationError`."""
        for name, read in GOOGLE_KEYS.items():
            if value := getattr(self, name):
                try:
                    return name.upper(), read(value)
                except (OSError, ValueError):
                    raise ConfigurationError(f"{name.upper()}: cannot be read") from None
        return None

    @model_validator(mode="after")
    def _one_google_identity(self) -> Self:
        given = [name for name in GOOGLE_KEYS if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{', '.join(given).upper()}: give one of them")
        return self

    @classmethod
    def _sentence(cls, problem: dict[str, Any]) -> str:
        message = str(problem["msg"]).removeprefix("Value error, ")
        return f"{cls._variable(str(problem['loc'][0]))}: {message}" if problem["loc"] else message

    @classmethod
    def _variable(cls, name: str) -> str:
        """The variable that a field's value was taken from: of several names, the one that was used."""
        for field in cls.model_fields.values():
            alias = field.validation_alias
            if isinstance(alias, AliasChoices) and alias.choices[0] == name:
                given = EnvSettingsSource(cls).env_vars
                return next((str(choice) for choice in alias.choices if str(choice).lower() in given), name)
        return name.upper()


class ServerSettings(Settings):
    """How one service runs, whichever target it is."""

    function_target: Target = Field(Target.REPLICATE, description="What this service is: `replicate` or `ingest`.")
    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104  a container is reached from outside
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on.")
    concurrency: int = Field(
        80,
        ge=1,
        le=1000,
        description="Requests served at once; others are turned away. Deploy with the same `--concurrency`.",
    )
    pubsub_emulator_host: str | None = Field(
        None, description="Google's own variable: a Pub/Sub server for tests, which takes no credentials."
    )


class EngineSettings(Settings):
    """What is replicated, with whose keys and how patiently: for the service and the command line alike."""

    replication_rules: str | None = Field(
        None,
        description="What is replicated: [rules](docs/rules.md) as YAML or JSON, the path of their file, or the Secret "
        "Manager resource that holds them.",
    )
    source_s3_buckets: Annotated[tuple[SourceBucket, ...], NoDecode] = Field(
        (), description="Instead of rules: the S3 buckets that are replicated, separated by commas."
    )
    target_gcs_bucket: DestinationBucket | None = Field(
        None,
        validation_alias=_also("TARGET_GCS_BUCKET", "GCS_BUCKET_NAME", "GCS_BUCKET", "GCP_BUCKET_NAME"),
        description="The Cloud Storage bucket they are replicated to.",
    )
    deletes: Deletes = Field(
        Deletes.IGNORE, description="`propagate` deletes the replica of a deleted object; `ignore` keeps it."
    )
    foreign: Foreign = Field(
        Foreign.OVERWRITE, description="What happens to destination objects without a receipt: `overwrite` or `keep`."
    )
    storage_emulator_host: Url | None = Field(
        None, description="Google's own variable: a Cloud Storage server for tests, which takes no credentials."
    )
    aws_region: str | None = Field(None, description="Region of the S3 client.")
    aws_credentials_secret: Secret | None = Field(
        None,
        description="Secret Manager resource with the AWS keys; unset, the AWS SDK looks for credentials itself.",
    )
    aws_credentials_max_age: float = Field(
        300, gt=0, description="Seconds after which the secret is read again, in case it was rotated."
    )
    aws_role_arn: Role | None = Field(
        None,
        description="AWS role that is assumed with the Google identity of this service, without any AWS key.",
    )
    aws_web_identity_token_file: str | None = Field(
        None, description="The AWS SDK's own variable: where it is set, the SDK assumes `AWS_ROLE_ARN` with that token."
    )
    aws_role_audience: str = Field(
        "sts.amazonaws.com", min_length=1, description="Audience of the identity token for that role (`:oaud` in AWS)."
    )
    aws_request_payer: bool = Field(False, description="Pay for the requests, as requester-pays buckets want.")
    max_retries: int = Field(
        3,
        ge=0,
        validation_alias=_also("MAX_RETRIES", "RETRY_ATTEMPTS"),
        description="Further attempts after a transient failure.",
    )
    retry_delay: float = Field(
        0.5,
        ge=0,
        validation_alias=_also("RETRY_DELAY", "RETRY_BACKOFF_SEC"),
        description="Seconds before the first of them.",
    )
    retry_backoff: float = Field(2.0, ge=1, description="Factor by which each delay exceeds the one before.")
    deadline_seconds: float = Field(
        480, gt=0, description="Time for one request; two minutes less than ack deadline and request timeout."
    )
    memory_budget: ByteSize | None = Field(
        None,
        ge=MIN_MEMORY_BUDGET,
        description="Bytes that all copies together may hold in memory, such as `256MiB`; unset, half of what the "
        "container has beyond 128 MiB, 1 GiB at most.",
    )
    chunk_size: int = Field(
        1024**2,
        ge=64 * 1024,
        le=MIN_MEMORY_BUDGET // 4,
        description="Bytes in one read-ahead buffer; each stream has four.",
    )

    @field_validator("source_s3_buckets", mode="before")
    @classmethod
    def _split(cls, value: str | tuple[str, ...]) -> Sequence[str]:
        if not isinstance(value, str):  # the default is validated, too
            return value
        buckets = _listed(value)
        if not buckets:
            raise ValueError("names no bucket")
        return buckets

    @model_validator(mode="after")
    def _one_way_to_aws(self) -> Self:
        if self.access.credentials_secret and self.access.role_arn:
            raise ValueError("AWS_CREDENTIALS_SECRET, AWS_ROLE_ARN: give one of them")
        return self

    @model_validator(mode="after")
    def _something_to_replicate(self) -> Self:
        one_rule = ("source_s3_buckets", "target_gcs_bucket")
        if self.replication_rules is None:
            if missing := [name.upper() for name in one_rule if not getattr(self, name)]:
                raise ValueError(f"{', '.join(missing)}: required without REPLICATION_RULES")
            return self
        without = (*one_rule, "deletes", "foreign")
        if given := [name.upper() for name in without if name in self.model_fields_set]:
            raise ValueError(f"{', '.join(given)}: not together with REPLICATION_RULES, where each rule says it")
        return self

    @property
    def access(self) -> SourceAccess:
        """How source buckets are read whose rule does not say so itself."""
        role = None if self.aws_web_identity_token_file else self.aws_role_arn
        return SourceAccess(self.aws_credentials_secret, role, self.aws_request_payer)

    @property
    def rules(self) -> RuleSet | None:
        """The one rule that the other variables describe; `None` where there is REPLICATION_RULES."""
        if self.replication_rules is not None:
            return None
        sources, target = frozenset(self.source_s3_buckets), str(self.target_gcs_bucket)
        return RuleSet((Rule("default", sources, target, self.deletes, self.foreign),))


class ReplicateSettings(ServerSettings, EngineSettings):
    """The target `replicate`."""

    k_service: str | None = Field(None, description="Set by Cloud Run; where it is, `AUTH` defaults to `iam`.")
    auth: Auth | None = Field(
        None,
        description="Who checks callers. `iam`: Cloud Run, and only there. `oidc`: this service, by their "
        "[Google identity tokens](docs/security.md#identity-tokens). `none`: nobody, which takes a loopback `HOST`.",
    )
    oidc_audiences: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="With `AUTH=oidc`, required: what `aud` of a token may be, separated by commas. Pub/Sub's is the "
        "push endpoint's URL, unless its subscription says another.",
    )
    oidc_emails: Annotated[tuple[Annotated[str, Field(pattern=EMAIL)], ...], NoDecode] = Field(
        (),
        description="With `AUTH=oidc`, required: the e-mail addresses of the service accounts and people who may come "
        "in, separated by commas.",
    )
    oidc_certificates_url: str = Field(
        "https://www.googleapis.com/oauth2/v1/certs",
        pattern=TRUSTED_URL,
        description="With `AUTH=oidc`: where Google's certificates are, or a copy of them.",
    )
    pubsub_topic: Topic | None = Field(
        None,
        description="The topic of the events: a copy that one request cannot finish is handed over to a message there. "
        "Unset, it is resumed when the event is delivered again, which uses up delivery attempts.",
    )

    @field_validator("oidc_audiences", "oidc_emails", mode="before")
    @classmethod
    def _list(cls, value: str | tuple[str, ...]) -> Sequence[str]:
        return _listed(value) if isinstance(value, str) else value  # the default is validated, too

    @model_validator(mode="after")
    def _never_open_by_accident(self) -> Self:
        if self.auth is None and self.k_service is None:
            raise ValueError("AUTH: required outside Cloud Run: `oidc`, or `none` with a loopback HOST")
        if self.auth is Auth.IAM and self.k_service is None:
            raise ValueError("AUTH: `iam` is Cloud Run's; elsewhere `oidc`, or `none` with a loopback HOST")
        oidc = {"OIDC_AUDIENCES": self.oidc_audiences, "OIDC_EMAILS": self.oidc_emails}
        if self.auth is Auth.OIDC and not all(oidc.values()):
            raise ValueError(f"{', '.join(name for name in oidc if not oidc[name])}: required with AUTH=oidc")
        if self.auth is not Auth.OIDC and any(oidc.values()):
            raise ValueError(f"{', '.join(name for name in oidc if oidc[name])}: only with AUTH=oidc")
        if self.auth is Auth.NONE and self.host not in LOOPBACK:
            raise ValueError("AUTH: `none` takes a loopback HOST, such as 127.0.0.1")
        return self


class DoctorSettings(ReplicateSettings):
    """The target `replicate` as somebody else looks at it: nobody is served, so nobody has to be kept out."""

    @model_validator(mode="after")
    def _never_open_by_accident(self) -> Self:
        return self


class IngestSettings(ServerSettings):
    """The target `ingest`."""

    ingest_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="Secrets that `X-Ingest-Secret` may hold, separated by commas: two during a rotation."
    )
    pubsub_topic: Topic = Field(description="The topic that events are published to.")

    @field_validator("ingest_secrets", mode="before")
    @classmethod
    def _split(cls, value: str) -> list[str]:
        secrets = _listed(value)
        if not secrets or min(map(len, secrets)) < MIN_SECRET_LENGTH:
            raise ValueError(f"each secret has at least {MIN_SECRET_LENGTH} characters")
        return secrets


class DeadLetterSettings(Settings):
    """What the command `dead-letters` has beside the engine's."""

    dead_letter_subscription: Subscription = Field(
        description="The pull subscription on the dead-letter topic: `projects/…/subscriptions/…`."
    )
    pubsub_topic: Topic | None = Field(None, description="The topic that `dead-letters replay` publishes to.")
    pubsub_emulator_host: str | None = Field(
        None, description="Google's own variable: a Pub/Sub server for tests, which takes no credentials."
    )
