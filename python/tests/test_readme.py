"""Does the README's Python run?"""

import re

import systolab


def test_python_of_the_readme(root, monkeypatch):
    monkeypatch.chdir(root)
    [example] = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(example, names)  # noqa: S102
    assert names["layers"]["cycles"].sum() == names["simulation"]["totals"]["cycles"]
    assert names["run"]["tensors"]["stem"].shape[0] == 100
    assert systolab.__version__ in (root / "python/Cargo.toml").read_text()
