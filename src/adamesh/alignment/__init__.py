"""Sound and lips on one clock: how late a video's sound is against the mouth it shows.

Videos from the web are often 40 to 200 ms off. Whatever learns from one, or is judged on it, takes that out
first.
"""

from adamesh.alignment.offset import SoundOffset, estimate_offset, in_time

__all__ = ["SoundOffset", "estimate_offset", "in_time"]
