"""The package as a wheel, outside any checkout. Oracle: git's list of files, pyproject.toml, Python's zip reader."""

import ast
import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mechbook.reader.extras import EXTRA_OF
from mechbook.site.wheel import zipped

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What IPython, which is of the base, brings.
OF_IPYTHON = {"matplotlib_inline", "traitlets"}
# Imports every module named on standard input in one process that finds none of the packages of the extras named as
# arguments, and prints for each what became of it.
IMPORTS = """
import importlib, importlib.machinery, json, pathlib, sys, warnings
names, blocked = json.load(sys.stdin)
find = importlib.machinery.PathFinder.find_spec
def found(name, path=None, target=None):
    return None if name.partition(".")[0] in blocked else find(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(found)
import mechbook.reader
assert pathlib.Path(mechbook.__file__).is_relative_to(sys.path[0]), mechbook.__file__
said = {}
for name in names:
    try:
        importlib.import_module(name)
        said[name] = ""
    except ModuleNotFoundError as error:
        said[name] = str(error)
print("SAID" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Setuptools' own wheel of the checkout, as pip makes it."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    before = {path.name for path in ROOT.iterdir()}
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*command, "-w", str(target), str(ROOT)], check=True, env=kept)
    assert {path.name for path in ROOT.iterdir()} <= {*before, "mechbook.egg-info"}, "the build left something behind"
    (made,) = target.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as parts:
        parts.extractall(target)
    return target


def run(installed: Path, *arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """A Python that has the wheel and no checkout, outside of both."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MECHBOOK_", "XDG_"))}
    environment = {**kept, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=installed.parent,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def imports(installed: Path, names: list[str], blocked: list[str]) -> dict[str, str]:
    """What importing each module says, "" where it worked, with the packages of `blocked` absent."""
    done = run(installed, "-c", IMPORTS, given=json.dumps([names, blocked]))
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.partition("SAID")[2])
    return found


