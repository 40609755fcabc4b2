"""What `deploy/gcp/deploy.sh` calls gcloud with, for the example configuration, where nothing exists yet."""

import shutil
from typing import Any

import pytest

from tests.deploy.gcloud_notes import Call, documents, recorded, without_gcloud
from tests.deploy.gcp_deployment import GCP, configuration


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    folder = tmp_path_factory.mktemp("calls")
    return recorded(without_gcloud(folder), [GCP / "deploy.sh", configuration(folder)], exists="no")


@pytest.fixture(scope="session")
def given(calls: list[Call]) -> dict[str, list[Any]]:
    """Its documents, by their kind."""
    return documents(calls)
