"""The AWS SDK's descriptions of its services, which every session would otherwise read, and hold, for itself."""

from functools import cache
from typing import TYPE_CHECKING

import botocore.session

if TYPE_CHECKING:
    from botocore.loaders import Loader


def share_data(session: botocore.session.Session) -> None:
    """Clients that the session makes from now on use the process's one copy: megabytes, and a tenth of a second, each.

    Nothing of a session or of its credentials is in it. Clients only read it, as do those of one session, so any thread
    may use them; like a session itself, sessions that share it make their clients in one thread at a time
    (https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients).
    """
    session.register_component("data_loader", _loader())


@cache
def _loader() -> "Loader":
    loader: Loader = botocore.session.Session().get_component("data_loader")  # it knows AWS_DATA_PATH
    return loader
