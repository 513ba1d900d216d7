"""Does Python give the command line's costs?"""

import json
import threading
import time

import pandas
import pytest

import systolab


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ([], {}),
        (["--cold", "--batch", "4"], {"cold": True, "batch": 4}),
        (["--timing", "scalesim"], {"timing": "scalesim"}),
    ],
)
def test_the_same_as_the_command_line(command, options, keywords):
    printed = command(
        "simulate", "--hw", "edge-32x32", "--workload", "resnet50-w8a8", "--format", "json", *options
    )
    assert systolab.simulate("edge-32x32", "resnet50-w8a8", **keywords) == json.loads(printed.stdout)


def test_layers_are_a_table(root):
    design = systolab.load_design(root / "hw-configs/edge-16x16.toml")
    workload = systolab.load_workload("resnet8-width4-w8a8")
    simulation = systolab.simulate(design, workload)
    layers = pandas.DataFrame(simulation["layers"])
    assert layers["cycles"].sum() == simulation["totals"]["cycles"]
    assert list(layers["name"]) == workload.layers
    assert (design.name, workload.name) == ("edge-16x16", "resnet8-width4-w8a8")
    assert workload.input_shape == (28, 28, 1)
    assert "edge-16x16" in systolab.shipped_designs()
    assert "resnet50-w8a8" in systolab.shipped_workloads()


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (lambda: systolab.load_design("nowhere.toml"), ["--hw", "nowhere.toml", "--workload", "resnet50-w8a8"]),
        (lambda: systolab.load_design("bad.toml"), ["--hw", "bad.toml", "--workload", "resnet50-w8a8"]),
        (lambda: systolab.load_workload("nowhere"), ["--hw", "edge-32x32", "--workload", "nowhere"]),
        (
            lambda: systolab.simulate("small.toml", "resnet50-w4a4"),
            ["--hw", "small.toml", "--workload", "resnet50-w4a4"],
        ),
    ],
)
def test_exceptions_have_the_command_lines_text(command, folder, root, call, options):
    shipped = (root / "hw-configs/edge-32x32.toml").read_text()
    (folder / "bad.toml").write_text(shipped.replace("rows = 32", 'rows = "24"'))
    (folder / "small.toml").write_text(shipped.replace("bytes = 131_072", "bytes = 16"))
    printed = command("simulate", *options)
    assert printed.returncode == 2
    with pytest.raises(systolab.SystolabError) as raised:
        call()
    assert f"error: {raised.value}\n" == printed.stderr


def test_arguments_are_checked():
    with pytest.raises(systolab.SystolabError, match="batch 0: expected 1 to 65536"):
        systolab.simulate("edge-32x32", "resnet50-w8a8", batch=0)
    with pytest.raises(systolab.SystolabError, match="timing `fast`: expected `pipelined`"):
        systolab.simulate("edge-32x32", "resnet50-w8a8", timing="fast")  # type: ignore[arg-type]


def test_a_scalesim_configuration_warns(folder, root):
    files = root / "tests/goldens/cli/scalesim.in"
    text = (files / "scale.cfg").read_text().replace("[general]", "[general]\nColour : red")
    (folder / "scale.cfg").write_text(text)
    with pytest.warns(UserWarning, match="scale.cfg:.*unknown key `colour` is ignored"):
        design = systolab.load_design("scale.cfg")
    assert systolab.simulate(design, files / "net.csv")["totals"]["cycles"] > 0


def test_others_run_while_it_works():
    """Without the GIL, a second thread counts on; with it, it would stand still for the whole call."""
    design, workload = systolab.load_design("edge-32x32"), systolab.load_workload("resnet8-width32-bf16")
    done, ticks = threading.Event(), []

    def count():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    start = time.perf_counter()
    systolab.execute(design, workload, samples=range(0, 300), outputs=False)
    end = time.perf_counter()
    done.set()
    counter.join()
    during = [tick for tick in ticks if start <= tick <= end]
    longest = max(b - a for a, b in zip([start, *during], [*during, end]))
    assert end - start > 0.05
    assert longest < 0.5 * (end - start)
