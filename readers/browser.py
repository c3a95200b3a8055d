"""Chromium without a window and a server for its pages, for the tests of this folder."""

import functools
import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def browse(*arguments: str | Path) -> str:
    assert BROWSER is not None, "no Chromium on this machine; on Debian: apt-get install chromium"
    options = ("--headless=new", "--no-sandbox", "--enable-unsafe-swiftshader")
    timing = ("--virtual-time-budget=20000", "--window-size=512,512", "--hide-scrollbars")
    command = [BROWSER, *options, *timing, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def result_of(address: str) -> dict[str, Any]:
    """What a page leaves as JSON in its element `result`."""
    found = re.search(r'<pre id="result">(.*?)</pre>', browse("--dump-dom", address), re.DOTALL)
    assert found is not None
    result = json.loads(html.unescape(found[1]))
    assert "error" not in result, result
    return result


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
