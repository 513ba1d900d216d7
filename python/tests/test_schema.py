"""Do the committed schemas accept what systolab accepts, and refuse what it refuses?"""

import copy
import json
import tomllib

import jsonschema
import pytest

import systolab

FILES = {
    "hardware": ["hw-configs/*.toml", "docs/published-figures/*.toml"],
    "workload": ["workloads/*.toml", "workloads/*/*.toml", "tests/goldens/cli/*.in/*w4.toml"],
    "technology": ["hw-configs/technology/*.toml"],
    "sweep": ["docs/sweep-example.toml"],
}


def validator(root, kind):
    schema = json.loads((root / f"docs/schemas/{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def files(root, kind):
    found = sorted(path for pattern in FILES[kind] for path in root.glob(pattern))
    documents = [(path, tomllib.loads(path.read_text())) for path in found]
    if kind == "hardware":  # two files of that folder are networks and figures
        documents = [(path, document) for path, document in documents if "array" in document]
    return [(path, document) for path, document in documents if "schema_version" in document]


@pytest.mark.parametrize("kind", FILES)
def test_schemas_are_those_of_the_command(command, root, kind):
    assert command("schema", kind).stdout == (root / f"docs/schemas/{kind}.schema.json").read_text()


@pytest.mark.parametrize("kind", FILES)
def test_shipped_files_are_accepted(root, kind):
    checked = files(root, kind)
    assert len(checked) >= {"hardware": 7, "workload": 20, "technology": 2, "sweep": 1}[kind]
    for path, document in checked:
        errors = [error.message for error in validator(root, kind).iter_errors(document)]
        assert not errors, (path, errors[:3])


def changed(document, path, value):
    document = copy.deepcopy(document)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("kind", "file", "path", "value"),
    [
        ("hardware", "hw-configs/edge-32x32.toml", ["schema_version"], 2),
        ("hardware", "hw-configs/edge-32x32.toml", ["colour"], "red"),
        ("hardware", "hw-configs/edge-32x32.toml", ["array", "rows"], "24"),
        ("hardware", "hw-configs/edge-32x32.toml", ["array", "rows"], 0),
        ("hardware", "hw-configs/edge-32x32.toml", ["array", "dataflows"], ["rs"]),
        ("hardware", "hw-configs/edge-32x32.toml", ["array", "dataflows"], []),
        ("hardware", "hw-configs/edge-32x32.toml", ["scratchpad", "weight", "bytes"], "96 KiB"),
        ("hardware", "hw-configs/edge-32x32.toml", ["mac", 0, "lanes", "along"], "m"),
        ("hardware", "hw-configs/edge-32x32.toml", ["dram"], {}),
        ("workload", "workloads/resnet50-w8a8.toml", ["generator", "resnet", "depth"], "fifty"),
        ("workload", "workloads/resnet50-w8a8.toml", ["generator", "resnet", "variant"], "v2"),
        ("workload", "workloads/resnet50-w8a8.toml", ["precision", "defaults"], "w8a8"),
        ("workload", "workloads/resnet50-w8a8.toml", ["schema_version"], 7),
        ("technology", "hw-configs/technology/7nm.toml", ["name"], 7),
        ("technology", "hw-configs/technology/7nm.toml", ["energies"], {}),
        ("technology", "hw-configs/technology/7nm.toml", ["energy", "multiplier"], []),
        ("sweep", "docs/sweep-example.toml", ["axes"], {"array.rows": [1]}),
        ("sweep", "docs/sweep-example.toml", ["axes"], {"hardware.array.rows": []}),
        ("sweep", "docs/sweep-example.toml", ["axes"], {"hardware.array.rows": {"from": 1}}),
        ("sweep", "docs/sweep-example.toml", ["regime"], "warm"),
        ("sweep", "docs/sweep-example.toml", ["require"], [{"metric": "speed", "max": 1}]),
        ("sweep", "docs/sweep-example.toml", ["hardware"], []),
    ],
)
def test_hostile_files_are_refused_by_both(folder, root, kind, file, path, value):
    document = changed(tomllib.loads((root / file).read_text()), path, value)
    assert list(validator(root, kind).iter_errors(document))
    (folder / "bad.toml").write_text(toml(document))
    with pytest.raises(systolab.SystolabError, match="bad.toml"):
        if kind == "hardware":
            systolab.load_design("bad.toml")
        elif kind == "workload":
            systolab.load_workload("bad.toml")
        elif kind == "technology":
            design = tomllib.loads((root / "hw-configs/edge-32x32.toml").read_text())
            (folder / "design.toml").write_text(toml({**design, "technology": "bad.toml"}))
            systolab.load_design("design.toml")
        else:
            systolab.sweep("bad.toml", "out")


def toml(value, top=True):
    """Enough TOML for these documents: everything below the first level is inline."""
    if isinstance(value, dict):
        entries = [f"{json.dumps(key)} = {toml(entry, top=False)}" for key, entry in value.items()]
        return "\n".join(entries) if top else "{ " + ", ".join(entries) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(element, top=False) for element in value) + "]"
    return json.dumps(value)
