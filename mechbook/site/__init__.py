"""The site: executing chapters, caching them correctly, and putting their claims on the pages."""

from mechbook.reader.extras import name_extras

name_extras()
