"""The CSV tables that list a corpus."""

import csv
import os
from pathlib import Path

from adamesh.errors import InputError

SPLITS = ("train", "valid")


def read_table(
    folder: str | os.PathLike[str], name: str, columns: tuple[str, ...]
) -> list[dict[str, str]]:
    """The rows of a corpus's table.

    Args:
        folder: the corpus.
        name: file name of its table.
        columns: that must be there, `path` and `split` among them.
    Raises:
        InputError: no table, a column is missing, or a split is neither `train` nor `valid`.
    """
    table = Path(folder) / name
    if not table.is_file():
        raise InputError(
            f"'{folder}' has no {name}; a corpus is a folder with a {name} of the columns "
            f"{', '.join(columns)}"
        )
    with table.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"'{table}' lacks the column(s) {', '.join(missing)}")
        rows = list(reader)
    for row in rows:
        if row["split"] not in SPLITS:
            raise InputError(
                f"'{table}' has split '{row['split']}' for {row['path']}; use train or valid"
            )
    return rows
