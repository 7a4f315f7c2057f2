"""The only room that speaks Milvus: gRPC, protobuf columns, schemas and their expressions."""

import os

_POLLER = "-event_engine_client"
"""gRPC reads in the thread that waits for the answer, as its Python package did until 2025, instead of handing what comes from one
of its own threads to the next: 0.36 s of CPU instead of 0.51 to read 318 MB, with 9,000 instead of 15,000 switches (measured)."""

# gRPC looks once, when it is loaded. Whoever runs Ferry may set it otherwise.
os.environ.setdefault("GRPC_EXPERIMENTS", _POLLER)
