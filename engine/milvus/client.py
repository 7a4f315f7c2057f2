"""pymilvus's own client, for whoever prepares data on a cluster: the demo's samples and the tests.

The engine never migrates through it: it resends writes by itself (engine/milvus/connection.py).
"""

from typing import Any

from pymilvus import MilvusClient

_NEVER_MS = 2**31 - 1


def preparing_client(uri: str, db_name: str = "") -> MilvusClient:
    """Opens a client whose connection is its own and sends no keepalive pings.

    By default clients of one process share a connection to an address and ping it every 10 s even
    when idle (pymilvus 3.0.2, `grpc_handler._create_grpc_channel`); a server that follows gRPC's default of
    at most one such ping in 5 minutes hangs up with "Too many pings", which Milvus Lite does.
    """
    quiet: dict[str, Any] = {
        "grpc.keepalive_time_ms": _NEVER_MS,
        "grpc.keepalive_permit_without_calls": False,
    }
    return MilvusClient(uri, db_name=db_name, dedicated=True, grpc_options=quiet)
