"""How late the sound of each tracked video is: a table that lies with the tracks."""

import csv
import os
from dataclasses import astuple, fields
from pathlib import Path

import torch

from adamesh.alignment import SoundOffset, estimate_offset
from adamesh.checkpoints.networks import load_network
from adamesh.data.corpus import Video
from adamesh.errors import InputError
from adamesh.faces.embedded import load_embedded_face
from adamesh.files import atomic_output
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.opening import OpeningNetwork
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regression_target
from adamesh.progress import Progress, no_progress
from adamesh.rates import FPS
from adamesh.retargeting import fit_to_face

TABLE = "sound_offsets.csv"
_COLUMNS = ("path", *(field.name for field in fields(SoundOffset)))


def find_offsets(
    videos: list[Video],
    tracks: str | os.PathLike[str],
    *,
    progress: Progress = no_progress,
) -> dict[str, SoundOffset]:
    """Offsets of all tracked videos, by name; those in the table of `tracks` are not looked for again."""
    table = Path(tracks) / TABLE
    found = read_offsets(tracks) if table.exists() else {}
    tracked = [video for video in videos if video.track.exists()]
    face, network = load_embedded_face(), load_network(OpeningNetwork)
    for number, video in enumerate(tracked):
        if video.name not in found:
            clip = fit_to_face(MotionClip.load(video.track).resample(FPS), face)
            opening = mouth_opening(face, torch.from_numpy(regression_target(clip)))
            found[video.name] = estimate_offset(load_audio(video.path), opening.numpy(), network)
        progress("sound", number + 1, len(tracked))
    with atomic_output(table) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for name, offset in found.items():
            writer.writerow([name, *(round(value, 4) for value in astuple(offset))])
    return found


def read_offsets(tracks: str | os.PathLike[str]) -> dict[str, SoundOffset]:
    """The table that `find_offsets` wrote, by the videos' names.

    Raises:
        InputError: there is none, or it lacks a column.
    """
    table = Path(tracks) / TABLE
    if not table.is_file():
        raise InputError(
            f"'{tracks}' has no {TABLE}; run `adamesh prepare CORPUS --tracks {tracks}`, which goes on where "
            "it was stopped"
        )
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return {
            row["path"]: SoundOffset(*(float(row[name]) for name in _COLUMNS[1:])) for row in rows
        }
    except (KeyError, ValueError) as error:
        raise InputError(
            f"'{table}' needs the columns {', '.join(_COLUMNS)}, all but the first with numbers; delete it "
            "and run `adamesh prepare` again"
        ) from error


def delays(tracks: str | os.PathLike[str]) -> dict[str, float]:
    """Seconds by which each video's sound is late, of those that are known with confidence."""
    return {name: offset.applied for name, offset in read_offsets(tracks).items()}
