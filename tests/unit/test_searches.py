"""The overlap of two sides' search results: by keys, with ties at the end standing for each other; and what is said of it."""

import pytest
from pymilvus.grpc_gen import schema_pb2

from engine.milvus.schemas import encode
from engine.milvus.searching import Hits, values_of, vector_fields
from engine.model import IndexDefinition, SearchComparison
from engine.proof.searches import overlap, sentence
from tests.engine.shapes import T, collection, keyed_schema

OURS: Hits = [(1, 0.9), (2, 0.8), (3, 0.5)]


@pytest.mark.parametrize(
    ("theirs", "share"),
    [
        (OURS, 1.0),
        ([(2, 0.8), (1, 0.9), (3, 0.5)], 1.0),
        ([(1, 0.9), (2, 0.8), (4, 0.5000001)], 1.0),
        ([(1, 0.9), (2, 0.8), (4, 0.4)], 2 / 3),
        ([(1, 0.9)], 1 / 3),
        ([], 0.0),
    ],
)
def test_the_overlap_counts_what_both_find(theirs: Hits, share: float) -> None:
    """In any order; another key is the same hit only where its score ties with the last one; what is missing counts."""
    assert overlap([OURS, OURS], [theirs, theirs]) == pytest.approx(share)


def test_nothing_to_find_is_no_difference() -> None:
    """Queries that find nothing on the source have nothing that the target could lack."""
    assert overlap([], []) == overlap([[]], [[]]) == 1.0


def test_more_hits_than_the_source_has_are_no_better() -> None:
    """Where the target finds more that tie, or more than the source has entities, the share stays 1."""
    assert overlap([[(1, 0.9)]], [[(1, 0.9), (2, 0.9)]]) == 1.0


def found(**changes: object) -> SearchComparison:
    """A comparison of an HNSW index."""
    plain = SearchComparison(field="v", index_type="HNSW", queries=10, top_k=10, overlap=0.97)
    return plain.model_copy(update=changes)


def test_what_is_said() -> None:
    """The same is not worth a word; an approximate index explains a difference, an exact one does not; a failure is told."""
    assert sentence(found(overlap=1.0)) == ""
    assert "find 97% of the same 10 nearest entities (10 queries): HNSW is approx" in sentence(
        found()
    )
    assert "look at the target's index" in sentence(found(exact=True, index_type="FLAT"))
    assert "statistics that each server keeps" in sentence(found(by_text=True))
    shared = sentence(found(exact=True, index_type="FLAT"), uncopied=80)
    assert "the source also finds the 80 entities that share a key and were not copied" in shared
    assert "index" not in shared
    assert sentence(found(reason="the server said no.")).endswith(
        "not compared: the server said no."
    )


def test_vectors_are_cut_by_entity_and_nulls_left_out() -> None:
    """Float, binary and sparse columns give one value per entity that has one."""
    column = schema_pb2.FieldData(field_name="v")
    column.vectors.dim = 2
    column.vectors.float_vector.data.extend([1, 2, 3, 4])
    assert [len(vector) for vector in values_of(column, 2)] == [8, 8]
    column.valid_data.extend([True, False, True])
    assert len(values_of(column, 3)) == 2
    column = schema_pb2.FieldData(field_name="v")
    column.vectors.dim = 16
    column.vectors.binary_vector = b"abcdef"
    assert values_of(column, 3) == [b"ab", b"cd", b"ef"]
    column = schema_pb2.FieldData(field_name="v")
    column.vectors.sparse_float_vector.contents.extend([b"12345678", b""])
    assert values_of(column, 2) == [b"12345678", b""]


def test_texts_that_are_null_or_empty_are_no_queries() -> None:
    """A text column gives the texts that entities have, whether the server left placeholders for its nulls or not."""
    column = schema_pb2.FieldData(field_name="t")
    column.scalars.string_data.data.extend(["silver", "", "lantern"])
    assert values_of(column, 3) == [b"silver", b"lantern"]
    column.valid_data.extend([True, True, False])
    assert values_of(column, 3) == [b"silver"]
    column.valid_data.append(False)
    assert values_of(column, 4) == [b"silver", b"lantern"]


def test_a_field_that_bm25_makes_is_asked_by_its_text() -> None:
    """The outputs of a BM25 function are searched by texts, a plain vector by itself, what a provider makes not at all."""
    schema = keyed_schema()
    for name, kind, made in (
        ("v", T.FloatVector, False),
        ("words", T.SparseFloatVector, True),
        ("embedded", T.FloatVector, True),
    ):
        schema.fields.add(name=name, data_type=kind, is_function_output=made)
    for output, kind in (
        ("words", schema_pb2.FunctionType.BM25),
        ("embedded", schema_pb2.FunctionType.TextEmbedding),
    ):
        schema.functions.add(
            name=output, type=kind, input_field_names=["body"], output_field_names=[output]
        )
    indexes = tuple(
        IndexDefinition(name=name, field=name, params={"index_type": "FLAT"})
        for name in ("v", "words", "embedded")
    )
    plan = collection(indexes=indexes, definition=encode(schema))
    asked = [(field.name, field.asked_by, field.by_text) for field in vector_fields(plan)]
    assert asked == [("v", "v", False), ("words", "body", True)]
