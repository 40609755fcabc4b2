"""The source side: each bucket is read with the keys of its rules, and buckets that are read alike share one client."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from replicator.adapters.google_identity import CLOUD_PLATFORM, GoogleIdentity
from replicator.ports import KeyStore, Source
from replicator.rules import Rule, RuleSet, SourceAccess
from replicator.settings import ConfigurationError, EngineSettings


def build_source(settings: EngineSettings, rules: RuleSet, identity: GoogleIdentity, pool_size: int) -> Source:
    """Reads the buckets of the enabled rules, and no other. Raises `ConfigurationError`."""
    from replicator.adapters import s3, source_by_bucket  # noqa: PLC0415  what a target does not use is not imported

    key_store = key_stores(settings, identity)

    @cache
    def source(access: SourceAccess) -> Source:
        keys = key_store(access)
        try:
            client = s3.connect(keys, settings.aws_region, pool_size, access.request_payer)
        except ValueError:
            raise ConfigurationError("AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL: one is not a URL") from None
        return s3.S3Source(client, keys, rules.tag_filtered_buckets)

    return source_by_bucket.SourceByBucket(
        {
            bucket: source(access_of(rule, settings.access))
            for rule in rules.rules
            if rule.enabled
            for bucket in rule.source_buckets
        }
    )


def access_of(rule: Rule, default: SourceAccess) -> SourceAccess:
    """The rule's own keys, if it names any, and whoever agrees to pay."""
    keys = rule.access if rule.access.credentials_secret or rule.access.role_arn else default
    return replace(keys, request_payer=rule.access.request_payer or default.request_payer)


def key_stores(settings: EngineSettings, identity: GoogleIdentity) -> Callable[[SourceAccess], KeyStore | None]:
    """One key store for each secret and each role, however many rules use it; `None` leaves it to the AWS SDK."""
    from replicator.adapters.key_store import RefreshedKeys  # noqa: PLC0415

    @cache
    def of_secret(resource: str) -> KeyStore:
        from replicator.adapters import key_payload, secrets  # noqa: PLC0415

        client = secrets.connect(identity.credentials(CLOUD_PLATFORM))
        return RefreshedKeys(
            lambda: key_payload.parse_keys(secrets.read(client, resource)), settings.aws_credentials_max_age
        )

    @cache
    def sts_client() -> Any:
        from replicator.adapters import sts  # noqa: PLC0415

        return sts.connect(settings.aws_region)  # its requests are not signed: one client asks for every role

    @cache
    def of_role(role_arn: str) -> KeyStore:
        from replicator.adapters import sts  # noqa: PLC0415

        client = sts_client()
        token = partial(identity.token, settings.aws_role_audience)
        return RefreshedKeys(lambda: sts.assume_role(client, role_arn, token), sts.MAX_AGE)

    def of(access: SourceAccess) -> KeyStore | None:
        if access.credentials_secret:
            return of_secret(access.credentials_secret)
        return of_role(access.role_arn) if access.role_arn else None

    return of
