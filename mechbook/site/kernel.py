"""One page run from top to bottom in a kernel of this interpreter, and what its outputs may not hold."""

import atexit
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from myst_parser.config.main import MdParserConfig
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError

from mechbook.core.cache.closure import PACKAGE
from mechbook.site.fingerprint import dependencies, module_names
from mechbook.site.notebooks import code, read

# Run after a chapter's last cell: what it really imported, for comparison with what its fingerprint covers.
LOADED = "import sys as _s; print(*sorted(m for m in _s.modules if m.split('.')[0] == 'mechbook'))"
# seconds of the processor so far
CPU = "import os as _o; print(sum(_o.times()[:4]))"
# which trained runs it asked for, as `mechbook.site.noting` has them
NOTED = (
    "import json as _j, sys as _s; "
    "print(_j.dumps(getattr(_s.modules.get('mechbook.core.cache.entries'), 'noted', {})))"
)
NOTING = Path(__file__).with_name("noting.py").read_text(encoding="utf-8")
# Whose kernels an interruption has to stop.
RUNNING: set[NotebookClient] = set()
# Of the environment a kernel gets these and nothing else, so that no setting of a user's changes a page: where
# programs, a home and room for temporary files are, which devices there are, how the network and weights are reached.
PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT",
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "XDG_CACHE_HOME",
    # the checkout's own package before any other, and where Python keeps what it compiles
    "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX",
)  # fmt: skip
OWN = "MECHBOOK_"
# What the cache of runs says when it mends or misses an entry: true of this machine, and no part of a page.
NOTICE = re.compile(
    # the last is of a module that is dated ahead: where one is edited meanwhile, the page is not kept
    r"^.*RuntimeWarning: ((?:A damaged cache entry |A cache entry that |The cache folder |"
    r".* changed since this process began: ).*)\n(?:  .*\n)?",
    re.M,
)


@dataclass(frozen=True)
class Outcome:
    """How a chapter went: the executed notebook as JSON, or the words of its failure; what the cache of runs said.

    seconds, cpu: by the clock, and of the processor, those of the processes that the page started and awaited included
    """

    page: str
    seconds: float
    notebook: str | None
    failure: str | None
    notices: tuple[str, ...] = ()
    cpu: float = 0.0


def environment(root: Path = PACKAGE.parent, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a kernel: `PASSED` and this book's settings out of `given` (this process's), and fixed values.

    UTF-8 everywhere; folders of the build's own in place of the user's settings of IPython and matplotlib.
    """
    given = os.environ if given is None else given
    kept = {name: value for name, value in given.items() if name in PASSED or name.startswith(OWN)}
    return kept | {
        "PYTHONUTF8": "1",
        "PYTHONNOUSERSITE": "1",
        "LC_ALL": "C",
        "IPYTHONDIR": str(root / "_build" / ".ipython"),
        "MPLCONFIGDIR": str(root / "_build" / ".matplotlib"),
    }


class OwnKernel(AsyncKernelManager):
    """A kernel of the running interpreter, whatever kernels and settings the user has."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The one specification there is."""
        # Its notice that a local kernel talks over TCP, once for each chapter, would bury a failure.
        argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

    async def _async_pre_start_kernel(self, **kw: Any) -> tuple[list[str], dict[str, Any]]:
        """Start it in the environment that it is to have."""
        started: tuple[list[str], dict[str, Any]] = await super()._async_pre_start_kernel(**kw, env=environment())
        return started


def run(
    page: str,
    text: str,
    folder: str,
    config: MdParserConfig,
    limit: int | None,
    done: Callable[[], None] = lambda: None,
) -> Outcome:
    """Execute the page `text` in `folder`; check its outputs, and that its fingerprint covers all that it imported.

    A cell may take `limit` seconds; None: any time. `done` is called after each cell.
    """
    notebook = read(text, config)
    assert notebook is not None
    started = time.perf_counter()
    probes = [nbformat.v4.new_code_cell(source) for source in (LOADED, CPU, NOTED)]
    notebook.cells += probes
    at: list[str] = []
    client: NotebookClient = NotebookClient(
        notebook,
        timeout=limit,
        kernel_manager_class=OwnKernel,
        resources={"metadata": {"path": folder}},
        record_timing=False,
        on_cell_start=lambda cell, cell_index: at.append(cell.source),
        on_cell_complete=lambda cell, cell_index: done(),
        on_notebook_start=lambda notebook: note(client),
    )
    RUNNING.add(client)

    def failed(words: str) -> Outcome:
        return Outcome(page, time.perf_counter() - started, None, words)

    try:
        client.execute()
    except DeadKernelError as error:
        return failed(f"{error}. It died in this cell:\n{at[-1] if at else '(before the first)'}")
    except (CellExecutionError, CellControlSignal, TimeoutError) as error:
        return failed(str(error) or type(error).__name__)
    except OSError:
        # no kernel began, as on a full disk: at the end nbclient would clean up after it, with a traceback
        atexit.unregister(client._cleanup_kernel)
        raise
    finally:
        RUNNING.discard(client)
    del notebook.cells[-len(probes) :]
    notices = take_notices(notebook)
    if words := refused(notebook):
        return failed(words)
    loaded, cpu, noted = (probe.outputs[0]["text"] for probe in probes)
    notebook.metadata["mechbook"] = {"runs": json.loads(noted)}
    missed = set(loaded.split()) - module_names(dependencies(code(notebook)))
    if missed:
        names = ", ".join(sorted(missed))
        return failed(f"The chapter loaded {names} in a way its fingerprint does not see: write an import statement.")
    return Outcome(page, time.perf_counter() - started, nbformat.writes(notebook), None, notices, float(cpu))


def note(client: NotebookClient) -> None:
    """Have the kernel note the runs that the page asks for; it counts no execution and binds no name of the page's."""
    assert client.kc is not None
    code = f"exec({NOTING!r}, {{'__name__': 'noting'}})"
    client.kc.execute(code, silent=True, store_history=False, stop_on_error=False)


def take_notices(notebook: nbformat.NotebookNode) -> tuple[str, ...]:
    """Take out of the outputs what the cache of runs said, and return it; a stream that holds nothing more goes too."""
    found: list[str] = []
    for cell in _code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                found += NOTICE.findall(output.text)
                output.text = NOTICE.sub("", output.text)
        cell.outputs = [each for each in cell.outputs if each.output_type != "stream" or each.text.strip()]
    return tuple(dict.fromkeys(found))


def refused(notebook: nbformat.NotebookNode) -> str:
    """What no page may show, with the cell it comes from, or "": an error while something was displayed, and stderr.

    Neither ends a cell, so that nothing else would notice.
    """
    for cell in _code_cells(notebook):
        allowed = cell.metadata.get("tags", [])
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in allowed:
                words = "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
                return f"An error while an output was shown, of this cell:\n{cell.source}\n\n{words}"
            if output.output_type == "stream" and output.name == "stderr":
                return f"A cell wrote to stderr, which would land on the page:\n{cell.source}\n\n{output.text.rstrip()}"
    return ""


def _code_cells(notebook: nbformat.NotebookNode) -> Iterable[nbformat.NotebookNode]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


async def stop(client: NotebookClient) -> None:
    """End the kernel of a page that is running."""
    if client.km is not None and client.km.has_kernel:
        await ensure_async(client.km.signal_kernel(signal.SIGTERM))
