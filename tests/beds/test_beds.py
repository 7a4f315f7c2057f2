"""The test beds themselves: real servers that answer, and processes that do not outlive their test."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from bot.demo.clusters import Server, ServerFailed, free_ports, is_free, spawned
from engine.milvus.client import preparing_client
from tests.beds.shared import Lent, shared_pair


@pytest.mark.real_milvus
def test_pair_is_two_real_servers(real_milvus_pair: tuple[Lent, Lent]) -> None:
    """Source and target are two Milvus 2.3.5 processes that do not see each other's collections."""
    clients = [preparing_client(server.uri) for server in real_milvus_pair]
    clients[0].create_collection("only_here", dimension=4)
    try:
        assert [client.has_collection("only_here") for client in clients] == [True, False]
        assert [client.get_server_version() for client in clients] == ["v2.3.5-lite"] * 2
        names = [psutil.Process(server.pid).name() for server in real_milvus_pair]
        assert names == ["milvus", "milvus"]
    finally:
        clients[0].drop_collection("only_here")
        for client in clients:
            client.close()


@pytest.mark.real_milvus
def test_pair_ends_after_its_last_user(real_milvus_pair: tuple[Lent, Lent], tmp_path: Path) -> None:
    """Who asks for the pair of a folder gets the one that runs; it outlives its first user, and ends with its last."""
    assert real_milvus_pair  # this machine has the package
    with ExitStack() as second:
        with shared_pair(tmp_path / "pair", linger=1) as pair:
            assert second.enter_context(shared_pair(tmp_path / "pair")) == pair
        processes = [psutil.Process(server.pid) for server in pair]
        assert [process.name() for process in processes] == ["milvus", "milvus"]
    assert psutil.wait_procs(processes, timeout=30)[1] == []


def test_lite_server_keeps_its_data(lite_server: Callable[..., Server]) -> None:
    """A Milvus Lite server that was killed holds its collections when it is started over the same directory."""
    first = lite_server("kept")
    client = preparing_client(first.uri)
    client.create_collection("kept", dimension=4)
    client.close()
    first.close()
    assert not psutil.pid_exists(first.pid)
    client = preparing_client(lite_server("kept").uri)
    assert client.list_collections() == ["kept"]
    client.close()


def test_failed_start_shows_the_log(lite_server: Callable[..., Server]) -> None:
    """A server that cannot start is reported at once, with the end of its log."""
    lite_server("locked")
    with pytest.raises(ServerFailed, match=r"(?s)ended with 1\. Its log ends:.*lock"):
        lite_server("locked")


def test_taken_port_is_refused(lite_server: Callable[..., Server]) -> None:
    """A port that another server serves is refused, as gRPC would share it silently."""
    taken = lite_server("first")
    with pytest.raises(ServerFailed, match=f"Port {taken.port} is in use"):
        lite_server("second", port=taken.port)


def test_all_ports_of_a_server_are_taken_from_its_start(tmp_path: Path) -> None:
    """A port that a server will listen on only later is nobody else's, until the server is closed."""
    grpc, other = free_ports(2)
    log = tmp_path / "log"
    with Server(lambda: spawned(["sleep", "60"], log=log), ports=[grpc, other], log=log):
        assert (is_free(grpc), is_free(other)) == (False, False)
    assert (is_free(grpc), is_free(other)) == (True, True)


def test_free_ports_differ() -> None:
    """Ports picked together are never the same."""
    ports = free_ports(30)
    assert len(set(ports)) == 30
