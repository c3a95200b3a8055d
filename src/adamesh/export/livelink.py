"""A recording of Live Link Face, as `formats` writes it for clips that go to other trackers' tools."""

from adamesh.export.job import Job
from adamesh.formats.livelink import write_livelink


def write(job: Job) -> None:
    write_livelink(job.clip, job.path)
