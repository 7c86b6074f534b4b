"""What a chapter shows a reader: figures, tables, exercises."""

from mechbook.reader.extras import name_extras

name_extras()
