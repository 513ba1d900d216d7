"""The repository's networks are found from any folder; tests run in one of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SYSTOLAB_WORKLOADS", str(ROOT / "workloads"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def command():
    """Runs the `systolab` command that is installed beside this Python."""

    def run(*arguments):
        program = Path(sys.executable).with_name("systolab")
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)

    return run
