"""What every record of the engine is: frozen, strict about unknown names, storable as JSON."""

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

PrimaryKey: TypeAlias = int | str
"""An INT64 or a VARCHAR primary key; the collection's schema says which."""


class Record(BaseModel):
    """The base of all records: frozen, strict about unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
