"""pymilvus's generated messages and stubs, without the client around them.

Importing `pymilvus` itself loads pandas and pyarrow for its client: 90 MB and most of a second, in every worker and for every
command, for nothing that Ferry calls. Nothing but the generated modules is loaded here.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2
else:

    def _load(package: str) -> None:
        """Loads a package's part `grpc_gen`; the package's own `__init__` does not run, and still runs for who imports it later."""
        spec = find_spec(package)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        if package in sys.modules:
            import_module(f"{package}.grpc_gen")
            return
        sys.modules[package] = module_from_spec(spec)
        try:
            import_module(f"{package}.grpc_gen")
        finally:
            del sys.modules[package]

    _load("pymilvus")
    common_pb2 = sys.modules["pymilvus.grpc_gen.common_pb2"]
    milvus_pb2 = sys.modules["pymilvus.grpc_gen.milvus_pb2"]
    milvus_pb2_grpc = sys.modules["pymilvus.grpc_gen.milvus_pb2_grpc"]
    schema_pb2 = sys.modules["pymilvus.grpc_gen.schema_pb2"]

__all__ = ["common_pb2", "milvus_pb2", "milvus_pb2_grpc", "schema_pb2"]
