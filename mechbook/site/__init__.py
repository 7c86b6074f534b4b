"""The site: executing chapters, caching them correctly, and putting their claims on the pages."""
