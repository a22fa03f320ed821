"""The fields of every kind."""

from __future__ import annotations

from harness.lab.apiserver import registry, schema
from harness.lab.apiserver.schema import generate


def test_the_file_is_what_the_package_says() -> None:
    """The checked-in fields are those of the ``kubernetes`` package's models.

    An older or newer package may know other fields: then every type of the file must still be there.
    """
    installed = generate.built_in()
    checked_in = {name: fields for name, fields in schema.types().items() if name in installed}
    assert set(schema.types()) - set(checked_in) == set(_custom_types())
    if generate.package_version() == generate.MADE_FROM:
        assert generate.text(installed) == generate.PATH.read_text()


def _custom_types() -> list[str]:
    return [name for name in schema.types() if not name.startswith(("V1", "Core", "Events", "Discovery"))]


def test_every_kind_has_fields() -> None:
    """Each row of the registry names a type that there is, with metadata."""
    for resource in registry.RESOURCES:
        fields = schema.fields_of(resource.schema)
        assert fields is not None, resource.kind
        assert fields["metadata"] == "V1ObjectMeta"


def test_every_type_that_is_named_is_there() -> None:
    """No field points to a type that the files have not."""
    simple = {"str", "int", "bool", "float", "object", "datetime", "date", "bytes"}
    named = {kind.lstrip("[{") for fields in schema.types().values() for kind in fields.values()}
    assert named - simple - set(schema.types()) == set()
