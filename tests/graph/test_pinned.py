"""Choices as documents: what a file holds, that it comes back, and what is refused before it can do anything."""

import json
import os

import pytest

from cyconv._kernels.cpu import isa
from cyconv.graph.pinned import Choice, choices_of, document_of, read_document, write_document

CHOICES = {"a: conv2d …": Choice("F(4,3)"), "b: linear 3 to 4": Choice("direct", "bfloat16"), "c": Choice()}
DOCUMENT = {
    "version": 1,
    "isa": isa(),
    "layers": {
        "a: conv2d …": {"algorithm": "F(4,3)", "weights": "float32"},
        "b: linear 3 to 4": {"algorithm": "direct", "weights": "bfloat16"},
        "c": {"algorithm": "direct", "weights": "float32"},
    },
}


def test_round_trip(tmp_path):
    assert document_of(CHOICES) == DOCUMENT and choices_of(DOCUMENT) == CHOICES
    path = tmp_path / "choices.json"
    write_document(DOCUMENT, path)
    assert read_document(path) == read_document(str(path)) == read_document(DOCUMENT) == DOCUMENT
    assert json.loads(path.read_text(encoding="utf-8")) == DOCUMENT and os.listdir(tmp_path) == ["choices.json"]


def test_what_may_be_left_out():
    assert choices_of({"version": 1, "layers": {"c": {"algorithm": "direct"}}}) == {"c": Choice()}
    assert choices_of({"version": 1, "layers": {}}) == {}


def test_a_document_is_copied():
    given = json.loads(json.dumps(DOCUMENT))
    read = read_document(given)
    given["layers"]["c"]["algorithm"] = "F(2,3)"
    assert read == DOCUMENT


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "choices.json"
    write_document(DOCUMENT, path)
    with pytest.raises(TypeError):
        write_document({"version": object()}, path)
    assert read_document(path) == DOCUMENT and os.listdir(tmp_path) == ["choices.json"]
    with pytest.raises(OSError):
        write_document(DOCUMENT, tmp_path / "no folder" / "choices.json")


LAYER = {"algorithm": "direct", "weights": "float32"}
WRONG = {
    "no version": ({"layers": {}}, "version must be 1, got None"),
    "version": ({"version": 2, "layers": {}}, "version must be 1, got 2"),
    "true": ({"version": True, "layers": {}}, "version must be 1, got True"),
    "no layers": ({"version": 1}, "'layers' must map layers to choices, got NoneType"),
    "a list": ({"version": 1, "layers": [LAYER]}, "'layers' must map layers to choices, got list"),
    "more": ({"version": 1, "layers": {}, "colour": 1}, "choices: unknown entry 'colour'; known are isa, layers, version"),
    "name": ({"version": 1, "layers": {3: LAYER}}, "layers are named by strings, got 3"),
    "entry": ({"version": 1, "layers": {"a": "direct"}}, "'a' must have a dict with 'algorithm' and 'weights', got 'direct'"),
    "field": ({"version": 1, "layers": {"a": {**LAYER, "kind": 1}}}, "choices: 'a': unknown entry 'kind'; known are algorithm, weights"),
    "no algorithm": ({"version": 1, "layers": {"a": {}}}, r"'a': algorithm must be one of 'direct', 'F\(2,3\)', .*, got None"),
    "algorithm": ({"version": 1, "layers": {"a": {"algorithm": "F(9,3)"}}}, r"'a': algorithm must be one of .*, got 'F\(9,3\)'"),
    "unhashable": ({"version": 1, "layers": {"a": {"algorithm": []}}}, r"'a': algorithm must be one of .*, got \[\]"),
    "weights": ({"version": 1, "layers": {"a": {**LAYER, "weights": "int8"}}}, "'a': weights must be one of 'float32', 'bfloat16', got"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_refusals(name, tmp_path):
    document, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        choices_of(document)
    if name != "name":
        path = tmp_path / "choices.json"
        path.write_text(json.dumps(document))
        with pytest.raises(ValueError, match=message):
            read_document(path)


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000, '{"version": 1, "layers": {}}x', "\ud800"])
def test_files_that_are_no_json(text, tmp_path):
    path = tmp_path / "choices.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"choices: .*choices.json is no JSON file"):
        read_document(path)
    path.write_text("[1]")
    with pytest.raises(ValueError, match="the file must hold an object with 'version' and 'layers', got list"):
        read_document(path)


@pytest.mark.parametrize("wrong", [None, 3, [], b"choices.json", [("version", 1)]])
def test_sources_that_are_none(wrong):
    with pytest.raises(TypeError, match="choices: expected a path or a dict with 'version' and 'layers', got"):
        read_document(wrong)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_document(tmp_path / "choices.json")
