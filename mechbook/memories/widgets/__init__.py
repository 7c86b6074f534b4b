"""Chapter widgets: what runs in the page of memories."""
