"""Is what pip installs the same command line?"""

import subprocess
import sys

import systolab


def test_installed_command(command):
    version = command("--version")
    assert version.stdout == f"systolab {systolab.__version__}\n"
    assert version.returncode == 0
    module = subprocess.run([sys.executable, "-m", "systolab", "--version"], capture_output=True, text=True)
    assert module.stdout == version.stdout


def test_exit_codes(command, root):
    points = root / "reports/reference/points.csv"
    assert command("pareto", points).returncode == 0
    assert command("pareto", points, "--max-energy-uj", "0").returncode == 1
    failed = command("simulate", "--hw", "none", "--workload", "resnet50-w8a8")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: --hw none: no such file or folder")
    assert command("no-such-command").returncode == 2
