"""The installed Google Cloud CLI, pointed at a stand-in: no account, no network, a configuration folder of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.gcp_stand_in import APIS, PROJECT

ROOT = Path(__file__).parents[2]
SERVER = Path(__file__).parent / "gcloud_server.py"
SHIM = """#!{python} -IS
import json, os, socket, sys
order = json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}}).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect({socket!r})
    sent = socket.send_fds(server, [order], [0, 1, 2])
    server.sendall(order[sent:])
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16)))
"""


def library() -> Path | None:
    """The folder of the CLI's own code, if it is installed as Google packs it."""
    found = shutil.which("gcloud")
    lib = Path(found).resolve().parents[1] / "lib" if found else None
    return lib if lib and (lib / "gcloud.py").exists() else None


def version() -> str:
    lib = library()
    return (lib.parent / "VERSION").read_text().strip() if lib else "none"


def environment(folder: Path, proxy: str) -> dict[str, str]:
    """Variables with which gcloud calls the stand-in, and nothing else."""
    host, port = proxy.split(":")
    paths = {"storage": "storage/v1/"}
    overrides = {
        f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}.test/{paths.get(api, '')}" for api in APIS
    }
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "CLOUDSDK_AUTH_ACCESS_TOKEN": "stand-in",
        "CLOUDSDK_CORE_ACCOUNT": f"tester@{PROJECT}.test",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "true",
        "CLOUDSDK_STORAGE_PROCESS_COUNT": "1",
        "CLOUDSDK_STORAGE_THREAD_COUNT": "1",
        "CLOUDSDK_PROXY_TYPE": "http_no_tunnel",
        "CLOUDSDK_PROXY_ADDRESS": host,
        "CLOUDSDK_PROXY_PORT": port,
        **overrides,
    }


def own_python(lib: Path) -> str:
    bundled = lib.parent / "platform" / "bundledpythonunix" / "bin" / "python3"
    return str(bundled) if bundled.exists() else sys.executable


@contextmanager
def loaded(lib: Path, folder: Path, env: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment in which `gcloud` is a command that a loaded CLI carries out: the same, in a fifth of the time.

    `env` is what the CLI itself is started with.
    """
    socket, shims = folder / "gcloud.socket", folder / "bin"
    shims.mkdir()
    # Nothing takes time to become known, so whatever is repeated after a while fails again.
    programs = {"gcloud": SHIM.format(python=own_python(lib), socket=str(socket)), "sleep": "#!/bin/sh\n"}
    for name, text in programs.items():
        (shims / name).write_text(text)
        (shims / name).chmod(0o755)
    server = subprocess.Popen(
        [own_python(lib), "-S", SERVER, lib, socket], env=dict(env), stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield {**env, "PATH": f"{shims}:{env['PATH']}"}
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
