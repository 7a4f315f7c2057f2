"""The only room that speaks Milvus: gRPC, protobuf columns, schemas and their expressions."""
