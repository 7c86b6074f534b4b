"""What a chapter shows a reader: figures, tables, exercises."""
