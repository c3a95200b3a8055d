"""A FLAME file imported, kept, found by name and drawn; its landmarks against the known ones."""

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from support.flame_fixture import ORIGIN, carried, write_flame
from typer.testing import CliRunner

from adamesh.cli.app import app
from adamesh.errors import InputError
from adamesh.face_import import import_flame
from adamesh.face_import.sheet import TILE
from adamesh.faces import Face, load_embedded_face, read_flame
from adamesh.faces.landmark_index import (
    FACE_OVAL,
    INNER_LIPS_LOWER,
    INNER_LIPS_UPPER,
    LEFT_IRIS,
    LIPS,
    RIGHT_IRIS,
)
from adamesh.faces.library import FaceEntry, library_folder, load_named_face
from adamesh.render import HeadRenderer
from adamesh.tracking.face_landmarks import face_camera, mouth_opening

VIEWS = (8, 14)  # fewer than a user's import takes


@pytest.fixture(scope="module", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's data folder for these tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_flame(tmp_path_factory.mktemp("flame") / "generic_model.pkl")


@pytest.fixture(scope="module")
def entry(model: Path) -> FaceEntry:
    return import_flame(model, "somebody", views=VIEWS)[0]


@pytest.fixture(scope="module")
def imported(entry: FaceEntry) -> Face:
    return load_named_face(entry.name)


def known_landmarks() -> torch.Tensor:
    """[478, 3] where the embedded head has them, in the fixture's frame."""
    head = load_embedded_face()
    return head.landmarks(head().vertices)[0] - torch.tensor(ORIGIN).float()


def test_the_library_keeps_the_model_as_it_is(
    entry: FaceEntry, imported: Face, model: Path, data_home: Path
) -> None:
    assert entry.path == data_home / "adamesh" / "faces" / "somebody.safetensors"
    assert library_folder() == entry.path.parent
    assert [path.name for path in library_folder().iterdir()] == ["somebody.safetensors"]
    direct = read_flame(model)
    for key in ("template", "shapedirs", "expressiondirs", "posedirs", "skin_weights"):
        torch.testing.assert_close(imported.get_buffer(key), direct.get_buffer(key))
    assert imported.name == "somebody"
    assert imported.space == "flame100"


def test_landmarks_are_where_the_embedded_head_has_them(imported: Face) -> None:
    """The fixture has the embedded head's shape on another mesh; millimetres."""
    points = imported.landmarks(imported().vertices)[0]
    distance = 1e3 * (points - known_landmarks()).norm(dim=1)
    on_face = [i for i in range(478) if i not in FACE_OVAL]  # the outline slides with the view
    assert distance[on_face].isfinite().float().mean() > 0.95
    assert distance[on_face].nanmean() < 2.5
    assert distance[on_face].nanquantile(0.95) < 6
    assert distance[list(LIPS)].nanmean() < 2.5
    assert distance[list(LEFT_IRIS + RIGHT_IRIS)].nanmean() < 2


def test_inner_lips_are_on_their_own_lip(imported: Face) -> None:
    """When the jaw opens, the lower ones go down with it and the upper ones stay."""
    jaw = torch.tensor([[0.3, 0.0, 0.0]])
    closed, opened = (
        imported.landmarks(imported(jaw_pose=pose).vertices)[0] for pose in (0 * jaw, jaw)
    )
    fall = 1e3 * (closed - opened)[:, 1]
    assert fall[list(INNER_LIPS_LOWER)[2:-2]].min() > 8
    assert fall[list(INNER_LIPS_UPPER)[2:-2]].max() < 4


def test_regions_are_those_of_the_embedded_head(imported: Face) -> None:
    head = load_embedded_face()

    def overlap(name: str) -> float:
        """Vertices in both, over those in either."""
        marked = torch.zeros(head.n_vertices, 1)
        marked[head.regions[name]] = 1
        expected = set(np.flatnonzero(carried(head, marked)[:, 0] > 0.99))
        got = set(imported.regions[name].tolist())
        return len(got & expected) / len(got | expected)

    assert overlap("upper_face") > 0.45  # of the forehead, landmarks tell more
    assert overlap("lower_face") > 0.7
    for lip in ("upper_lip", "lower_lip"):
        assert overlap(lip) > 0.25  # 0.6 by as many pictures as an import takes
    fall = imported(jaw_pose=torch.tensor([[0.3, 0.0, 0.0]])).vertices[0] - imported.template
    assert fall[imported.regions["lower_lip"], 1].mean() < -0.006
    assert fall[imported.regions["upper_lip"], 1].mean() > -0.003
    for side, sign in (("left", 1), ("right", -1)):
        for name in ("brow", "eyeball"):
            assert (sign * imported.template[imported.regions[f"{side}_{name}"], 0] > 0).all()


def test_it_looks_like_somebody(imported: Face) -> None:
    """Red lips, dark pupils in white eyes, and darkness in an open mouth."""
    size = (256, 256)
    camera = face_camera(imported, size, height=0.26)
    with HeadRenderer(imported, size, camera) as renderer:

        def colour(vertices: torch.Tensor, point: torch.Tensor) -> np.ndarray:
            u, v, _ = np.rint(camera.project(point.double().numpy())).astype(int)
            return renderer.render(vertices.numpy())[v, u].astype(int)

        vertices = imported().vertices
        points = imported.landmarks(vertices)[0]
        lip, cheek = (colour(vertices[0], points[i]) for i in (16, 50))
        assert lip[0] / lip[1] > 1.15 * cheek[0] / cheek[1]
        assert colour(vertices[0], points[LEFT_IRIS[0]]).max() < 80
        opened = imported(jaw_pose=torch.tensor([[0.35, 0.0, 0.0]])).vertices
        middle = imported.landmarks(opened)[0, [13, 14]].mean(dim=0)
        assert colour(opened[0], middle).max() < 60


def test_expressions_open_a_mouth_that_has_no_jaw(imported: Face, tmp_path: Path) -> None:
    plain = read_flame(write_flame(tmp_path / "flame2023_no_jaw.pkl"))
    assert not any(value.any() for value in mouth_opening(plain)(1.0).values())
    face = plain.replace(
        landmark_triangles=imported.landmark_triangles,
        landmark_barycentric=imported.landmark_barycentric,
    )
    parameters = mouth_opening(face)(1.0)
    gap = face.landmarks(face(**parameters).vertices)[0] - face.landmarks(face().vertices)[0]
    assert gap[0, 1] - gap[17, 1] == pytest.approx(0.025, abs=1e-4)
    assert gap[13, 1] - gap[14, 1] > 0.012


# --- the command line -----------------------------------------------------------------------------


def adamesh(*arguments: str | Path) -> str:
    """What `adamesh face` prints; its errors are raised."""
    result = CliRunner().invoke(app, ["face", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_list_and_show_say_what_there_is(entry: FaceEntry) -> None:
    listed = json.loads(adamesh("list", "--json"))
    assert [face["name"] for face in listed] == ["embedded", "somebody"]
    assert listed[1]["source"] == "generic_model.pkl"
    assert listed[1]["path"] == str(entry.path)
    assert "somebody" in adamesh("list")
    facts = json.loads(adamesh("show", "somebody", "--json"))
    assert facts["space"] == "flame100"
    assert facts["joints"] == ["root", "neck", "jaw", "leye", "reye"]
    assert facts["landmarks"] > 450


@pytest.mark.parametrize("name", ["embedded", "somebody"])
def test_show_draws(imported: Face, tmp_path: Path, name: str) -> None:
    assert imported.name == "somebody"
    output = tmp_path / "face.png"
    adamesh("show", name, "-o", output)
    with av.open(str(output)) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape == (2 * TILE[1], 4 * TILE[0], 3)
    tiles = picture.reshape(2, TILE[1], 4, TILE[0], 3).swapaxes(1, 2).reshape(8, -1)
    assert len({tile.tobytes() for tile in tiles}) == 8
    with pytest.raises(InputError, match="exists already; use --force"):
        adamesh("show", name, "-o", output)


def test_nothing_is_replaced_unasked(entry: FaceEntry, model: Path) -> None:
    assert entry.path is not None
    before = entry.path.read_bytes()
    with pytest.raises(InputError, match="exists already; use --force"):
        adamesh("import", model, "--name", "somebody")
    assert entry.path.read_bytes() == before


@pytest.mark.parametrize("name", ["embedded", "../escape", ".hidden", "a b", ""])
def test_names_that_are_none(model: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a face"):
        adamesh("import", model, "--name", name)


def test_a_bad_file_leaves_nothing_behind(tmp_path: Path, entry: FaceEntry) -> None:
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"it asks for os\.system"):
        adamesh("import", bad)
    assert entry.path is not None
    assert list(entry.path.parent.iterdir()) == [entry.path]


def test_an_unknown_face_is_told_from_the_known(entry: FaceEntry) -> None:
    with pytest.raises(InputError, match=f"no face 'nobody'; known: embedded, {entry.name}"):
        load_named_face("nobody")
    assert load_named_face() is load_embedded_face()
