"""Two downloaded notebooks, run from top to bottom in an environment that had nothing but a kernel.

Oracle: that no cell fails, and what the first one says. Needs a built site (make book) and pip's network.
"""

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
CHAPTERS = ("01_associative_memories", "07_khop_curriculum")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (HTML / "downloads").is_dir(), reason="there is no site yet: run make book first"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with a kernel and no mechbook; pip takes the versions the site was built with."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    found = folder / "bin" / "python"
    pip = [str(found), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "requirements.txt")]
    subprocess.run([*pip, "ipykernel"], check=True, env=environment(folder.parent))
    # pip would take the CUDA build by itself; a notebook's first cell keeps what it finds
    if index := os.environ.get("TORCH_INDEX"):
        subprocess.run([*pip, "--index-url", index, "torch"], check=True, env=environment(folder.parent))
    return found


def environment(home: Path) -> dict[str, str]:
    """Nothing of the checkout's, and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MECHBOOK_", "PYTHON"))}
    pinned = str(ROOT / "requirements.txt")
    return {**kept, "HOME": str(home), "PIP_CONSTRAINT": pinned, "PIP_CACHE_DIR": str(home / "pip")}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The built site, served."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(HTML))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_downloaded_notebook_runs_by_itself(python: Path, site: str, chapter: str, tmp_path: Path) -> None:
    notebook = nbformat.read(HTML / "_sources" / "book" / f"{chapter}.ipynb", as_version=4)
    given = {**environment(python.parents[2]), "MECHBOOK_SITE": site}

    class Kernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python", env=given)

        async def _async_pre_start_kernel(self, **kw: Any) -> Any:
            return await super()._async_pre_start_kernel(**kw, env=given)

    client = NotebookClient(
        notebook, timeout=3000, kernel_manager_class=Kernel, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
    assert "used here: " in said and "Of other code" not in said and "used here: 0" not in said, said
    errors = [output for cell in notebook.cells for output in cell.get("outputs", ()) if output.output_type == "error"]
    assert not errors
    # nothing of it came from the checkout
    assert not list(tmp_path.glob("_cache"))
