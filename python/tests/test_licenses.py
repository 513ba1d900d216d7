"""Does the wheel name the license of every crate inside, and have its text?"""

import json
import re
import subprocess
from importlib.metadata import files


def installed(name):
    [file] = [file for file in files("systolab") or [] if file.name == name]
    return file.read_text(encoding="utf-8")


def test_every_crate_names_its_license():
    components = json.loads(installed("systolab-python.cyclonedx.json"))["components"]
    assert len(components) > 100
    assert [component["name"] for component in components if not component.get("licenses")] == []


def test_every_crate_has_its_license_text(root):
    of = ["--package", "systolab-python", "--edges", "normal,build", "--target", "all", "--prefix", "none"]
    tree = subprocess.run(["cargo", "tree", "--locked", *of], cwd=root, capture_output=True, text=True, check=True)
    crates = {" ".join(line.split()[:2]).replace(" v", " ") for line in tree.stdout.splitlines()}
    others = {crate for crate in crates if not crate.startswith("systolab")}
    assert len(others) > 100
    named = set(re.findall(r"^    (\S+ \d\S*)", installed("THIRD-PARTY.txt"), re.MULTILINE))
    assert {crate for crate in named if not crate.startswith("systolab")} == others, "about.toml says how it is made"
