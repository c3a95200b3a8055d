"""Motion clips into files that other programs open; the suffix chooses the format.

`options` says how, `plan` what will be there afterwards, `registry` lists the formats, `write` does it; each
format has a module with its writer.
"""

from adamesh.export.job import Sound
from adamesh.export.options import OutputOptions
from adamesh.export.pictures import Pictures
from adamesh.export.plan import ExportPlan, plan_export
from adamesh.export.registry import FORMATS
from adamesh.export.write import export, write_export

__all__ = [
    "FORMATS",
    "ExportPlan",
    "OutputOptions",
    "Pictures",
    "Sound",
    "export",
    "plan_export",
    "write_export",
]
