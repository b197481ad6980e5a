"""What all nouns are: frozen data with no field that was not asked for."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

Positive = Annotated[FiniteFloat, Field(gt=0)]


class Frozen(BaseModel):
    """Immutable, and closed: an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def alone_or_many(value: Any) -> tuple[Any, ...]:
    """A tuple of them, of one where it stands alone."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def one_or_many(kind: Any) -> BeforeValidator:
    """Annotates a tuple that a file writes as a list, or where it has one item as that alone."""
    return BeforeValidator(alone_or_many, json_schema_input_type=kind | list[kind])


def left_out_at(default: Any, description: str | None = None) -> Any:
    """A field with this default, at which data leave it out: what came later changes no hash of
    what was before.
    """
    return Field(default, description=description, exclude_if=lambda value: value == default)


def problem_of(error: ValueError | OSError) -> str:
    """What is wrong with a file of such data, in few words, of the error that reading it raised."""
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"]
    return str(error.strerror if isinstance(error, OSError) else error)


def all_fields(model: BaseModel) -> dict[str, Any]:
    """The JSON data of a model with every field, those too that its JSON leaves out at their
    defaults.
    """
    data = model.model_dump(mode="json")
    for name in type(model).model_fields:
        value = getattr(model, name)
        data[name] = all_fields(value) if isinstance(value, BaseModel) else data.get(name, value)
    return data
