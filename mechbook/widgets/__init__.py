"""Live widgets: models that run in the page, on the static site and in JupyterLab alike."""

from mechbook.reader.extras import name_extras

name_extras()
