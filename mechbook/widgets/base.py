"""What every widget shares: a stub that calls the page's scripts, weights that several read, a static picture."""

import base64
import html
import io
import os
from collections.abc import Mapping
from typing import Any

import anywidget
import ipywidgets
import traitlets
from IPython.display import HTML, display
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.core.cache.closure import PACKAGE
from mechbook.widgets.bundle import library
from mechbook.widgets.weights import FRACTION, pack

STUB = """export default {
  render({ model, el }) {
    const text = model.get("library");
    if (text && !text.includes(`"${globalThis.mechbook?.version}"`)) (0, eval)(text);
    return globalThis.mechbook.widgets[model.get("kind")]({ model, el });
  },
};"""


def in_site_build() -> bool:
    """Whether the page that is made brings the scripts itself."""
    return os.environ.get("MECHBOOK_SITE_BUILD") == "1"


class Store(anywidget.AnyWidget):
    """Weights of a page: any number of its widgets read this one copy."""

    _esm = "export default { render() {} };"
    description = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)


def store(tensors: Mapping[str, Tensor], *, dtype: str = "float16", bits: int = FRACTION) -> Store:
    """Return the tensors as a store, rounded as `mechbook.widgets.weights.round_weights` does."""
    packed = pack(tensors, dtype=dtype, bits=bits)
    return Store(description=packed.description, data=packed.data)


class BookWidget(anywidget.AnyWidget):
    """One widget: `kind` names the function of `mechbook.widgets` in the page, `name` its anchor, such as "widget-3a".

    `settings` are JSON values. With a kernel the scripts travel in `library`; a built site serves them itself.
    """

    _esm = STUB
    kind = traitlets.Unicode().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    library = traitlets.Unicode().tag(sync=True)
    store = traitlets.Instance(Store).tag(sync=True, **ipywidgets.widget_serialization)

    def __init__(
        self, *, kind: str, name: str, settings: Mapping[str, Any], store: Store, picture: Figure | None, words: str
    ) -> None:
        text, self.missing = "", ""
        if not in_site_build():
            try:
                text = library()
            except RuntimeError as error:
                if (PACKAGE.parent / "package.json").is_file():
                    raise
                # installed from sources, without the scripts and what makes them
                self.missing = f"The widget itself is in the wheel that the book's site serves: {error}"
        super().__init__(kind=kind, name=name, settings=dict(settings), store=store, library=text)
        self.picture = picture
        self.words = words

    def _ipython_display_(self) -> None:
        """Show the widget; on the site its static picture comes before it, for print and where JavaScript is off.

        The picture alone, and a sentence, where the package was installed from sources without the widgets' scripts.
        """
        if in_site_build() or self.missing:
            display(HTML(self.static_html()))
        if self.missing:
            print(self.missing)
            return
        bundle = self._repr_mimebundle_()
        assert bundle is not None, "a widget that is closed cannot be shown"
        data, metadata = bundle
        display(data, metadata=metadata, raw=True)

    def static_html(self) -> str:
        """The picture with the widget's anchor; the widget hides it once it lives."""
        name, words = html.escape(self.name), html.escape(self.words)
        image = "" if self.picture is None else f'<img alt="{words}" src="{_png(self.picture)}">'
        return f'<div class="mb-static" id="{name}"><figure>{image}<figcaption>{words}</figcaption></figure></div>'


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
