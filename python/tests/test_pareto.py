"""Are fronts of tables in memory those of the command line?"""

import json
from typing import Any

import pandas
import pytest

import systolab


@pytest.fixture
def points(root):
    return root / "reports/reference/points.csv"


def test_files_tables_and_dicts(command, points):
    budget: dict[str, Any] = {"max_energy_uj": 20, "min_top1": 92.5}
    fronts = systolab.pareto(points, **budget)
    printed = command("pareto", points, "--max-energy-uj", 20, "--min-top1", 92.5, "--format", "json")
    assert fronts["sets"] == json.loads(printed.stdout)["sets"]
    assert 0 < fronts["within"] < fronts["requested"]
    table = pandas.read_csv(points)
    assert systolab.pareto(table, **budget) == fronts
    dicts = table.astype(object).where(table.notna(), "").to_dict("records")
    assert systolab.pareto(dicts, **budget) == fronts
    assert systolab.pareto(points, max_energy_uj=0)["sets"] == []


def test_own_points():
    points = [
        {"design": name, "network": "n", "precision": "w8a8", "top1_percent": top1, "latency_s": 1e-3, "energy_per_image_uj": energy}
        for name, top1, energy in [("a", 70, 1), ("b", 75, 2), ("c", 74, 3)]
    ]
    [front] = systolab.pareto(points)["sets"]
    assert {point["design"] for point in front["energy_front"]} == {"a", "b"}


def test_bad_tables(command, folder, points):
    text = points.read_text()
    (folder / "bad.csv").write_text(text.replace("top1_percent", "top_1"))
    (folder / "bad2.csv").write_text(text.replace("resnet8-fashion-mnist,bf16,measured", "x,bf16,measured,y", 1))
    for bad in ["bad.csv", "bad2.csv", "nowhere.csv"]:
        printed = command("pareto", bad)
        with pytest.raises(systolab.SystolabError) as raised:
            systolab.pareto(bad)
        if bad != "nowhere.csv":
            assert f"error: {raised.value}\n" == printed.stderr
    with pytest.raises(systolab.SystolabError, match="nowhere.csv: cannot read: No such file"):
        systolab.pareto("nowhere.csv")
    with pytest.raises(systolab.SystolabError, match="points: no row has a cost"):
        systolab.pareto(pandas.read_csv(points), batch=7)
