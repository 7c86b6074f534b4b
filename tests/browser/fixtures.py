"""One Chromium for all browser tests, and one small site with every widget, built by the real site code."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from mechbook.core.training.settings import TrainingSettings
from mechbook.induction.runs import InductionSettings
from mechbook.induction.widgets.induction import Shipped, shipped
from mechbook.noisy.model import NoisyConfig
from mechbook.noisy.runs import NoisySettings
from mechbook.noisy.widgets import truncation
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.widgets.base import BookWidget
from tests.browser import checks
from tests.browser.browser import library_page, served

ROOT = Path(__file__).resolve().parents[2]
HEADER = """---
jupytext:
  formats: md:myst,ipynb
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
# The run of the pages: seconds of training, and enough of it for an induction head to begin.
RUN = dict(
    T=31,
    K=5,
    model=SimplifiedConfig(N=load_counts().N, T=31, d=61),
    training=TrainingSettings(steps=120, batch_size=32, optimizer="sgd", lr=0.05),
    seed_key=(0,),
    probe_every=10,
    checkpoint_steps=tuple(range(0, 121, 20)),
)
SPEC = f"""from mechbook.shared.simplified import SimplifiedConfig
from mechbook.induction.runs import InductionSettings
from mechbook.core.training.settings import TrainingSettings

SPEC = InductionSettings(**{RUN!r})
"""
# As long as the noise takes, and more: of a size that no rank or length shares.
NOISY_STEPS = (0, 4, 8, 12, 24, 40)
NOISY_RUN = dict(
    T=31,
    alpha=0.5,
    model=NoisyConfig(V=load_counts().N + 1, T=31, d=37),
    training=TrainingSettings(steps=40, batch_size=16, optimizer="sgd", lr=0.05),
    seed_key=(0,),
    probe_steps=NOISY_STEPS,
    checkpoint_steps=NOISY_STEPS,
)
NOISY_SPEC = f"""from mechbook.noisy.runs import NoisySettings
from mechbook.noisy.model import NoisyConfig
from mechbook.core.training.settings import TrainingSettings

SPEC = NoisySettings(**{NOISY_RUN!r})
"""
PAGES = {
    "book/index.md": HEADER
    + """# Start

A formula: $a^2 + \\alpha \\le \\mathfrak{c}^2$. The [other page](widgets.md). See {numref}`fig-drawn`.

```{code-cell} ipython3
---
tags: [remove-input]
mystnb:
  figure: {name: fig-drawn, caption: An induction head.}
---
from mechbook.reader.circuits.induction_head import INDUCTION_HEAD
from mechbook.reader.circuits.svg import show

show(INDUCTION_HEAD)
```

```{code-cell} ipython3
:tags: [hide-input]
from mechbook.induction.widgets.induction import small_induction_widget
SPEC
small_induction_widget(SPEC)
```
""",
    "book/widgets.md": HEADER
    + """# Widgets

See [](index.md) and <a href="#widget-3a">the first one</a>, and

$$ W_{K1} = \\sum_t p_t p_{t-1}^\\top $$

```{code-cell} ipython3
:tags: [hide-input]
from mechbook.induction.widgets.induction import induction_widget, memory_widget
SPEC
induction_widget(SPEC)
```

```{code-cell} ipython3
memory_widget(SPEC)
```
""",
    "book/memories.md": HEADER
    + """# Memories

The scores $v_j^\\top W u_i$.

```{code-cell} ipython3
:tags: [hide-input]
from mechbook.memories.widgets.capacity import capacity_widget
capacity_widget()
```

```{code-cell} ipython3
from mechbook.gradients.widgets.gradient_step import gradient_step_widget
gradient_step_widget()
```
""",
    "book/noise.md": HEADER
    + """# Noise

The noise $\\tau$.

```{code-cell} ipython3
:tags: [hide-input]
from mechbook.noisy.widgets.truncation import noise_attention_widget, truncation_widget
NOISY_SPEC
truncation_widget(SPEC)
```

```{code-cell} ipython3
noise_attention_widget(SPEC)
```
""",
    "book/training.md": HEADER
    + """# Training

The matrix $W_K^1$.

```{code-cell} ipython3
:tags: [remove-input]
from mechbook.induction.widgets.trainer import birth_widget, trainer_widget
birth_widget()
```

```{code-cell} ipython3
:tags: [hide-input]
SPEC
trainer_widget(SPEC)
```

```{code-cell} ipython3
from mechbook.gradients.widgets.memory_steps import memory_steps_widget
memory_steps_widget()
```

```{code-cell} ipython3
from mechbook.noisy.widgets.recall import recall_widget
recall_widget()
```

```{code-cell} ipython3
from mechbook.facts.experiments import linear_settings
from mechbook.facts.presets import LAPTOP
from mechbook.facts.widgets.learning import fact_learning_widget
fact_learning_widget(linear_settings(LAPTOP))
```
""",
    "book/plain.md": "# Plain\n\nNo widget here.\n",
}
CHAPTERS = [name.removesuffix(".md") for name in PAGES if name != "book/index.md"]
TOC = "format: jb-book\nroot: book/index\nchapters:\n" + "".join(f"  - file: {name}\n" for name in CHAPTERS)


