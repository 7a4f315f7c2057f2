"""What is measured runs on servers of its own, configured as their package does it."""

from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from bot.demo.clusters import Server
from tests.beds.real import package_data, real_pair

KEEPS_SEGMENTS = {"DATACOORD_COMPACTION_ENABLEAUTOCOMPACTION": "false"}
"""Else it merges the source's segments between two runs, and they do not measure the same: a loop over several segments takes a
third more of the client's CPU than one over a single segment."""


@pytest.fixture(scope="session")
def real_milvus_pair(
    tmp_path_factory: pytest.TempPathFactory, require: Callable[[str], NoReturn]
) -> Iterator[tuple[Server, Server]]:
    """Two real Milvus 2.3.5 servers, source and target, as their package configures them; the source keeps its segments."""
    if package_data() is None:
        require("the PyPI package milvus==2.3.5 (x86-64 Linux only) is not installed")
    with real_pair(tmp_path_factory.mktemp("real-milvus"), of_source=KEEPS_SEGMENTS) as pair:
        yield pair
