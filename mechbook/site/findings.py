"""What the landing page says the book found: each line stands on claims, and is said only where they hold.

    ```{finding} noisy.drop_f2 noisy.rank_sweep
    :picture: falling
    **What it is.** In two sentences, with numbers as {about}`noisy.drop_f2:noise %`.
    ```

`picture` is one of PICTURES. Where a claim does not hold, or was not judged, that is said in the sentence's place.
`beside` names more claims, whose numbers are shown and which need not hold; their verdicts are told as well.
The roles {likeliest}`before` and {likeliest}`after %` quote what chapter 5 measured of one prompt
(`laser/headline.py`).
"""

import ast
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective, SphinxRole

from mechbook.site import quoted, scorecard
from mechbook.site import thumbnails as thumbnail

Row = Mapping[str, Any]
Link = Callable[[str, str | None], str]
# Where chapter 5 leaves what `headline` measured.
SOURCE, KEY = "book/05_laser", "headline"


class FindingPlace(nodes.General, nodes.Element):
    """A finding with its sentences, of which one is said."""


class LikeliestPlace(nodes.Inline, nodes.Element):
    """Where a word of chapter 5's prompt comes, or its probability."""


class PageOnly(nodes.General, nodes.Element):
    """What the page shows and no notebook: pictures, and what tells one build from another."""


class NotSoError(Exception):
    """What was measured is not what the sentence says; the message tells what it is."""


