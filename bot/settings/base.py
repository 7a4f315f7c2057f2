"""The base of all sections of `ferry.yml`; it knows none of them."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """The base of all sections: frozen, and unknown keys are errors, so that a misspelt key is not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
