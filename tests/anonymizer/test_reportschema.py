"""The schema that is shipped is that of the classes, and says what it should."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

import anonymizer
from anonymizer import reportschema
from anonymizer.head.expression import MOTION

SCHEMAS = reportschema.schemas()


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_shipped_schema_is_that_of_the_classes(name):
    text = json.dumps(SCHEMAS[name], indent=2) + "\n"
    shipped = Path(anonymizer.__file__).with_name(name).read_text()
    assert shipped == text, "the report has changed; python -m tests.regenerate_schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"].endswith("2020-12/schema")


def test_a_translation_can_only_say_that_it_hides_nobody():
    said = SCHEMAS["translation.schema.json"]["properties"]["anonymized"]
    assert said["enum"] == [False]
    assert said["description"].startswith("Never")


def test_it_lists_the_numbers_of_motion():
    listed = reportschema.schema()["properties"]["motion"]["items"]["enum"]
    assert listed == list(MOTION)
    assert len(listed) == 22


def test_it_tells_what_is_said_under_the_fields():
    doubt = reportschema.schema()["$defs"]["Doubt"]
    assert doubt["properties"]["frame_written"]["description"] == "Index in the output."
    assert doubt["properties"]["box"]["minItems"] == 4
    assert "``" not in json.dumps(reportschema.schema())


@dataclass
class Strange:
    number: complex


def test_a_kind_of_field_that_it_does_not_know_is_no_silent_gap():
    with pytest.raises(TypeError, match="no schema for <class 'complex'>"):
        reportschema._object(Strange, {})