def modules() -> list[str]:
    """Every module of the package that is no command."""
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in sorted((ROOT / "mechbook").rglob("*.py"))]
    return [".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts if p[-1] != "__main__"]


def test_the_wheel_has_every_file_of_the_package_and_the_records_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "mechbook", "results"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    there = [name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()]
    wanted = {re.sub(r"^results/", "mechbook/results/", name) for name in there}
    with zipfile.ZipFile(wheel) as parts:
        names = {name for name in parts.namelist() if ".dist-info/" not in name}
        ((entry,),) = [[parts.read(name).decode()] for name in parts.namelist() if name.endswith("entry_points.txt")]
    missing = {name for name in wanted - names if not name.startswith("mechbook/results/") or name.endswith(".json")}
    assert not missing and not {name for name in names - wanted if not _untracked(name)}
    assert "mechbook/py.typed" in names and "mechbook = mechbook.command:main" in entry


def _untracked(name: str) -> bool:
    """Whether a file of the package is new and not yet in git."""
    asked = ["git", "ls-files", "--others", "--exclude-standard", "--error-unmatch", name]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_what_is_imported_is_what_the_package_declares() -> None:
    """Oracle: the imports that stand in the files, and pyproject.toml."""
    named: set[str] = set()
    for path in (ROOT / "mechbook").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                named.add(node.module.partition(".")[0])
    others = named - set(sys.stdlib_module_names) - {"mechbook"}
    base = {re.split(r"[<>=]", one)[0].lower() for one in PROJECT["dependencies"]}
    assert {name.lower() for name in others - set(EXTRA_OF)} == (base | OF_IPYTHON) & {name.lower() for name in others}
    # jaxtyping's shapes are read without an import where they are only text; nothing else is declared for nothing
    assert base <= {name.lower() for name in others} | {"tqdm"}
    assert set(EXTRA_OF.values()) == set(PROJECT["optional-dependencies"])


def test_with_every_extra_each_module_is_imported_from_the_wheel_alone(installed: Path) -> None:
    assert {said for said in imports(installed, modules(), []).values()} == {""}


@pytest.mark.parametrize("absent", ["lab", "models", "book"])
def test_without_an_extra_an_import_names_it_and_the_rest_works(installed: Path, absent: str) -> None:
    # yaml comes with more than one extra
    blocked = [name for name, extra in EXTRA_OF.items() if extra == absent and name != "yaml"]
    said = imports(installed, modules(), blocked)
    failed = {name: words for name, words in said.items() if words}
    assert failed
    assert all(words.endswith(f"pip install 'mechbook[{absent}]'") for words in failed.values()), failed
    wanted = {
        "lab": r"mechbook(\.\w+)?\.widgets(\..*)?|mechbook\.laser\.widgets.*",
        "models": r"mechbook\.(pretrained|laser|site|paper)(\..*)?|mechbook\.command",
        "book": r"mechbook\.site(\..*)?",
    }[absent]
    assert [name for name in failed if not re.fullmatch(wanted, name)] == []


def test_the_command_says_where_things_are_which_is_the_user_s_cache_folder(installed: Path, tmp_path: Path) -> None:
    done = run(installed, "-m", "mechbook", "where", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    base = tmp_path / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "mechbook"
    assert lines["trained runs"] == str(base) and lines["package"] == str(installed / "mechbook")
    assert lines["records"] == str(installed / "mechbook" / "results" / "paper")
    assert {f"extra {name}" for name in PROJECT["optional-dependencies"]} <= set(lines)


def test_where_an_extra_is_missing_the_command_says_what_of_it(installed: Path) -> None:
    """Oracle: what is hidden from the process."""
    code = f"""
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
hidden = {("docutils", "gguf")!r}
def found(name, path=None, target=None):
    return None if name in hidden else find(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(found)
from mechbook.command import main
sys.exit(main(["where"]))
"""
    done = run(installed, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "extra book: without docutils\n" in done.stdout and "extra models: without gguf\n" in done.stdout
    assert "extra lab: there\n" in done.stdout


def test_the_installed_records_are_read_and_not_written(installed: Path, tmp_path: Path) -> None:
    code = """
from mechbook.records import files, kept
from mechbook.laser import second_record
print(len(files.files()), second_record.recorded()["code"][:8])
try:
    files.check_writable()
except files.Refused as refused:
    print(refused)
"""
    done = run(installed, "-c", code)
    count = len(list((ROOT / "results" / "paper").rglob("*.json")))
    second = json.loads((ROOT / "results/second_model/gemma3-270m.json").read_text())["content"]["code"][:8]
    assert done.stdout.splitlines()[0] == f"{count} {second}", done.stderr
    assert "name another folder (MECHBOOK_RECORDS)" in done.stdout


def test_a_setting_is_wrong_in_one_sentence(installed: Path, tmp_path: Path) -> None:
    done = run(installed, "-m", "mechbook", "laser", str(tmp_path / "none"), "a", " b")
    assert done.returncode == 1 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_zip_is_the_same_whenever_it_is_written_and_a_wheel_s_record_is_true(wheel: Path, tmp_path: Path) -> None:
    """Oracle: the hashes that pip compares, by the standard library."""
    from mechbook.site.wheel import packed

    with zipfile.ZipFile(wheel) as parts:
        found: dict[str, Any] = {name: parts.read(name) for name in parts.namelist()}
    found["mechbook/widgets/added.js"] = b"1"
    first, second = packed(tmp_path / "a.whl", found), packed(tmp_path / "b.whl", dict(reversed(found.items())))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as parts:
        (record,) = (name for name in parts.namelist() if name.endswith("RECORD"))
        rows = {name: digest for name, digest, _ in csv.reader(io.StringIO(parts.read(record).decode()))}
        assert set(rows) == set(parts.namelist())
        for name in set(rows) - {record}:
            wanted = base64.urlsafe_b64encode(hashlib.sha256(parts.read(name)).digest()).rstrip(b"=").decode()
            assert rows[name] == f"sha256={wanted}"
    assert zipped(tmp_path / "c.zip", {"x": b"1"}).read_bytes() == zipped(tmp_path / "d.zip", {"x": b"1"}).read_bytes()
