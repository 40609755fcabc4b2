"""The Dockerfile's steps, carried out in an empty directory without a container engine, and what comes of them, run.

It runs as in its container: by the Dockerfile's command and variables, beside those of deploy/gcp, as a user who owns
nothing and may write nothing but temporary files. The long form installs requirements.txt from PyPI, as the image does;
the short one takes the packages that the tests run with.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from replicator.dev.clients import http_session
from replicator.dev.sockets import bind, url_of
from tests.dockerfile import LAST, ROOT, admitted, stages, the

INSTALLING_SECONDS, ANSWERING_SECONDS = 600, 60
CONNECTING = 10
"""How often, each time after twice as long: 102 s in all."""

REFUSED = 7
TRYING = f"""
import sys
try:
    open(sys.argv[1], "w")
except PermissionError:
    sys.exit({REFUSED})
"""

USER = the("USER", LAST)
DEPLOYED = {
    "replicate": {
        "K_SERVICE": "replicator",
        "GOOGLE_CLOUD_PROJECT": "my-project",
        "CONCURRENCY": "20",
        "SOURCE_S3_BUCKETS": "source-bucket",
        "TARGET_GCS_BUCKET": "replica-bucket",
        "AWS_REGION": "eu-west-1",
        "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/replicator",
        "PUBSUB_TOPIC": "projects/my-project/topics/s3-events",
    },
    "ingest": {
        "K_SERVICE": "replicator-ingest",
        "FUNCTION_TARGET": "ingest",
        "GOOGLE_CLOUD_PROJECT": "my-project",
        "PUBSUB_TOPIC": "projects/my-project/topics/s3-events",
        "INGEST_SECRETS": "0123456789abcdef",
    },
}
"""What deploy/gcp sets for each target, as far as it cannot do without."""


@dataclass(frozen=True)
class Container:
    """A directory in place of the root of a container's file system. Stages share it: none undoes another's work."""

    root: Path
    install: bool

    def place(self, *path: str) -> Path:
        return self.root / str(Path("/", *path)).lstrip("/")

    def translated(self, text: str) -> str:
        return text.replace("/venv", str(self.place("/venv")))

    def build(self, stage: str) -> tuple[str, dict[str, str]]:
        """Carries out a stage, and before that those it builds on; its working directory and variables in the end."""
        folder, variables = "/", dict[str, str]()
        for instruction, rest in stages()[stage]:
            match instruction:
                case "FROM" if (base := rest.partition(" ")[0]) in stages():
                    folder, variables = self.build(base)
                case "WORKDIR":
                    folder = rest
                    self.place(folder).mkdir(exist_ok=True)
                case "ENV":
                    variables |= dict(pair.split("=", 1) for pair in rest.split())
                case "COPY" if rest.startswith("--from="):
                    other, source, target = rest.removeprefix("--from=").split()
                    self.build(other)
                    assert self.place(source) == self.place(folder, target), "stages share one root"
                case "COPY":
                    source, target = rest.split()
                    self._copy(source, self.place(folder, target))
                case "RUN":
                    self._run(rest, self.place(folder))
        return folder, variables

    def _copy(self, source: str, target: Path) -> None:
        assert any(fnmatch(source, pattern) for pattern in admitted())
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)

    def _run(self, command: str, folder: Path) -> None:
        if command.startswith("useradd "):
            return  # nobody is made on this machine
        if "pip install" in command and not self.install:
            self.place("/venv").symlink_to(sys.prefix)
            return
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        run = ["sh", "-ec", self.translated(command)]
        subprocess.run(run, cwd=folder, env=env, check=True, timeout=INSTALLING_SECONDS)


@dataclass(frozen=True)
class Image:
    container: Container
    folder: Path
    variables: Mapping[str, str]
    writable: frozenset[Path]
    """What its user could write as the Dockerfile's steps left it."""

    def run(self, command: list[str], **variables: str) -> subprocess.Popen[bytes]:
        """Starts a command as the container's user."""
        env = {"PATH": os.environ["PATH"]}
        for name, value in {**self.variables, **variables}.items():
            env[name] = self.container.translated(value).replace("$PATH", env["PATH"])
        env |= {
            "HOME": str(self.container.place("/home/replicator")),
            "TMPDIR": str(self.container.root.parent / "tmp"),
        }
        return subprocess.Popen([*as_user(), *command], cwd=self.folder, env=env, stdin=subprocess.DEVNULL)


