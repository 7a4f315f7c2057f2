"""What counts as the address of a server."""

import pytest

from engine import addresses
from engine.errors import ConfigurationInvalid

SECRET = "sekret"  # it must not come back


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("http://milvus", ("milvus", 19530)),
        ("http://milvus:20530/", ("milvus", 20530)),
        ("https://in03-abc.api.example.com", ("in03-abc.api.example.com", 443)),
        ("https://in03-abc.example.com:19541", ("in03-abc.example.com", 19541)),
        ("http://[::1]:19531", ("::1", 19531)),
    ],
)
def test_an_address_has_a_host_and_a_port(uri: str, place: tuple[str, int]) -> None:
    """A port that is left out is Milvus's, or that of https."""
    assert addresses.host_and_port(uri) == place


@pytest.mark.parametrize(
    "uri",
    [
        f"http://root:{SECRET}@milvus:19530",
        f"http://:{SECRET}@milvus",
        f"http://{SECRET}@milvus",
        f"http://milvus:{SECRET}",
        "http://milvus:99999",
        f"http://[::1{SECRET}",
        f"http://milvus/{SECRET}",
        f"http://milvus?token={SECRET}",
        f"http://milvus#{SECRET}",
        f"grpc://{SECRET}:19530",
        "http://",
        "",
    ],
)
def test_anything_else_is_refused_and_never_repeated(uri: str) -> None:
    """What is no address, or holds more than a host and a port, is refused in three sentences that do not hold it."""
    with pytest.raises(ConfigurationInvalid) as told:
        addresses.host_and_port(uri)
    assert SECRET not in str(told.value)
    assert all(sentence.endswith(".") for sentence in list(told.value.parts.values())[1:])


def test_a_password_is_told_where_it_belongs() -> None:
    """Who writes it into the address reads the names of the variables."""
    with pytest.raises(ConfigurationInvalid, match="FERRY_SOURCE_TOKEN or FERRY_TARGET_TOKEN"):
        addresses.host_and_port(f"http://root:{SECRET}@milvus:19530")
