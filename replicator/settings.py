"""The configuration: the only reader of the environment. A wrong value stops the process, naming the variable.

The SDKs' own standard variables (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL_S3`, `GOOGLE_APPLICATION_CREDENTIALS`,
`STORAGE_EMULATOR_HOST`, …) are left to the SDKs.
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from dotenv import load_dotenv
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from replicator.rules import Deletes, Foreign, Rule

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MIN_SECRET_LENGTH = 16


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
    NONE = "none"


class ServerSettings(BaseSettings):
    """How one service runs, whichever target it is."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    function_target: Target = Field(Target.REPLICATE, description="What this service is: `replicate` or `ingest`.")
    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104  a container is reached from outside
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on.")
    concurrency: int = Field(
        80, ge=1, le=1000, description="Requests served at once; deploy with the same `--concurrency`."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least severity that is logged.")
    google_cloud_project: str | None = Field(None, description="The project that traces belong to.")

    @classmethod
    def load(cls) -> Self:
        """Reads the environment. Raises `ConfigurationError`."""
        try:
            return cls()
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False)
            raise ConfigurationError("; ".join(_sentence(dict(problem)) for problem in problems)) from None


class ReplicateSettings(ServerSettings):
    """The target `replicate`."""

    source_s3_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        description="The S3 buckets that are replicated, separated by commas."
    )
    target_gcs_bucket: str = Field(min_length=3, description="The Cloud Storage bucket they are replicated to.")
    deletes: Deletes = Field(
        Deletes.IGNORE, description="`propagate` deletes the replica of a deleted object; `ignore` keeps it."
    )
    foreign: Foreign = Field(
        Foreign.OVERWRITE, description="What happens to destination objects without a receipt: `overwrite` or `keep`."
    )
    k_service: str | None = Field(None, description="Set by Cloud Run; where it is, `AUTH` defaults to `iam`.")
    auth: Auth | None = Field(
        None, description="Who checks callers. `iam`: Cloud Run. `none`: nobody, which takes a loopback `HOST`."
    )
    storage_emulator_host: str | None = Field(
        None, description="Google's own variable: a Cloud Storage server for tests, which takes no credentials."
    )
    aws_region: str | None = Field(None, description="Region of the S3 client.")
    aws_credentials_secret: str | None = Field(
        None,
        pattern=r"^projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?$",
        description="Secret Manager resource with the AWS keys; unset, the AWS SDK looks for credentials itself.",
    )
    aws_credentials_max_age: float = Field(
        300, gt=0, description="Seconds after which the secret is read again, in case it was rotated."
    )
    max_retries: int = Field(3, ge=0, description="Further attempts after a transient failure.")
    retry_delay: float = Field(0.5, ge=0, description="Seconds before the first of them.")
    retry_backoff: float = Field(2.0, ge=1, description="Factor by which each delay exceeds the one before.")
    deadline_seconds: float = Field(
        480, gt=0, description="Time for one request; two minutes less than ack deadline and request timeout."
    )
    chunk_size: int = Field(1024**2, ge=64 * 1024, description="Bytes in one read-ahead buffer; each stream has four.")

    @field_validator("source_s3_buckets", mode="before")
    @classmethod
    def _split(cls, value: str) -> list[str]:
        buckets = [bucket.strip() for bucket in value.split(",") if bucket.strip()]
        if not buckets:
            raise ValueError("names no bucket")
        return buckets

    @model_validator(mode="after")
    def _never_open_by_accident(self) -> Self:
        if self.auth is None and self.k_service is None:
            raise ValueError("AUTH: required outside Cloud Run")
        if self.auth is Auth.NONE and self.host not in LOOPBACK:
            raise ValueError("AUTH: `none` takes a loopback HOST")
        return self

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The one rule that the environment describes."""
        return (Rule("default", frozenset(self.source_s3_buckets), self.target_gcs_bucket, self.deletes, self.foreign),)


class IngestSettings(ServerSettings):
    """The target `ingest`."""

    ingest_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="Secrets that `X-Ingest-Secret` may hold, separated by commas: two during a rotation."
    )
    pubsub_topic: str = Field(
        pattern="^projects/[^/]+/topics/[^/]+$", description="The topic that events are published to."
    )

    @field_validator("ingest_secrets", mode="before")
    @classmethod
    def _split(cls, value: str) -> list[str]:
        secrets = [secret.strip() for secret in value.split(",") if secret.strip()]
        if not secrets or min(map(len, secrets)) < MIN_SECRET_LENGTH:
            raise ValueError(f"each secret has at least {MIN_SECRET_LENGTH} characters")
        return secrets


def _sentence(problem: dict[str, Any]) -> str:
    variable = str(problem["loc"][0]).upper() if problem["loc"] else ""
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{variable}: {message}" if variable else message
