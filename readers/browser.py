"""Chromium without a window, for the tests of this folder."""

import shutil
import subprocess
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def browse(*arguments: str | Path) -> str:
    assert BROWSER is not None, "no Chromium on this machine; on Debian: apt-get install chromium"
    options = ("--headless=new", "--no-sandbox", "--enable-unsafe-swiftshader")
    timing = ("--virtual-time-budget=20000", "--window-size=512,512", "--hide-scrollbars")
    command = [BROWSER, *options, *timing, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
