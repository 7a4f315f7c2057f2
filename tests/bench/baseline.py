"""What a user writes today: `query_iterator` on the source, `insert` of its row dicts on the target. Run as a process of its own.

`python -m tests.bench.baseline SOURCE TARGET COLLECTION SOURCE_PID TARGET_PID` prints the entities and the loop's clocks.
"""

import json
import sys

from pymilvus import MilvusClient

from tests.bench.meter import peak_megabytes, read

BATCH_ROWS = 1_000
"""The SDK's default, and of 1,000, 2,000 and 5,000 the one with the least CPU at about the same rate."""


def copy(source: MilvusClient, target: MilvusClient, collection: str) -> int:
    """Copies all entities as row dicts and returns how many there were."""
    copied = 0
    iterator = source.query_iterator(collection, batch_size=BATCH_ROWS, output_fields=["*"])
    while rows := iterator.next():
        target.insert(collection, rows)
        copied += len(rows)
    iterator.close()
    return copied


def create(source: MilvusClient, target: MilvusClient, collection: str) -> None:
    """Creates the collection as it is on the source, without an index."""
    described = source.describe_collection(collection)
    schema = target.create_schema(enable_dynamic_field=described["enable_dynamic_field"])
    for field in described["fields"]:
        key = {"is_primary": True} if field.get("is_primary") else {}
        schema.add_field(field["name"], field["type"], **field["params"], **key)
    target.create_collection(collection, schema=schema)


def main() -> None:
    """Creates, copies, and prints the figures as JSON."""
    source_uri, target_uri, collection, *pids = sys.argv[1:]
    source, target = MilvusClient(source_uri), MilvusClient(target_uri)
    source_pid, target_pid = map(int, pids)
    create(source, target, collection)
    before = read(source_pid, target_pid)
    entities = copy(source, target, collection)
    clocks = read(source_pid, target_pid).since(before)
    figures = {"entities": entities, "peak_megabytes": peak_megabytes(), "copy": clocks}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
