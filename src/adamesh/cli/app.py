"""All commands under one name; each is a thin line from arguments to one public function."""

import typer

from adamesh.cli.animate import animate
from adamesh.cli.apply import apply
from adamesh.cli.bench import bench_app
from adamesh.cli.corpus import evaluate, prepare
from adamesh.cli.demo import demo
from adamesh.cli.export import export
from adamesh.cli.face import face_app
from adamesh.cli.facts import formats, info
from adamesh.cli.reference import adapt, track
from adamesh.cli.style import style_app
from adamesh.cli.texture import texture
from adamesh.cli.train import train_app

app = typer.Typer(
    help="Ten seconds of somebody talking plus any speech give a 3D head that speaks it their way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for command in (
    animate,
    adapt,
    track,
    export,
    apply,
    texture,
    demo,
    formats,
    prepare,
    evaluate,
    info,
):
    app.command()(command)
app.add_typer(style_app, name="style")
app.add_typer(face_app, name="face")
app.add_typer(train_app, name="train")
app.add_typer(bench_app, name="bench")
