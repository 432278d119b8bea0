"""Stands for systemctl in a folder: runs the lines of our unit, as far as they can be run here.

``FAKE_ROOT`` is the folder that deploy/install.sh --root filled.  `enable` and `disable` go to the
real systemctl, which does these without a running systemd.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

START_SECONDS = 40.0
STOP_SECONDS = 40.0


def main(arguments: Sequence[str]) -> int:
    root = Path(os.environ["FAKE_ROOT"])
    with (root / "systemctl.log").open("a") as log:
        log.write(" ".join(arguments) + "\n")
    if arguments[0] == "--version":
        sys.stdout.write("systemd 252 (252.1)\n")
        return 0
    if any(word in ("enable", "disable") for word in arguments):
        return subprocess.run(["/usr/bin/systemctl", *arguments], check=False).returncode
    if arguments[0] == "restart":
        (number,) = re.findall(r"^indextts@(\d)\.service$", arguments[1])
        return restart(root, number)
    return 0


def restart(root: Path, number: str) -> int:
    """Stop the instance, start it, come back when it listens."""
    pid_file = root / f"pid-{number}"
    if pid_file.exists():
        stop(int(pid_file.read_text()))
    environ = environment(root, number)
    unit = (root / "etc/systemd/system/indextts@.service").read_text()
    (start,) = re.findall(r"^ExecStart=(.*)$", unit, flags=re.M)
    current = root / "opt/indextts/current"
    runtime = root / f"run/indextts-{number}"
    runtime.mkdir(parents=True, exist_ok=True)
    with (root / f"log-{number}").open("ab") as log:
        process = subprocess.Popen(
            shlex.split(start.replace("/opt/", f"{root}/opt/")),
            cwd=current,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    pid_file.write_text(str(process.pid))
    return 0 if listens(process, runtime / "api.sock") else 1


def environment(root: Path, number: str) -> dict[str, str]:
    """What the environment files say; the unit's own variables need a real machine."""
    environ = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "TMPDIR": str(root)}
    for name in ("indextts.env", f"gpu-{number}.env"):
        for line in (root / "etc/indextts" / name).read_text().splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.partition("=")
                environ[key] = value
    return environ


def listens(process: subprocess.Popen[bytes], path: Path) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                time.sleep(0.05)
                continue
            return True
    return False


def stop(pid: int) -> None:
    """SIGTERM to the master, and SIGKILL to all when it takes too long."""
    end = time.monotonic() + STOP_SECONDS
    try:
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < end and Path(f"/proc/{pid}").exists():
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        return


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
