"""Attacks every reader with damaged files, and says what it could not take.

    python fuzz/run.py                   1,000 files, about a quarter of an hour on two cores
    python fuzz/run.py --files 100       fewer
    python fuzz/run.py --only 123        one file again, by its number, with its traceback

A file is a valid one with bits turned, pieces taken out, moved or put in, numbers made extreme, or its end
cut off; which, is a function of its number. It must be read, or refused in one line (`InputError`) within
20 seconds and 2 GB beyond what the reader takes at rest; nothing that was in it may have run, and nothing
half-written may lie where the reader writes.
"""

import argparse
import multiprocessing
import os
import pickle
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

SECONDS, BYTES = 20.0, 2 * 2**30
CANARY = "canary"
EXTREMES = (
    b"-1",
    b"0",
    b"1e308",
    b"NaN",
    b"Infinity",
    b"4294967296",
    b"99999999999",
    b'"x"',
    b"[]",
)


@dataclass(frozen=True)
class Outcome:
    """What came of one file."""

    number: int
    seed: str
    how: str
    said: str  # "read", "refused", or what is wrong
    seconds: float
    bytes: int

    @property
    def is_finding(self) -> bool:
        return self.said not in ("read", "refused")


class Bomb:
    """What a stranger's pickle may hold."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {CANARY}",)


def make_seeds(folder: Path) -> dict[str, Path]:
    """A valid file for each reader, by the name of the reader and its suffix."""
    import av
    import h5py
    import torch
    import trimesh
    from support.other_avatars import make_avatar
    from support.other_usd_avatars import make_usd_avatar
    from support.styles import style_of
    from support.track_files import livelink_file, mediapipe_frames

    from adamesh.checkpoints.networks import save_network
    from adamesh.faces import load_embedded_face
    from adamesh.faces.storage import save_face
    from adamesh.formats import write_track
    from adamesh.media.audio import write_wav
    from adamesh.media.picture import write_png
    from adamesh.media.video import VideoWriter
    from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
    from adamesh.motion import MotionClip

    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 16_000).astype(np.float32)
    arkit = MotionClip("arkit52", 25, rng.uniform(size=(30, 52)))
    flame = MotionClip("flame50", 25, rng.normal(size=(30, 50)))
    seeds: dict[str, Path] = {}

    def new(reader: str, name: str) -> Path:
        path = folder / f"{len(seeds)}" / name
        path.parent.mkdir()
        seeds[f"{reader} {path.suffix}"] = path
        return path

    write_wav(new("sound", "a.wav"), sound, 16_000)
    for name, codec in (
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.flac", "flac"),
        ("a.opus", "libopus"),
    ):
        with av.open(new("sound", name), "w") as file:
            stream = file.add_stream(codec, rate=48_000)
            stream.layout = "mono"
            frame = av.AudioFrame.from_ndarray(
                np.repeat(sound, 3)[None], format="fltp", layout="mono"
            )
            frame.sample_rate = 48_000
            kind = stream.codec_context.codec.audio_formats[0].name
            for part in av.AudioResampler(kind, "mono", 48_000).resample(frame):
                file.mux(stream.encode(part))
            file.mux(stream.encode(None))
    for suffix in ("mp4", "webm", "mkv"):
        with VideoWriter(new("video", f"a.{suffix}"), 25, 64, 64, (sound, 16_000)) as video:
            for picture in rng.integers(0, 256, (10, 64, 64, 3), np.uint8):
                video.write(picture)
    write_png(new("picture", "a.png"), rng.integers(0, 256, (16, 16, 3), np.uint8))
    make_avatar(new("avatar", "a.glb"), ["jawOpen", "eyeLookOutLeft", "viseme_aa", "eyeBlinkLeft"])
    humans = {"humanBones": {"head": {"node": 3}, "leftEye": {"node": 4}, "jaw": {"node": 5}}}
    bind = {"morphTargetBinds": [{"node": 6, "index": 0, "weight": 1}]}
    vrm = {"humanoid": humans, "expressions": {"preset": {"aa": bind}}, "lookAt": {"type": "bone"}}
    make_avatar(new("avatar", "a.vrm"), ["a", "b"], extensions={"VRMC_vrm": vrm})
    for suffix in ("usda", "usdc", "usdz"):
        make_usd_avatar(new("avatar", f"a.{suffix}"), ["jawOpen", "eyeBlinkLeft"])
    ball = trimesh.creation.icosphere(1)
    for suffix in ("obj", "ply", "stl", "glb"):
        ball.export(new("mesh", f"a.{suffix}"))
    livelink_file(new("track", "a.csv"))
    for name, kind in (
        ("a.tsv", "arkit-table"),
        ("a.jsonl", "arkit-table"),
        ("a.json", "a2f-json"),
    ):
        write_track(arkit, new("track", name), kind)
    for name, kind in (
        ("a.npz", "vhap"),
        ("a.mat", "deca"),
        ("a.pt", "artalk"),
        ("a.hdf5", "inferno"),
    ):
        write_track(flame, new("track", name), kind)
    import json

    new("mediapipe", "a.json").write_text(json.dumps(mediapipe_frames()[:10]))
    arkit.save(new("clip", "a.npz"))
    style_of("0" * 16).save(new("style", "a.style"))
    save_face(load_embedded_face(), new("face", "a.safetensors"))
    tiny = ExpressionConfig(features="log_mel", feature_dim=100, dim=8, heads=2)
    save_network(new("checkpoint", "a.safetensors"), ExpressionAdapter(tiny), {})
    new("config", "a.yaml").write_text(
        "seed: 1\nsteps: 20\nmodel: {dim: 8, dropout: 0.1}\nbfloat16: true\n"
    )
    new("map", "a.yaml").write_text(
        "morphs: {a: jawOpen, b: {jawLeft: 0.5}}\nbones: {head: h, jaw: null}\n"
    )
    new("batch", "a.csv").write_text("speech,style,output\na.wav,,x.glb\nb.wav,b.style,y.npz\n")
    new("flame", "a.pkl").write_bytes(pickle.dumps({"v_template": np.zeros((5, 3)), "x": Bomb()}))
    with h5py.File(new("track2", "a.h5"), "w") as file:
        file["exp"], file["jaw"], file["global_pose"] = (
            np.zeros((1, 3, 100)),
            np.zeros((1, 3, 3)),
            0,
        )
        file["shape"] = h5py.ExternalLink("/etc/hostname", "x")
    torch.save(
        {"exp": torch.zeros(3, 50), "pose": torch.zeros(3, 6), "x": Bomb()}, new("track2", "a.pt")
    )
    return seeds


def read(reader: str, path: Path, out: Path) -> None:
    """Reads a file as a user would have it read."""
    import itertools

    from adamesh.animation.style import Style
    from adamesh.avatars import apply_clip, match_avatar
    from adamesh.avatars.mapfile import load_map
    from adamesh.checkpoints.networks import load_network
    from adamesh.faces.flame import read_flame
    from adamesh.faces.storage import load_face
    from adamesh.formats import read_track
    from adamesh.jobs.batch import read_batch
    from adamesh.media.audio import load_audio
    from adamesh.media.video import probe, read_frames
    from adamesh.models.expression import ExpressionAdapter
    from adamesh.motion import MotionClip
    from adamesh.rigging import read_mesh
    from adamesh.rigging.geometry import read_scene
    from adamesh.training.config import load_training_config
    from adamesh.training.expression import ExpressionTraining

    match reader:
        case "sound":
            load_audio(path)
        case "video":
            probe(path)
            list(itertools.islice(read_frames(path), 20))
            load_audio(path)
        case "picture":
            list(read_frames(path))
        case "avatar":
            match_avatar(path).facts()
            clip = MotionClip("arkit52", 25, np.full((3, 52), 0.5), head_pose=np.full((3, 3), 0.1))
            apply_clip(clip, path, out / f"out{path.suffix}")
        case "mesh":
            read_scene(read_mesh(path))
        case "track" | "track2" | "mediapipe":
            kind = "deca" if path.suffix == ".mat" else None
            timed = path.suffix in (".csv", ".tsv", ".jsonl")
            read_track(path, format=kind, fps=None if timed else 25)
        case "clip":
            MotionClip.load(path)
        case "style":
            Style.load(path)
        case "face":
            load_face(path)
        case "checkpoint":
            load_network(ExpressionAdapter, path)
        case "config":
            load_training_config(ExpressionTraining, path)
        case "map":
            load_map(path)
        case "batch":
            read_batch(path)
        case "flame":
            read_flame(path)


def damage(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """A file with one to three kinds of damage, and which."""
    content, done = bytearray(data), []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        size = max(len(content), 1)
        at = int(rng.integers(size)) if rng.random() < 0.5 else int(rng.integers(min(size, 2000)))
        length = int(rng.integers(1, max(min(size // 4, 4000), 2)))
        how = str(
            rng.choice(
                ["bits", "cut", "take out", "put in", "swap", "number", "zero", "huge", "nest"]
            )
        )
        done.append(how)
        if how == "bits":
            for place in rng.integers(at, min(at + 400, size), int(rng.integers(1, 20))):
                if place < len(content):
                    content[place] ^= 1 << int(rng.integers(8))
        elif how == "cut":
            del content[at:]
        elif how == "take out":
            del content[at : at + length]
        elif how == "put in":
            content[at:at] = rng.bytes(length)
        elif how == "swap":
            content[at : at + length], content[:length] = (
                content[:length],
                content[at : at + length],
            )
        elif how == "number":
            numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", bytes(content[:200_000])))
            if numbers:
                found = numbers[int(rng.integers(len(numbers)))]
                content[found.start() : found.end()] = EXTREMES[int(rng.integers(len(EXTREMES)))]
        elif how == "zero":
            content[at : at + length] = bytes(len(content[at : at + length]))
        elif how == "huge":
            content[at : at + 4] = b"\xff\xff\xff\x7f"
        else:
            content[at:at] = b"[" * 3000 if rng.random() < 0.5 else b'{"a":' * 3000
    return bytes(content), "+".join(done)


def attack(number: int, seeds: dict[str, Path], folder: Path, *, loud: bool = False) -> Outcome:
    """One file, by its number."""
    from adamesh.errors import AdaMeshError, InputNotice

    rng = np.random.default_rng(number)
    name = list(seeds)[number % len(seeds)]
    seed = seeds[name]
    content, how = damage(seed.read_bytes(), rng)
    place, out = folder / "in", folder / "out"
    for each in (place, out):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    os.chdir(place)
    path = place / seed.name
    path.write_bytes(content)
    start, said = time.monotonic(), "read"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", InputNotice)
            read(name.split()[0], path, out)
    except AdaMeshError as error:
        said = "refused" if str(error).isprintable() else f"not one plain line: {str(error)!r}"
        if any(out.iterdir()):
            said = f"left {[p.name for p in out.iterdir()]}"
    except BaseException as error:  # whatever it is, it is a finding
        if loud:
            traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)
        ours = [f for f in where if "adamesh" in f.filename and "fuzz" not in f.filename][-1:]
        at = f"{Path(ours[0].filename).name}:{ours[0].lineno}" if ours else "?"
        said = f"{type(error).__name__} at {at}: {str(error)[:80]}"
    if (place / CANARY).exists():
        said = "something in the file ran"
    most = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Outcome(number, name, how, said, time.monotonic() - start, most)


def worker(line: Connection, seeds: dict[str, Path], folder: Path) -> None:
    """Attacks by number until it is told no more."""
    import torch

    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries complain of the files there
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, path in seeds.items():  # so that what comes later is the damage's doing
        try:
            read(name.split()[0], path, folder)
        except Exception as error:
            line.send(f"{name}: {error}") if name.split()[0] not in ("flame", "track2") else None
    limit = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + BYTES
    line.send(limit)
    while (number := line.recv()) is not None:
        line.send(attack(number, seeds, folder))


def campaign(numbers: list[int], seeds: dict[str, Path], folder: Path) -> list[Outcome]:
    """All the numbers, shared among as many workers as there are cores."""
    context = multiprocessing.get_context("spawn")
    outcomes: list[Outcome] = []
    waiting = list(reversed(numbers))
    running: dict[int, tuple[multiprocessing.Process, Connection, int, float, int | None]] = {}

    def start(slot: int) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(theirs, seeds, folder / str(slot)))
        (folder / str(slot)).mkdir(exist_ok=True)
        process.start()
        limit = 0
        while not limit:
            said = ours.recv()
            if isinstance(said, str):
                print(f"  a seed is not read: {said}")
            else:
                limit = said
        running[slot] = (process, ours, limit, 0.0, None)

    for slot in range(os.cpu_count() or 1):
        start(slot)
    while waiting or any(number is not None for *_, number in running.values()):
        for slot, (process, line, limit, since, number) in list(running.items()):
            if number is None:
                if waiting:
                    line.send(waiting[-1])
                    running[slot] = (process, line, limit, time.monotonic(), waiting.pop())
            elif line.poll(0.01):
                try:
                    outcome = line.recv()
                except EOFError:
                    outcome = Outcome(
                        number, list(seeds)[number % len(seeds)], "", "the process died", 0, 0
                    )
                    start(slot)
                else:
                    running[slot] = (process, line, limit, 0.0, None)
                if outcome.bytes > limit:
                    outcome = Outcome(
                        **{**outcome.__dict__, "said": f"took {outcome.bytes >> 20} MiB"}
                    )
                    process.kill()
                    start(slot)
                outcomes.append(outcome)
                if outcome.is_finding:
                    print(
                        f"  {outcome.number} {outcome.seed} ({outcome.how}): {outcome.said}",
                        flush=True,
                    )
            elif time.monotonic() - since > SECONDS:
                process.kill()
                name = list(seeds)[number % len(seeds)]
                outcomes.append(Outcome(number, name, "", f"more than {SECONDS:g} s", SECONDS, 0))
                print(f"  {number} {name}: more than {SECONDS:g} s", flush=True)
                start(slot)
    for process, line, *_ in running.values():
        line.send(None)
        process.join()
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--only", type=int, help="one file again, with its traceback")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "seeds").mkdir()
        seeds = make_seeds(folder / "seeds")
        if arguments.only is not None:
            print(attack(arguments.only, seeds, folder, loud=True))
            return
        start = time.monotonic()
        numbers = list(range(arguments.first, arguments.first + arguments.files))
        outcomes = campaign(numbers, seeds, folder)
        os.chdir("/")
    findings = [outcome for outcome in outcomes if outcome.is_finding]
    read_whole = Counter(outcome.seed.split()[0] for outcome in outcomes if outcome.said == "read")
    for reader, count in sorted(Counter(o.seed.split()[0] for o in outcomes).items()):
        print(f"{reader:12}{count:5} files, {read_whole[reader]:4} read all the same")
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    print(
        f"{len(outcomes)} files in {time.monotonic() - start:.0f} s; {len(findings)} findings; slowest "
        f"{slowest.seconds:.1f} s ({slowest.seed}); most memory {max(o.bytes for o in outcomes) >> 20} MiB"
    )
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
