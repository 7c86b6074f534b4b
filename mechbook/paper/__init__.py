"""Recording of runs at the papers' own size: `python -m mechbook.paper`.

A room of its own, above the themes: it needs all of them, and none of what builds the site, so that it also runs where
only torch is.
"""

from mechbook.reader.extras import name_extras

name_extras()
