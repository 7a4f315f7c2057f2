"""Two real Milvus 2.3.5 servers on this machine, from the PyPI package `milvus`, each with its own embedded etcd.

The package's own starter is not used, as it insists on port 2379 and leaves its files open; its binaries and its configuration
template are. `python -m tests.beds.real` keeps a pair running until Ctrl-C; `tests/beds/shared.py` lends one to all processes of
a test run. Nothing here knows of Ferry's engine.
"""

import argparse
import contextlib
import fcntl
import importlib.util
import lzma
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from bot.demo.clusters import Server, free_ports, spawned

PACKAGE = "milvus"
VERSION = "2.3.5"
CACHE = Path(tempfile.gettempdir()) / f"ferry-milvus-{VERSION}-{os.getuid()}"
"""Where the package's binaries are unpacked, once for all runs (4 s of CPU, 200 MB)."""

PORTS = range(27_000, 32_000)
"""Apart from those of the small servers, which are started at the same time."""

QUICK: dict[str, dict[str, Any]] = {
    "queryCoord": {
        "checkInterval": 100,
        "distPullInterval": 100,
        "checkSegmentInterval": 100,
        "checkChannelInterval": 100,
    },
    "proxy": {"timeTickInterval": 50},
    "rootCoord": {"maxDatabaseNum": 512, "dmlChannelNum": 2},
    "log": {"level": "warn"},
}
"""How often its parts look at each other, in milliseconds, instead of every 0.2 to 1 s. A small collection is loaded in 1.9 s
instead of 2.9 and released in 0.2 instead of 0.8; a strong read waits 0.13 s instead of 0.4; an idle server takes 10 % of a core,
not 4. Time ticks go through two channels instead of sixteen: with eight collections loaded 14 % of a core instead of 18. And room
for the databases of all processes that share it."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*(?:\((\w+)\))?\s*(?::\s*(.*?))?\s*\}\}")


def package_data() -> Path | None:
    """The package's data directory, or None where it is not installed (it exists for x86-64 Linux only)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "data"


def binaries(data: Path) -> Path:
    """Unpacks the server and its libraries, unless an earlier run did.

    Two runs at the same time both unpack; the first to finish puts its directory in place.
    """
    if CACHE.is_dir():
        return CACHE
    fresh = Path(tempfile.mkdtemp(prefix=f"{CACHE.name}-", dir=CACHE.parent))
    try:
        for packed in sorted((data / "bin").glob("*.lzma")):
            unpacked = fresh / packed.stem
            with lzma.open(packed) as compressed, unpacked.open("wb") as plain:
                shutil.copyfileobj(compressed, plain)
            unpacked.chmod(0o755)
        with contextlib.suppress(OSError):
            fresh.rename(CACHE)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return CACHE


def start_real(
    data: Path,
    directory: Path,
    *,
    port: int | None = None,
    quick: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Server:
    """Starts one server with everything it writes under `directory`; it is not ready before `Server.wait`.

    Args:
        data: `package_data()`.
        directory: An empty directory of its own.
        port: Where it serves gRPC; every other port is a free one.
        quick: Whether it is to load small collections soon; otherwise it is as the package configures it.
        settings: Further settings, as the environment variables that Milvus reads them from.
    """
    executables = binaries(data)
    config = directory / "configs"
    config.mkdir(parents=True)
    (directory / "data").mkdir()
    shutil.copy(data / "glog.conf", config / "glog.conf")
    template = (data / "config.yaml.template").read_text()
    names = [name for name, _, _ in _PLACEHOLDER.findall(template) if name.endswith("_port")]
    *chosen, etcd_peer, metrics = free_ports(len(names) + 2, PORTS)
    ports = dict(zip(names, chosen, strict=True)) | ({} if port is None else {"proxy_port": port})
    values = {name: str(each) for name, each in ports.items()} | _paths(directory)
    filled = _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[3] or "")), template)
    (config / "milvus.yaml").write_text(_quickened(filled) if quick else filled)
    etcd = config / "etcd.yaml"
    etcd.write_text(_etcd(directory / "data" / "etcd.data", ports["etcd_port"], etcd_peer))
    env = os.environ | {
        "DEPLOY_MODE": "STANDALONE",
        "ETCD_CONFIG_PATH": str(etcd),
        "LD_LIBRARY_PATH": str(executables),
        "METRICS_PORT": str(metrics),
        "MILVUS_RUN_DIR": str(directory / "run"),
    }
    if quick:
        env["GOGC"] = "1600"  # it collects its garbage a sixteenth as often
    env |= settings or {}
    command = [str(executables / "milvus"), "run", "standalone"]
    log = directory / "server.log"
    return Server(
        lambda: spawned(command, log=log, env=env, directory=directory),
        ports=[ports.pop("proxy_port"), *ports.values(), etcd_peer, metrics],
        log=log,
    )


