"""The pages hold: links lead somewhere, commands and names of Python exist, the quickstart runs."""

import ast
import re
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.commands import parse

from adamesh.animation.sample import SAMPLE_REFERENCE
from adamesh.cli import main
from adamesh.export import FORMATS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
QUICKSTART = ROOT / "docs" / "quickstart.md"
named = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, by GitHub's rule."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere; those to other sites are not followed."""
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    return lost


def commands(page: Path) -> list[str]:
    """The lines of a page that call the program as a whole command."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.startswith("    adamesh ")]


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


@named
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_the_test_sees_broken_links(tmp_path: Path) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# A title, with *marks*\n\n```\n# no title\n```\n")
    page.write_text(
        "[1](other.md#a-title-with-marks) [2](https://x.org/y) [3](none.md) [4](other.md#none) [5](#none) "
        "[6](other.md#no-title)"
    )
    assert broken(page) == ["none.md", "other.md#none", "#none", "other.md#no-title"]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda p: p.stem)
def test_commands_are_taken(page: Path) -> None:
    for command in commands(page):
        parse(command)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda p: p.stem)
def test_python_names_what_there_is(page: Path) -> None:
    for block in blocks(page):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("adamesh"):
                module = import_module(node.module)
                missing = [name.name for name in node.names if not hasattr(module, name.name)]
                assert not missing, f"{node.module} has no {missing}"
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "adamesh":
                assert hasattr(import_module("adamesh"), node.attr), f"adamesh has no {node.attr}"


@named
def test_files_that_are_named_exist(page: Path) -> None:
    if page.name == "extending.md":
        return  # it names files that its readers write
    places = (ROOT, ROOT / "src" / "adamesh")
    for name in re.findall(r"`([\w./]+\.py)`", prose(page)):
        known = any((place / name).exists() for place in places)
        assert known or list((ROOT / "src").rglob(name)), f"there is no {name}"


def test_every_page_is_reached_from_the_list() -> None:
    listed = ROOT / "docs" / "README.md"
    reached, fresh = {listed}, [listed]
    while fresh:
        page = fresh.pop()
        for link in re.findall(r"\]\(([^)#\s]+\.md)", prose(page)):
            target = (page.parent / link).resolve()
            if target not in reached and target.exists():
                reached.add(target)
                fresh.append(target)
    assert set(PAGES) - reached - {ROOT / "README.md"} == set()


@pytest.mark.slow
def test_the_quickstart_runs_as_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SAMPLE_REFERENCE.parent, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for command in commands(QUICKSTART):
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0, f"{command}: {capsys.readouterr().err}"
    assert all(Path(name).stat().st_size for name in ("neutral.glb", "take2.mp4", "livelier.csv"))
    capsys.readouterr()
    names: dict[str, Any] = {}
    for block in blocks(QUICKSTART):
        exec(block, names)
    frames, fps, opening = capsys.readouterr().out.split()
    assert (frames, fps) == ("110", "25.0")
    assert float(opening) == pytest.approx(0.52, abs=0.05)


def test_the_page_of_outputs_follows_the_table() -> None:
    """A row for every suffix, which says where the sound goes as the table does."""
    page = (ROOT / "docs" / "guides" / "export.md").read_text(encoding="utf-8")
    for suffix, output in FORMATS.items():
        rows = [
            line for line in page.splitlines() if line.startswith("|") and f"`{suffix}`" in line
        ]
        assert rows, suffix
        said = {"beside": ".wav", "inside": "in it", "nowhere": "none"}[output.sound]
        assert said in rows[0].split("|")[3], (suffix, rows[0])
