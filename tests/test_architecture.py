"""Imports point one way, and a light command stays light."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import adamesh

PACKAGE = Path(adamesh.__file__).parent

ARCHITECTURE = Path(__file__).parent.parent / "docs" / "architecture.md"
# Beyond the layers: `nn` knows no words of this domain.
FORBIDDEN = {("nn", domain) for domain in ("errors", "rates", "files", "progress", "parallel")}
# Seconds to import, and not needed for --help.
HEAVY = {
    "torch",
    "av",
    "onnxruntime",
    "pyvista",
    "vtkmodules",
    "scipy",
    "soxr",
    "pygltflib",
    "h5py",
    "trimesh",
    "pxr",
}


def imported(path: Path) -> set[str]:
    """Top-level parts of adamesh that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from adamesh import motion` imports a part, `from adamesh import __version__` does
            # not.
            names = (
                [f"adamesh.{alias.name}" for alias in node.names]
                if node.module == "adamesh"
                else [node.module or ""]
            )
        else:
            continue
        parts = [name.split(".") for name in names]
        found |= {part[1] for part in parts if part[0] == "adamesh" and len(part) > 1}
    return found


def graph() -> dict[str, set[str]]:
    """Every part of the package, and the parts it imports."""
    edges: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE)
        if relative == Path("__init__.py"):
            continue  # the public face: it may name everything
        part = relative.parts[0].removesuffix(".py")
        edges.setdefault(part, set()).update(imported(path) - {part})
    known = set(edges)
    return {part: targets & known for part, targets in edges.items()}


def layers() -> list[list[str]]:
    """The parts by layer, from the ground up, as docs/architecture.md has them for people."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    block = re.search(r"^## Who imports whom$.*?\n\n((?:    [^\n]+\n)+)", text, re.M | re.S)
    assert block, "the page needs its list of layers"
    return [re.findall(r"\w+", line) for line in block[1].splitlines()]


def test_imports_point_one_way():
    layer = {part: depth for depth, parts in enumerate(layers()) for part in parts}
    edges = graph()
    edges.pop("__main__")
    assert set(edges) == set(layer), "docs/architecture.md lists the parts that there are"
    wrong = [
        f"{part} imports {target}"
        for part, targets in edges.items()
        for target in targets
        if layer[target] >= layer[part] or (part, target) in FORBIDDEN
    ]
    assert not wrong


def test_the_page_says_what_each_part_holds():
    table, _, _ = ARCHITECTURE.read_text(encoding="utf-8").partition("## Who imports whom")
    rows = re.findall(r"^\| ((?:`\w+(?:\.py|/)`(?:, )?)+) \|", table, re.M)
    named = [name for row in rows for name in re.findall(r"`(\w+)", row)]
    assert sorted(named) == sorted(part for parts in layers() for part in parts)


def test_there_are_no_circles():
    list(TopologicalSorter(graph()).static_order())


def test_nobody_imports_the_command_line():
    importers = {part for part, targets in graph().items() if "cli" in targets}
    assert importers <= {"__main__"}


def test_the_graph_sees_imports(tmp_path):
    """The test of the test: each way to write an import is found."""
    source = tmp_path / "part.py"
    source.write_text(
        "import adamesh.errors\n"
        "from adamesh.motion.clip import MotionClip\n"
        "from adamesh import faces, __version__\n"
        "import numpy.adamesh\n"
        "def late():\n    from adamesh.render import renderer\n"
    )
    assert imported(source) == {"errors", "motion", "faces", "__version__", "render"}


def imported_tests(path: Path) -> set[str]:
    """Names of test files that a file imports, wherever in it and from whichever folder."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module or "", *(alias.name for alias in node.names)]
    return {part for name in names for part in name.split(".") if part.startswith("test_")}


def test_no_test_imports_another(tmp_path):
    """What tests share lies in `tests/support`: every file of tests can be run, moved and changed alone."""
    tests = Path(__file__).parent
    files = [*tests.rglob("*.py"), *(tests.parent / "readers").rglob("*.py")]
    assert {path.name: found for path in files if (found := imported_tests(path))} == {}
    source = tmp_path / "test_x.py"  # the test of the test: each way to write it is found
    source.write_text(
        "import test_a, tests.test_b.c\nfrom test_d import e\nfrom . import test_f\n"
        "def late():\n    from tests.test_g import h\nfrom support.styles import style_of\n"
    )
    assert imported_tests(source) == {"test_a", "test_b", "test_d", "test_f", "test_g"}


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_is_light():
    assert not loaded_by("adamesh") & HEAVY


def test_importing_the_command_line_is_light():
    assert not loaded_by("adamesh.cli") & HEAVY
