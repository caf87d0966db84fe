"""What is written of the settings is what the program reads."""

import re

import pytest

from crpbot_site import configuration
from crpbot_site.environment import PROJECT, Environment

VARIABLES = [str(field.validation_alias) for field in Environment.model_fields.values()]


@pytest.mark.parametrize("path", configuration.files(), ids=lambda path: path.name)
def test_the_written_settings_are_those_of_the_program(path: object) -> None:
    written = {p: p.read_text(encoding="utf-8") for p in configuration.files()}
    assert written[path] == configuration.files()[path], "run python -m crpbot_site.configuration"


def test_the_example_names_every_setting_once() -> None:
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    assert re.findall(r"^#([A-Z0-9_]+)=", text, re.MULTILINE) == VARIABLES
    assert not re.findall(r"^[^#\n]", text, re.MULTILINE), "nothing is set before somebody chooses it"


def test_the_document_has_one_heading_for_each_setting() -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (\S+)$", text, re.MULTILINE) == VARIABLES


def test_the_example_as_it_stands_is_a_valid_environment(load: object) -> None:
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    given = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    del given["CRPBOT_DATA_DIR"]
    assert callable(load)
    assert load(**given).model_dump(exclude={"data_dir"}) == load().model_dump(exclude={"data_dir"})


def test_every_setting_is_explained_in_a_sentence() -> None:
    for field in Environment.model_fields.values():
        assert str(field.description).endswith(".")
