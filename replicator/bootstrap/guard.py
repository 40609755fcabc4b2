"""The guard before the doors, where the configuration says that the service itself checks its callers."""

from functools import partial

from replicator.settings import Auth, ReplicateSettings
from replicator.web.auth import Guard


def build_guard(settings: ReplicateSettings) -> Guard | None:
    """`None` where somebody else checks callers, or nobody. No certificate is read before the first token comes."""
    if settings.auth is not Auth.OIDC:
        return None
    from replicator.adapters import google_certificates, google_tokens  # noqa: PLC0415  only what is used is imported

    ask = partial(google_certificates.fetch, settings.oidc_certificates_url)
    kept = google_certificates.KeptCertificates(ask)
    return Guard(google_tokens.GoogleIdentityTokens(kept.find, settings.oidc_audiences), settings.oidc_emails)
