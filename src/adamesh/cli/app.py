"""Commands; each is a thin line from arguments to one public function."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adamesh.cli.apply import apply
from adamesh.cli.bench import bench_app
from adamesh.cli.face import face_app
from adamesh.cli.options import (
    As,
    Checkpoint,
    Data,
    FaceName,
    Force,
    Fps,
    Json,
    MadeFor,
    Output,
    SoundOffsetMs,
    TextureFile,
    TrackFps,
    Tracks,
    check_suffix,
    options_of,
    pictures,
    progress_bars,
    say_sound_offset,
    sound_offset,
)
from adamesh.cli.style import style_app
from adamesh.cli.texture import texture as texture_command
from adamesh.cli.train import train_app
from adamesh.errors import InputError
from adamesh.export.pictures import Pictures
from adamesh.files import check_input, check_output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adamesh.jobs.animate_file import AnimateOptions
    from adamesh.motion.clip import MotionClip

app = typer.Typer(
    help="Ten seconds of somebody talking plus any speech give a 3D head that speaks it their way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(train_app, name="train")
app.add_typer(bench_app, name="bench")
app.add_typer(face_app, name="face")
app.add_typer(style_app, name="style")
app.command()(apply)
app.command("texture")(texture_command)


class Pose(StrEnum):
    generated = "generated"
    reference = "reference"
    still = "still"
    off = "off"


class Identity(StrEnum):
    reference = "reference"
    neutral = "neutral"


class Encoding(StrEnum):
    plain = "plain"
    sparse = "sparse"
    quantised = "quantised"


GlbEncoding = Annotated[
    Encoding,
    typer.Option("--encoding", help="Of a .glb: all in full, only what moves, or integers."),
]
WhoseShape = Annotated[
    Identity, typer.Option("--identity", help="Shape of the head: the person's, or the average.")
]


def _with_shape(clip: "MotionClip", identity: Identity) -> "MotionClip":
    return replace(clip, betas=None) if identity is Identity.neutral else clip


@app.command()
@options_of(pictures=pictures)
def animate(
    speech: Annotated[Path | None, typer.Argument(help="Any file with an audio track.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Video of about 10 s of somebody talking.")
    ] = None,
    style: Annotated[Path | None, typer.Option(help="Style file from `adamesh adapt`.")] = None,
    pose: Annotated[
        Pose,
        typer.Option(
            help="Head motion: looped from the reference, new in its manner, eyes only, or nothing."
        ),
    ] = Pose.reference,
    pose_scale: Annotated[
        float, typer.Option(min=0, max=4, help="Factor on the head's motion; 1 is the style's own.")
    ] = 1.0,
    fps: Fps = None,
    intensity: Annotated[
        float,
        typer.Option(min=0, max=4, help="Factor on the mouth's motion; 1 is the style's own."),
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(help="Of head motion, gaze, blinks and brows.", min=0, max=2**31)
    ] = 0,
    identity: WhoseShape = Identity.reference,
    face: FaceName = None,
    encoding: GlbEncoding = Encoding.plain,
    texture: TextureFile = None,
    offset: SoundOffsetMs = "auto",
    checkpoint: Checkpoint = None,
    batch: Annotated[
        Path | None,
        typer.Option(metavar="LIST.csv", help="Many rows of speech, style (or video) and output."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes of a batch; one a core by default.", min=1)
    ] = None,
    force: Force = False,
    *,
    pictures: Pictures,
) -> None:
    """Speech in, animated head out.

    [bold]Examples[/bold]

      adamesh animate speech.wav --reference me.mp4 -o talking.glb

      adamesh animate speech.wav --style me.style -o talking.mp4

      adamesh animate speech.wav --face flame2023 -o talking.glb

      adamesh animate speech.wav --background transparent -o talking.webm

      adamesh animate speech.wav --reference me.mp4 --texture me.mp4 -o talking.mp4

      adamesh animate --batch lines.csv
    """
    from adamesh.jobs.animate_file import (
        AnimateOptions,
        animate_file,
        base_model,
        learn_style,
        shown_face,
    )

    options = AnimateOptions(
        pose=pose.value,
        pose_scale=pose_scale,
        intensity=intensity,
        seed=seed,
        encoding=encoding.value,
        fps=fps,
        neutral=identity is Identity.neutral,
        face=face,
        sound_offset=sound_offset(offset),
        checkpoint=checkpoint,
        pictures=pictures,
        force=force,
    )
    if texture is not None:
        check_input(texture, "texture")
    if batch is not None:
        if any(given is not None for given in (speech, output, reference, style)):
            raise InputError(
                "--batch names speech, style and output in its list: leave out SPEECH, -o, "
                "--reference and --style"
            )
        _animate_batch(batch, options, texture, jobs)
        return
    if speech is None or output is None:
        raise InputError("give SPEECH and --output FILE, or --batch LIST.csv")
    if jobs is not None:
        raise InputError("--jobs is for --batch LIST.csv; leave it out")
    if reference is not None and style is not None:
        raise InputError("both --reference and --style are given; give one of them")
    if offset != "auto" and reference is None:
        raise InputError("--sound-offset is of a reference's sound; give --reference VIDEO with it")
    from adamesh.animation.style import Style
    from adamesh.export import check_export

    check_input(speech, "speech")
    # What is wrong with these is said before a style is learned.
    shown = shown_face(options)
    check_export(
        output,
        force=force,
        sound=True,
        fps=fps,
        encoding=encoding.value,
        pictures=pictures,
        texture=texture is not None,
        face=shown,
    )
    with progress_bars() as report:
        options = replace(options, texture=_texture(texture, report))
        personal = None
        if style is not None:
            personal = Style.load(style)
        elif reference is not None:
            personal = learn_style(reference, options, progress=report)
        clip, written = animate_file(
            speech, personal, output, options, progress=lambda d, t: report("writing", d, t)
        )
    if reference is not None and personal is not None:
        say_sound_offset(personal)
    _say_what_stays_behind(base_model(checkpoint).config.space, clip.space)
    typer.echo(f"{written}: {clip.duration:.1f} s")


def _texture(file: Path | None, report: Callable[..., None]) -> "NDArray[np.uint8] | None":
    if file is None:
        return None
    from adamesh.texture import load_texture

    return load_texture(file, progress=report)


def _animate_batch(
    file: Path, options: "AnimateOptions", texture: Path | None, jobs: int | None
) -> None:
    from adamesh.export import check_textured
    from adamesh.jobs.animate_file import shown_face
    from adamesh.jobs.batch import animate_batch, read_batch

    rows = read_batch(file)
    if texture is not None:
        check_textured(shown_face(options))
    with progress_bars() as report:
        options = replace(options, texture=_texture(texture, report))
        result = animate_batch(
            rows, options, jobs=jobs, progress=lambda d, t: report("animating", d, t)
        )
    for problem in result.problems:
        typer.echo(problem, err=True)
    typer.echo(
        f"{file}: {result.written} written, {result.skipped} there already, "
        f"{len(result.problems)} failed"
    )
    if result.problems:
        raise typer.Exit(1)


def _say_what_stays_behind(given: str, shown: str) -> None:
    if given == "arkit52" != shown:
        typer.echo(f"blinks are left out: the components of '{shown}' close no lids", err=True)


@app.command()
def adapt(
    reference: Annotated[
        Path, typer.Argument(help="Video of about 10 s of one person talking, or a track of it.")
    ],
    output: Output,
    audio: Annotated[
        Path | None, typer.Option(help="Sound of the reference, which is then a track.")
    ] = None,
    kind: As = None,
    fps: TrackFps = None,
    made_for: MadeFor = None,
    offset: SoundOffsetMs = "auto",
    checkpoint: Checkpoint = None,
    force: Force = False,
) -> None:
    """A person's style as one small file, from a video or from a track with its sound.

    A track is a clip of `adamesh track` or a file of another tool, see `adamesh formats`.

    [bold]Examples[/bold]

      adamesh adapt me.mp4 -o me.style

      adamesh adapt me.csv --audio me.wav -o me.style

      adamesh adapt me.mp4 --sound-offset 80 -o me.style
    """
    seconds = sound_offset(offset)
    if audio is None:
        check_input(reference, "video")
    else:
        check_input(audio, "sound")
    check_suffix(output, ".style")
    check_output(output, force=force)
    from adamesh.animation.adapt import adapt as learn
    from adamesh.checkpoints.networks import load_network
    from adamesh.faces.library import load_named_face
    from adamesh.models.expression import ExpressionAdapter

    model = load_network(ExpressionAdapter, checkpoint)
    with progress_bars() as report:
        style = learn(
            reference,
            audio=audio,
            format=kind,
            fps=fps,
            made_for=None if made_for is None else load_named_face(made_for),
            sound_offset=seconds,
            model=model,
            progress=report,
        )
    style.save(output, force=force)
    say_sound_offset(style)
    typer.echo(f"{output}: the style of {reference.name}")


@app.command()
def track(
    video: Annotated[Path | None, typer.Argument(help="Video with a face in view.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    person: Annotated[
        int, typer.Option(help="Whom of several people; 1 is the most prominent.", min=1)
    ] = 1,
    list_people: Annotated[
        bool, typer.Option("--list", help="List the people in the video instead.")
    ] = False,
    overlay: Annotated[
        Path | None, typer.Option(help="Also write the video with the fitted mesh drawn on it.")
    ] = None,
    imported: Annotated[
        Path | None,
        typer.Option("--import", help="Another tool's track, instead of a video."),
    ] = None,
    kind: As = None,
    fps: TrackFps = None,
    force: Force = False,
) -> None:
    """Motion of the face in a video, or in another tool's file, as a clip.

    [bold]Examples[/bold]

      adamesh track me.mp4 -o me.npz --overlay me-mesh.mp4

      adamesh track interview.mp4 --list

      adamesh track interview.mp4 --person 2 -o guest.npz

      adamesh track --import codes.mat --as deca --fps 25 -o me.npz
    """
    if list_people and video is not None and output is None:
        _list_people(video)
        return
    if output is None or list_people:
        raise InputError("give either -o FILE.npz to write the clip to, or VIDEO and --list")
    check_suffix(output, ".npz")
    check_output(output, force=force)
    if imported is not None:
        if video is not None or overlay is not None:
            raise InputError("--import takes the place of a video: leave out VIDEO and --overlay")
        _import_track(imported, output, kind, fps)
        return
    if video is None or kind is not None or fps is not None:
        raise InputError("give a VIDEO alone, or --import FILE with --as and --fps where needed")
    check_input(video, "video")
    if overlay is not None:
        check_suffix(overlay, ".mp4", ".mov", ".mkv")
        check_output(overlay, force=force)
    from adamesh.tracking.overlay import write_overlay
    from adamesh.tracking.track import track_video

    with progress_bars() as report:
        tracked = track_video(video, person=person, progress=lambda d, t: report("tracking", d, t))
        tracked.clip.save(output)
        if overlay is not None:
            write_overlay(tracked, video, overlay, progress=lambda d, t: report("drawing", d, t))
    typer.echo(
        f"{output}: {tracked.clip.frames} frames at {tracked.clip.fps:g} fps, residual "
        f"{tracked.residual_percent:.2f} % of the inter-ocular distance"
    )


def _list_people(video: Path) -> None:
    from adamesh.cli.tables import print_rows
    from adamesh.tracking.track import list_people

    with progress_bars() as report:
        people = list_people(video, progress=lambda d, t: report("looking", d, t))
    print_rows(f"People in {video.name}", people, as_json=False, medians=False)


def _import_track(file: Path, output: Path, kind: str | None, fps: float | None) -> None:
    from adamesh.formats import FORMATS, detect, read_track

    name = kind or detect(file)
    clip = read_track(file, format=name, fps=fps)
    clip.save(output)
    typer.echo(
        f"{output}: {clip.frames} frames at {clip.fps:g} fps in {clip.space}, from "
        f"{FORMATS[name].tool} ({FORMATS[name].note})"
    )


@app.command()
@options_of(pictures=pictures)
def export(
    clip: Annotated[Path, typer.Argument(help="Clip (.npz) from `track` or `animate`.")],
    output: Output,
    audio: Annotated[Path | None, typer.Option(help="Sound that goes with it.")] = None,
    fps: Fps = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="Another tool's format, from `adamesh formats`."),
    ] = None,
    identity: WhoseShape = Identity.reference,
    face: FaceName = None,
    made_for: MadeFor = None,
    encoding: GlbEncoding = Encoding.plain,
    texture: TextureFile = None,
    force: Force = False,
    *,
    pictures: Pictures,
) -> None:
    """A clip in another format; the suffix of the output chooses it, or --format.

    [bold]Examples[/bold]

      adamesh export talking.npz -o talking.glb --audio speech.wav

      adamesh export talking.npz -o small.glb --encoding quantised

      adamesh export talking.npz --format a2f-json -o talking.json

      adamesh export talking.npz --face flame2023 --camera close -o talking.mp4

      adamesh export talking.npz --face flame2023 --format vhap -o talking-vhap.npz
    """
    from adamesh.export import check_export
    from adamesh.faces.library import load_named_face
    from adamesh.formats import check_track, write_track

    check_input(clip, "clip")
    shown = None if face is None else load_named_face(face)
    if kind is not None:
        if audio is not None:
            raise InputError(f"files of {kind} have no sound; leave out --audio")
        if encoding is not Encoding.plain:
            raise InputError(f"--encoding is for .glb, not for files of {kind}; leave it out")
        if pictures != Pictures():
            raise InputError(f"files of {kind} hold no pictures; leave out what is for those")
        if texture is not None:
            raise InputError(f"files of {kind} cannot hold a texture; leave out --texture")
        check_track(output, kind, force=force)
    else:
        check_export(
            output,
            force=force,
            sound=audio is not None,
            fps=fps,
            encoding=encoding.value,
            pictures=pictures,
            texture=texture is not None,
            face=shown,
        )
    if texture is not None:
        check_input(texture, "texture")
    if made_for is not None and face is None:
        raise InputError("--made-for tells where motion comes from; say with --face where it goes")
    from adamesh.export import export as write
    from adamesh.media.audio import load_audio
    from adamesh.motion.clip import MotionClip
    from adamesh.rates import SAMPLE_RATE
    from adamesh.retargeting import fit_to_face

    motion = _with_shape(MotionClip.load(clip), identity)
    if shown is not None:
        source = None if made_for is None else load_named_face(made_for)
        given = motion.space
        motion = fit_to_face(motion, shown, made_for=source)
        _say_what_stays_behind(given, shown.space)
    if kind is not None:
        rate = write_track(motion, output, kind, fps=fps, force=force)
        typer.echo(f"{output}: {kind} at {rate:g} fps")
        return
    sound = None if audio is None else (load_audio(audio), SAMPLE_RATE)
    with progress_bars() as report:
        written, *_ = write(
            motion,
            output,
            face=shown,
            audio=sound,
            fps=fps,
            encoding=encoding.value,
            force=force,
            pictures=pictures,
            texture=_texture(texture, report),
            progress=lambda done, total: report("writing", done, total),
        )
    typer.echo(str(written))


@app.command()
def formats() -> None:
    """Tracks of other tools that are read (`track --import`, `adapt`) and written (`export --format`).

    [bold]Example[/bold]

      adamesh formats
    """
    from adamesh.cli.tables import print_formats

    print_formats()


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write to.")] = Path(
        "demo"
    ),
    force: Force = False,
) -> None:
    """The main job on the packaged sample: a reference video and a line of speech.

    [bold]Example[/bold]

      adamesh demo -o demo
    """
    from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH
    from adamesh.export import check_export

    if output.exists() and not output.is_dir():
        raise InputError(f"output '{output}' is a file; give the path of a folder")
    output.mkdir(parents=True, exist_ok=True)
    style, *talking = (output / name for name in ("sample.style", "talking.glb", "talking.mp4"))
    check_output(style, force=force)
    for target in talking:
        check_export(target, force=force, sound=True)
    adapt(SAMPLE_REFERENCE, style, force=force)
    for target in talking:
        animate(SAMPLE_SPEECH, target, style=style, force=force)


@app.command()
def prepare(
    data: Annotated[Path, typer.Argument(help="Corpus: a folder with a video.csv.")],
    tracks: Annotated[Path, typer.Option(help="Folder that the tracks are written to.")],
    jobs: Annotated[int | None, typer.Option(help="Processes; one a core by default.")] = None,
) -> None:
    """Track all videos of a corpus and find how late their sound is, resuming where it was stopped.

    [bold]Example[/bold]

      adamesh prepare corpus --tracks corpus-tracks
    """
    from adamesh.data.corpus import read_corpus
    from adamesh.data.prepare import prepare as run
    from adamesh.data.sound_offsets import find_offsets

    videos = read_corpus(data, tracks)
    with progress_bars() as report:
        problems = run(videos, jobs=jobs, progress=lambda d, t: report("tracking", d, t))
        offsets = find_offsets(videos, tracks, progress=lambda d, t: report("sound", d, t))
    for problem in problems:
        typer.echo(f"left out: {problem}", err=True)
    sure = sum(offset.confident for offset in offsets.values())
    typer.echo(
        f"{tracks}: {len(videos) - len(problems)} of {len(videos)} videos tracked; how late the "
        f"sound is known of {sure}"
    )


@app.command()
def evaluate(
    data: Data,
    tracks: Tracks,
    adaptation: Annotated[
        bool, typer.Option("--adaptation", help="Figures before and after adapting, not lip sync.")
    ] = False,
    pose: Annotated[
        bool, typer.Option("--pose", help="Figures of the head's motion, not lip sync.")
    ] = False,
    offsets: Annotated[
        bool,
        typer.Option("--offsets", help="How well known shifts of the sound are found again."),
    ] = False,
    upper_face: Annotated[
        bool, typer.Option("--upper-face", help="Figures of brows, lids and gaze, not lip sync.")
    ] = False,
    curves: Annotated[
        Path | None, typer.Option(help="Also write a picture of seen and generated openings.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Instead of the shipped one.")] = None,
    as_json: Json = False,
) -> None:
    """Figures on the validation people of a corpus.

    [bold]Examples[/bold]

      adamesh evaluate --data corpus --tracks corpus-tracks

      adamesh evaluate --data corpus --tracks corpus-tracks --adaptation

      adamesh evaluate --data corpus --tracks corpus-tracks --pose

      adamesh evaluate --data corpus --tracks corpus-tracks --offsets

      adamesh evaluate --data corpus --tracks corpus-tracks --upper-face
    """
    if adaptation + pose + offsets + upper_face > 1:
        raise InputError("give one of --adaptation, --pose, --offsets and --upper-face")
    if checkpoint is not None and (pose or offsets):
        raise InputError("--checkpoint is an expression adapter's: leave out --pose and --offsets")
    if curves is not None and (adaptation or pose or offsets or upper_face):
        raise InputError("--curves is a picture of lip sync: leave out the other options")
    from adamesh.checkpoints.networks import load_network
    from adamesh.cli.tables import (
        print_adaptation,
        print_pose,
        print_rows,
        print_sync,
        print_upper_face,
    )
    from adamesh.data.corpus import read_corpus
    from adamesh.evaluation import sync as figures
    from adamesh.evaluation.adaptation import evaluate_adaptation
    from adamesh.evaluation.offsets import evaluate_offsets
    from adamesh.evaluation.pose import evaluate_pose
    from adamesh.evaluation.upper_face import evaluate_upper_face
    from adamesh.models.expression import ExpressionAdapter

    model = load_network(ExpressionAdapter, checkpoint)
    videos = read_corpus(data, tracks)
    valid = [video for video in videos if video.split == "valid"]
    people = figures.load_people(valid, tracks)
    people = [p for p in people if p.seconds >= figures.SHORTEST_PERSON]
    with progress_bars() as report:

        def progress(done: int, total: int) -> None:
            report("people", done, total)

        if adaptation:
            rows = evaluate_adaptation(model, people, progress=progress)
        elif pose:
            heads = evaluate_pose(people, progress=progress)
        elif offsets:
            shifts = evaluate_offsets(people, progress=progress)
        elif upper_face:
            upper = evaluate_upper_face(model, people, progress=progress)
        else:
            train = [video for video in videos if video.split == "train"]
            sync = figures.evaluate_sync(model, people, train, tracks, progress=report)
    if adaptation:
        print_adaptation(rows, as_json=as_json)
    elif pose:
        print_pose(heads, as_json=as_json)
    elif offsets:
        print_rows("Offsets that were put into the sound, found again", shifts, as_json=as_json)
    elif upper_face:
        print_upper_face(upper, as_json=as_json)
    else:
        print_sync(sync, as_json=as_json)
    if curves is not None:
        figures.draw_curves(sync, curves)
        typer.echo(str(curves), err=True)


@app.command()
def info(as_json: Json = False) -> None:
    """What is installed: weights with hashes, face, speech features, versions, devices.

    [bold]Example[/bold]

      adamesh info --json
    """
    import json

    from adamesh.info import collect

    facts = collect()
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    for section, content in facts.items():
        if not isinstance(content, dict):
            typer.echo(
                f"{section:<10}{', '.join(content) if isinstance(content, list) else content}"
            )
            continue
        typer.echo(f"\n{section}")
        for name, value in content.items():
            shown = (
                ", ".join(f"{k} {v}" for k, v in value.items())
                if isinstance(value, dict)
                else value
            )
            typer.echo(f"  {name:<26}{shown or 'not installed'}")
