"""Where the repository and the site are on the network: one setting each, and no link where there is none.

    repository: url: ...     in _config.yml, or MECHBOOK_REPOSITORY
    html: baseurl: ...       in _config.yml, or MECHBOOK_SITE
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# The branch that Pages serves (.github/publish.sh), on which a notebook lies that runs by itself.
PUBLISHED = "gh-pages"


@dataclass(frozen=True)
class Addresses:
    """repository, site: addresses without a slash at the end, "" where there is none; branch: of the sources."""

    repository: str
    site: str
    branch: str

    @property
    def on_github(self) -> str:
        """OWNER/NAME of a repository on GitHub, where Colab opens notebooks from; "" for any other."""
        found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", self.repository)
        return found[1] if found else ""

    def colab(self, page: str) -> str:
        """The address at which Colab opens the published notebook of a page; "" where it cannot."""
        place = f"{self.on_github}/blob/{PUBLISHED}/_sources/{page}.ipynb"
        return f"https://colab.research.google.com/github/{place}" if self.on_github else ""


def addresses(settings: Mapping[str, Any], given: Mapping[str, str] | None = None) -> Addresses:
    """The addresses that the environment names, else _config.yml's `settings`.

    ValueError, one sentence, for one that is no address of http or https.
    """
    given = os.environ if given is None else given
    repository = settings.get("repository") or {}
    html = settings.get("html") or {}
    found = []
    for name, otherwise in (("MECHBOOK_REPOSITORY", repository.get("url")), ("MECHBOOK_SITE", html.get("baseurl"))):
        address = str(given.get(name) or otherwise or "").strip().rstrip("/")
        parts = urlsplit(address)
        if address and (parts.scheme not in ("http", "https") or not parts.netloc):
            raise ValueError(f"{name} is {address!r}; it must be an address such as https://HOST/NAME, or nothing.")
        found.append(address.removesuffix(".git"))
    return Addresses(found[0], found[1], str(repository.get("branch") or "main"))


def with_addresses(config: dict[str, Any], found: Addresses) -> dict[str, Any]:
    """Sphinx's settings with the links that lead somewhere, and without the others.

    The theme's launch buttons go: they open the repository's own notebooks, which need a checkout around them.
    `mechbook.site.travel` adds what works.
    """
    options = dict(config.get("html_theme_options") or {})
    options.pop("launch_buttons", None)
    options["repository_url"] = found.repository
    options["repository_branch"] = found.branch
    there = bool(found.repository)
    options["use_repository_button"] = there
    options["use_issues_button"] = options["use_edit_page_button"] = False
    if not there:
        options.pop("repository_provider", None)
    return {**config, "html_theme_options": options, "html_baseurl": found.site + "/" if found.site else ""}
