"""AWS keys from a `KeyStore`, for a session of the AWS SDK."""

import botocore.credentials
import botocore.session

from replicator.model import AwsKeys
from replicator.ports import KeyStore


def sign_with(session: botocore.session.Session, keys: KeyStore) -> None:
    """Puts the store in front of the session's credential chain."""
    session.get_component("credential_provider").providers.insert(0, _KeyStoreProvider(keys))


class _KeyStoreProvider(botocore.credentials.CredentialProvider):
    METHOD = "replicator-key-store"

    def __init__(self, keys: KeyStore) -> None:
        super().__init__()
        self._keys = keys

    def load(self) -> "_StoredCredentials":
        return _StoredCredentials(self._keys)


class _StoredCredentials(botocore.credentials.Credentials):
    """Asks the store anew for each request that is signed, so that a rotation needs no new client."""

    def __init__(self, keys: KeyStore) -> None:
        super().__init__(access_key="", secret_key="", method=_KeyStoreProvider.METHOD)
        self._keys = keys

    def get_frozen_credentials(self) -> botocore.credentials.ReadOnlyCredentials:
        keys: AwsKeys = self._keys.current()
        return botocore.credentials.ReadOnlyCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