def as_user() -> list[str]:
    """How a command begins that runs as the user. It may read everything: Python may lie in somebody's home."""
    if os.geteuid():
        return []
    rights = "-all,+dac_read_search"
    user = ["--reuid", USER, "--regid", USER, "--clear-groups"]
    return ["setpriv", *user, "--inh-caps", rights, "--ambient-caps", rights, "--bounding-set", rights, "--"]


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if not os.geteuid() and not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv to be somebody else with")
    parent = tmp_path_factory.mktemp("image")
    (parent / "tmp").mkdir(mode=0o1777)
    (parent / "tmp").chmod(0o1777)
    container = Container(parent / "root", install=request.config.getoption("--long"))
    container.root.mkdir()
    folder, variables = container.build(LAST)
    writable = frozenset(writable_for_the_user(container.root))
    with read_only(container.root):
        yield Image(container, container.place(folder), variables, writable)


def writable_for_the_user(root: Path) -> Iterator[Path]:
    """The user is in no group that has anything; whoever is not root runs the steps as somebody who owns all of it."""
    for path in (root, *root.rglob("*")):
        about = path.lstat()
        owned = not os.geteuid() and about.st_uid == int(USER)
        if not path.is_symlink() and (owned or about.st_mode & 0o002):
            yield path


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """For its owner, too, who is not root."""
    found = [root, *(path for path in root.rglob("*") if not path.is_symlink())]
    modes = {path: path.stat().st_mode for path in found}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    yield
    for path, mode in modes.items():
        path.chmod(mode)


def ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit status; nothing of it is left even where it does not end by itself."""
    try:
        return process.wait(ANSWERING_SECONDS)
    finally:
        process.kill()
        process.wait()


def files(folder: Path) -> set[tuple[Path, int]]:
    return {(path, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.timeout(INSTALLING_SECONDS + 240)
@pytest.mark.parametrize("target", DEPLOYED)
def test_it_starts_and_is_healthy_and_leaves_nothing_behind(image: Image, target: str) -> None:
    before = files(image.container.root)
    with bind(0) as free:  # the port is passed as a number: it cannot be kept
        url, port = url_of(free), str(free.getsockname()[1])
    variables = {**DEPLOYED[target], "HOST": "127.0.0.1", "PORT": port}
    service = image.run(json.loads(the("CMD", LAST)), **variables)
    try:
        with http_session() as http:
            http.mount(url, HTTPAdapter(max_retries=Retry(connect=CONNECTING, backoff_factor=0.1)))
            assert http.get(f"{url}/health", timeout=ANSWERING_SECONDS).ok
            # Each target has doors of its own.
            answer = http.post(f"{url}/v1/events", timeout=ANSWERING_SECONDS)
            assert answer.status_code == {"replicate": 404, "ingest": 403}[target]
        check = json.loads(the("HEALTHCHECK", LAST).partition("CMD ")[2])
        assert ended(image.run(check, **variables)) == 0
        if sys.platform == "linux" and not os.geteuid():
            about = Path(f"/proc/{service.pid}/status").read_text()
            assert f"\nUid:\t{USER}\t{USER}\t{USER}\t{USER}\n" in about
    finally:
        service.terminate()
        status = ended(service)
    assert status == 0
    assert files(image.container.root) == before
    assert files(image.container.root.parent / "tmp") == set()


def test_its_user_cannot_write_where_it_lies(image: Image) -> None:
    assert not image.writable
    for place in (image.folder, image.folder / "replicator", image.container.root):
        tried = image.run(["python", "-c", TRYING, str(place / "x")])
        assert ended(tried) == REFUSED
        assert not (place / "x").exists()


def test_there_is_nothing_in_it_but_the_service(image: Image) -> None:
    assert {path.name for path in image.folder.iterdir()} == {"main.py", "replicator"}
    assert not (image.folder / "replicator/dev").exists()


def test_its_packages_fit_one_another(image: Image) -> None:
    if not image.container.install:
        pytest.skip("the long form installs them")
    assert ended(image.run(["pip", "check", "--disable-pip-version-check"])) == 0
