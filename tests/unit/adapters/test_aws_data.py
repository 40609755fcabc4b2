"""What all AWS clients of a process share: what the SDK knows of the services, and nothing of anybody's keys."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.loaders import JSONFileLoader

from replicator.adapters import aws_data, s3, sts
from replicator.model import AwsKeys


class Keys:
    def __init__(self, name: str) -> None:
        self.name = name

    def current(self) -> AwsKeys:
        return AwsKeys(self.name, "secret")

    def renew(self, rejected: AwsKeys) -> bool:
        return False


class Sent(Exception):
    """Raised in place of sending a request that is complete and signed."""

    def __init__(self, headers) -> None:
        super().__init__()
        self.headers = headers


def _stop(request, **_: object) -> None:
    raise Sent(request.headers)


@pytest.fixture
def loaded(monkeypatch, tmp_path) -> list[str]:
    """The files that are read from now on, by a loader of the test's own."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    aws_data._loader.cache_clear()
    files, load = [], JSONFileLoader._load_file

    def load_file(self, full_path, open_method):
        content = load(self, full_path, open_method)
        if content is not None:
            files.append(full_path)
        return content

    monkeypatch.setattr(JSONFileLoader, "_load_file", load_file)
    return files


def test_no_file_is_read_twice_however_many_clients_there_are(loaded):
    clients = [s3.connect(Keys(name), "eu-west-1", 1, pay) for name in "ab" for pay in (False, True)]
    clients += [sts.connect(region) for region in ("eu-west-1", "cn-north-1")]
    assert any("/s3/" in file for file in loaded)
    assert any("/sts/" in file for file in loaded)
    assert len(loaded) == len(set(loaded))
    paths = aws_data._loader().search_paths
    assert len(paths) == len(set(paths))
    for client in clients:
        client.close()


def test_clients_that_share_it_keep_their_own_keys_regions_and_requests_in_every_thread(loaded):
    wanted = [("a", "eu-west-1", False), ("b", "us-east-2", True), ("c", "eu-west-1", True), ("d", "us-east-2", False)]
    clients = [s3.connect(Keys(name), region, 1, pay) for name, region, pay in wanted]
    for client in clients:
        client.meta.events.register("before-send.s3", _stop)

    def sent(number: int) -> tuple[str, str, bool]:
        try:
            clients[number % len(clients)].get_object(Bucket="bucket", Key="k")
        except Sent as stopped:
            headers = stopped.headers
        name, _, region, *_ = headers["Authorization"].decode().partition("Credential=")[2].split("/")
        return name, region, "x-amz-request-payer" in headers

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(sent, range(200)))
    assert found == wanted * 50
    for client in clients:
        client.close()