@pytest.fixture(scope="module")
def library(browser: Any) -> Iterator[Any]:
    """An empty page with the widgets' scripts, for the tests of a file."""
    with library_page(browser) as found:
        yield found


@pytest.fixture
def moving_page(browser: Any) -> Iterator[Any]:
    """An empty page with the widgets' scripts, of a reader who has nothing against motion."""
    with library_page(browser) as found:
        found.emulate_media(reduced_motion="no-preference")
        yield found


@pytest.fixture
def alone(library: Any) -> Callable[[BookWidget], Any]:
    """Show a widget alone on the page, at an address without a state; returns the page."""

    def show(widget: BookWidget) -> Any:
        library.evaluate("history.replaceState(null, '', '#')")
        checks.render(library, widget)
        return library

    return show


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Path:
    """The folder of the small site (after the browser: without one nothing is built); workers share it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _build(tmp_path_factory.mktemp("site"))
    shared = tmp_path_factory.getbasetemp().parent / "small-site"
    with FileLock(f"{shared}.lock"):
        # A build that failed in one worker is tried again, and told, in the next.
        if not (shared / "done").exists():
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir()
            _build(shared)
            (shared / "done").touch()
    return shared / "_build" / "html"


def _build(root: Path) -> Path:
    for name in ("_config.yml", "requirements.txt", "package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ROOT / name, root / name)
    for name in ("mechbook", "book/_static"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    # What is vendored once serves every site.
    (ROOT / "_vendor").mkdir(exist_ok=True)
    (root / "_vendor").symlink_to((ROOT / "_vendor").resolve(), target_is_directory=True)
    for name, text in PAGES.items():
        for mark, code in (("NOISY_SPEC\n", NOISY_SPEC), ("\nSPEC\n", f"\n{SPEC}")):
            text = text.replace(mark, code, 1)
        (root / name).write_text(text, encoding="utf-8")
    (root / "_toc.yml").write_text(TOC, encoding="utf-8")
    (root / "book" / "references.bib").write_text("", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MECHBOOK_")}
    done = subprocess.run(
        [sys.executable, "-m", "mechbook.site.build", "--workers", "1"],
        cwd=root,
        env={**kept, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "MECHBOOK_CACHE": str(cache(root))},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "_build" / "html"


def cache(root: Path) -> Path:
    """Where the pages and the tests keep the one run they share."""
    return root / "_cache"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The small site over http."""
    with served(site) as found:
        yield found


@pytest.fixture(scope="session")
def sent(site: Path) -> Iterator[Shipped]:
    """What the pages of the small site hold, from the run they cached."""
    with build_settings(site):
        yield shipped(InductionSettings(**RUN))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def noisy_sent(site: Path) -> truncation.Shipped:
    """What the page of widgets 4a and 4b holds, from the run it cached."""
    with build_settings(site):
        return truncation.shipped(NoisySettings(**NOISY_RUN))  # type: ignore[arg-type]


@contextmanager
def build_settings(site: Path) -> Iterator[None]:
    """The settings with which the small site was built: its cache, and one thread."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("MECHBOOK_")]:
        patch.delenv(name)
    patch.setenv("MECHBOOK_CACHE", str(cache(site.parents[1])))
    # As the build: with another count of threads it would be another run.
    patch.setenv("MECHBOOK_THREADS", "1")
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        patch.undo()
