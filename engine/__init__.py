"""Ferry's engine: plan, copy and verify a database between two Milvus clusters."""