@contextlib.contextmanager
def real_pair(
    directory: Path,
    ports: tuple[int, int] | None = None,
    *,
    quick: bool = False,
    of_source: Mapping[str, str] | None = None,
) -> Iterator[tuple[Server, Server]]:
    """Two servers, source and target, that answer when it yields; when it ends they and their data are gone, their logs are not.

    Args:
        directory: Where they write.
        ports: Where they serve; free ones otherwise.
        quick: As in `start_real`.
        of_source: Settings of the source alone, as there.

    Raises:
        ServerFailed: One did not start; its log is in the message.
        FileNotFoundError: The package is not installed.
    """
    data = package_data()
    if data is None:
        raise FileNotFoundError(f"the Python package {PACKAGE}=={VERSION} is not installed")
    wanted = ports or (None, None)
    with contextlib.ExitStack() as stack:
        for name in ("source", "target"):
            stack.callback(shutil.rmtree, directory / name / "data", ignore_errors=True)
        with _one_at_a_time():
            servers = [
                stack.enter_context(
                    start_real(data, directory / name, port=port, quick=quick, settings=settings)
                )
                for name, port, settings in zip(
                    ("source", "target"), wanted, (of_source, None), strict=True
                )
            ]
            source, target = (server.wait() for server in servers)
        yield source, target


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of several processes one starts its servers: a port that was free is not taken by another one before they listen."""
    with CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _quickened(filled: str) -> str:
    """The configuration with `QUICK` in it."""
    whole = yaml.safe_load(filled)
    for part, settings in QUICK.items():
        whole[part] |= settings
    return yaml.safe_dump(whole, sort_keys=False)


def _paths(directory: Path) -> dict[str, str]:
    """The template's places, all under one directory."""
    return {
        "etcd_data_dir": str(directory / "data" / "etcd.data"),
        "etcd_log_level": "warn",
        "etcd_log_path": str(directory / "etcd.log"),
        "local_storage_dir": str(directory / "data"),
        "rocksmq_data_dir": str(directory / "data" / "rocksmq"),
        "system_log_path": str(directory / "logs"),
    }


def _etcd(data: Path, client: int, peer: int) -> str:
    """An embedded etcd's configuration: without it every server takes ports 2379 and 2380."""
    client_url, peer_url = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return (
        "name: default\n"
        f"data-dir: {data}\n"
        f"listen-client-urls: {client_url}\n"
        f"advertise-client-urls: {client_url}\n"
        f"listen-peer-urls: {peer_url}\n"
        f"initial-advertise-peer-urls: {peer_url}\n"
        f"initial-cluster: default={peer_url}\n"
        "log-level: warn\n"
    )


def main() -> None:
    """Keeps a pair running until Ctrl-C or SIGTERM, then removes everything it made."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--ports", nargs=2, type=int, default=(19530, 20530), metavar=("SOURCE", "TARGET")
    )
    source_port, target_port = parser.parse_args().ports
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="ferry-pair-", ignore_cleanup_errors=True) as directory,
        real_pair(Path(directory), (source_port, target_port)) as (source, target),
    ):
        for name, server in (("source", source), ("target", target)):
            sys.stdout.write(f"{name} {server.uri} (process {server.pid})\n")
        sys.stdout.write("Ctrl-C ends both.\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
