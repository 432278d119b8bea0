"""Nothing in the package opens a connection but the one place that checks addresses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import app.clips

PACKAGE = Path(app.clips.__file__).parent
OPENERS = {"socket", "create_connection", "create_server", "connect", "connect_ex", "urlopen"}
CLIENTS = {"requests", "urllib3", "httpx", "urllib.request", "aiohttp", "asyncio", "subprocess"}


def calls(tree: ast.AST) -> set[str]:
    functions = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {function.attr for function in functions if isinstance(function, ast.Attribute)}


def imports(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_only_one_module_opens_sockets() -> None:
    trees = {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text())
        for path in PACKAGE.rglob("*.py")
    }
    assert len(trees) > 10
    openers = {name for name, tree in trees.items() if calls(tree) & {"socket", *OPENERS}}
    # ftp calls Connections.connect, which is the checked way.
    assert openers == {"fetch/connect.py", "fetch/ftp.py"}
    assert calls(trees["fetch/ftp.py"]) & OPENERS == {"connect"}
    assert not any(imports(tree) & CLIENTS for tree in trees.values())


def test_package_does_not_need_torch_or_flask() -> None:
    names = ", ".join(
        ".".join(path.relative_to(PACKAGE.parents[1]).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__init__"
    )
    code = f"import sys, {names}; sys.exit('torch' in sys.modules or 'flask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parents[1], check=False)
    assert done.returncode == 0
