"""Run in a kernel before a page's first cell: notes which trained runs the page asks the cache for.

`entries.noted`, once `mechbook.core.cache.entries` is imported, has them: file name to the modules whose code counts.
Nothing is imported that the page does not import itself.
"""

import importlib.abc
import importlib.util
import sys


class _Noting(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in the way of one module, once."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name != "mechbook.core.cache.entries":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            self.exec_as_it_is = spec.loader.exec_module
            spec.loader.exec_module = self.exec_module  # type: ignore[method-assign]
        return spec

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        self.exec_as_it_is(module)
        module.noted = {}
        identity = module._identity

        def noting(key, modules):  # type: ignore[no-untyped-def]
            found = identity(key, modules)
            module.noted[module._path(found).name] = list(modules)
            return found

        module._identity = noting


sys.meta_path.insert(0, _Noting())