class FindingDirective(SphinxDirective):
    """The directive {finding}."""

    required_arguments, final_argument_whitespace, has_content = 1, True, True
    option_spec = {"picture": directives.unchanged_required, "beside": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Note the page and leave a place with the sentences."""
        quoted.pages(self.env).add(self.env.docname)
        claims, beside = self.arguments[0].split(), self.options.get("beside", "").split()
        place = FindingPlace(claims=claims, beside=beside, picture=self.options.get("picture", ""))
        self.state.nested_parse(self.content, self.content_offset, place)
        return [place]


class LikeliestRole(SphinxRole):
    """The role {likeliest}."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Note the page and leave a place."""
        quoted.pages(self.env).add(self.env.docname)
        return [LikeliestPlace(what=self.text.strip())], []


def headline(env: Any) -> dict[str, Any]:
    """What chapter 5 measured of one prompt, as it was read into this build; {} where it has no such page."""
    path = Path(env.mystnb_config.output_folder) / f"{SOURCE}.glue.json"
    if SOURCE not in env.found_docs or not path.is_file():
        return {}
    output = json.loads(path.read_text(encoding="utf-8")).get(KEY)
    found: dict[str, Any] = json.loads(ast.literal_eval(output["data"]["text/plain"])) if output else {}
    return found


def likeliest_text(told: Mapping[str, Any], what: str) -> str:
    """The prompt ("text"), the likeliest word ("before" or "after"), or with % its probability then.

    ValueError for anything else, and where chapter 5 told nothing.
    """
    name = what.removesuffix("%").strip()
    if name not in ("text", "before", "after") or (name == "text" and what != name) or not told:
        raise ValueError(f"chapter 5 tells no {what!r} of its prompt.")
    return f"{told['p'][told[name]][name == 'after']:.0%}" if what.endswith("%") else str(told[name])


def fill(doctree: nodes.Element, rows: Mapping[str, Row], told: Mapping[str, Any], link: Link) -> list[str]:
    """Say each finding or what is the case in its place; the problems, a sentence each.

    What it quotes of claims is left to `quoted.fill`.
    """
    problems = []
    for place in list(doctree.findall(FindingPlace)):
        try:
            place.replace_self(_finding(place, rows, told, link))
        except (KeyError, ValueError) as error:
            problems.append(f"The finding of {' '.join(place['claims'])} cannot be shown: {error}.")
            place.replace_self(nodes.paragraph("", f"[{error}]"))
    for word in list(doctree.findall(LikeliestPlace)):
        try:
            word.replace_self(nodes.inline("", likeliest_text(told, word["what"]), classes=["mb-quoted"]))
        except ValueError as error:
            problems.append(str(error))
            word.replace_self(nodes.strong("", f"[{error}]"))
    return problems


def _finding(place: nodes.Element, rows: Mapping[str, Row], told: Mapping[str, Any], link: Link) -> nodes.Element:
    if lost := [id for id in (*place["claims"], *place["beside"]) if id not in rows]:
        raise ValueError(f"{lost[0]} is not in the list of claims")
    needed, beside = ([rows[id] for id in place[which]] for which in ("claims", "beside"))
    found = [*needed, *beside]
    unsaid = [row["statement"] for row in needed if row["status"] != "held"]
    unsaid += [row["statement"] for row in beside if row["measured"] is None]
    picture = None
    if all(row["measured"] is not None for row in found):
        try:
            picture = PICTURES[place["picture"]]({row["id"]: row["measured"] for row in found}, told)
        except NotSoError as error:
            unsaid.append(str(error))
    text = nodes.container("", classes=["mb-finding-words"])
    for statement in unsaid:
        text += nodes.paragraph("", f"Not so, or not known, in this build: {statement}.", classes=["mb-unsaid"])
    text += [] if unsaid else place.children
    text += _foot(found, link)
    box = nodes.container("", classes=["mb-finding"])
    box += [PageOnly("", nodes.raw("", picture, format="html"))] if picture else []
    box += text
    return box


def _foot(found: list[Row], link: Link) -> nodes.paragraph:
    """The chapter, and by verdict the claims with links to their cards."""
    foot = nodes.paragraph("", classes=["mb-finding-foot"])
    page = next((row["page"] for row in found if row["page"]), None)
    chapter = f"Chapter {found[0]['chapter']}"
    foot += nodes.reference("", chapter, refuri=link(page, None), internal=True) if page else nodes.Text(chapter)
    verdicts = [scorecard.verdict(row) for row in found]
    for verdict in dict.fromkeys(verdicts):
        foot += nodes.Text(f" · {verdict}: ")
        for number, row in enumerate(row for row, own in zip(found, verdicts, strict=True) if own == verdict):
            foot += nodes.Text(", " if number else "")
            name = nodes.literal("", row["id"])
            where = row["page"] and link(row["page"], row["anchor"])
            foot += nodes.reference("", "", name, refuri=where, internal=True) if where else name
    return foot


Values = Mapping[str, Any]


def _slopes(values: Values, told: Mapping[str, Any]) -> str:
    first, last = told["before"], told["after"]
    if last != told["answer"] or first == last:
        raise NotSoError(f"after “{told['text']}” comes “{first}”, and “{last}” once the matrix is cut")
    falls, rises = told["p"][first], told["p"][last]
    return thumbnail.slopes(
        (first, *falls),
        (last, *rises),
        f"“{first}” falls from {falls[0]:.0%} to {falls[1]:.0%} as the matrix is cut, "
        f"and “{last}” rises from {rises[0]:.0%} to {rises[1]:.0%}.",
    )


def _falling(values: Values, told: Mapping[str, Any]) -> str:
    ranks = values["noisy.rank_sweep"]
    noise = {int(name.removeprefix("noise_")): p for name, p in ranks.items() if name.startswith("noise_")}
    order = sorted(noise, reverse=True)
    words = ", ".join(f"{noise[share]:.0%} at {share}%" for share in order)
    heights = [noise[share] for share in order]
    return thumbnail.falling(heights, f"The frequent word's probability by the rank that the block keeps: {words}.")


def _order(values: Values, told: Mapping[str, Any]) -> str:
    steps = values["ih.order"]
    read = (("$W_O^2$", "W_O2", "W_O2"), ("$W_K^2$", "W_K2", "W_K2_weighted"), ("$W_K^1$", "W_K1", "W_K1_weighted"))
    lines = [(formula, role, steps[name]) for formula, role, name in read]
    words = ", ".join(f"{role} at step {step:.0f}" for _, role, step in lines)
    if not steps["W_O2"] < min(step for _, _, step in lines[1:]):
        raise NotSoError(f"W_O2 is not learned first: {words}")
    return thumbnail.lanes(lines, f"When each matrix is learned: {words}.")


def _bars(values: Values, told: Mapping[str, Any]) -> str:
    shares = values["grad.top_down"]
    order = sorted(shares, key=lambda name: name != "right")
    words = ", ".join(f"{shares[name]:.0%}" for name in order)
    return thumbnail.bars([shares[name] for name in order], f"Right answers by the order of the three steps: {words}.")


def _dots(values: Values, told: Mapping[str, Any]) -> str:
    gradient, polar = (values["am.muon_writer"][name] for name in ("gradient", "polar"))
    words = f"A dot for each pair stored: {gradient:.0f} by the gradient's step, {polar:.0f} by its polar factor's."
    return thumbnail.dots(gradient, polar, words)


def _ring(values: Values, told: Mapping[str, Any]) -> str:
    valid, correct = (values["fact.hallucination"][name] for name in ("valid", "correct"))
    words = f"Of the answers {valid:.0%} are of the right kind, and {correct:.0%} are right."
    return thumbnail.ring(valid, correct, words, written=f"{correct:.0%}")


def _hops(values: Values, told: Mapping[str, Any]) -> str:
    steps = {name.removeprefix("hop_"): step for name, step in values["khop.order"].items() if name.startswith("hop_")}
    order = sorted(steps, key=int)
    words = ", ".join(f"{hop} at step {steps[hop]:.0f}" for hop in order)
    lines = [(hop, "correct", steps[hop]) for hop in order]
    words = f"How many look-ups in a row are learned when, in a mixture: {words}. Alone, {order[-1]} are not learned."
    return thumbnail.lanes(lines, words, never=order[-1])


PICTURES: Mapping[str, Callable[[Values, Mapping[str, Any]], str]] = {
    "slopes": _slopes,
    "falling": _falling,
    "order": _order,
    "bars": _bars,
    "dots": _dots,
    "ring": _ring,
    "hops": _hops,
}
