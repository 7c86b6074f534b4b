"""What the installed package does from a command line.

    mechbook where                                             folders, version, and which extras there are
    mechbook laser MODEL "Madrid is located in" " Spain"       the edits that help an answer most
    mechbook paper --list                                      runs at the papers' size

`python -m mechbook` is the same. Exit codes: 2 for what was asked wrongly, 1 where it could not be done.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version

from mechbook.reader.extras import EXTRA_OF, name_extras


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; what an extra is missing for is one sentence."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name_extras()
    try:
        if given[:1] == ["paper"]:
            from mechbook.paper.__main__ import main as paper

            return paper(given[1:])
        return _own(given)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA_OF:
            raise
        print(error, file=sys.stderr)
        return 1


def _own(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="mechbook", description="How transformers store facts: the book's package.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("where", help="print folders, version, and which extras are installed")
    commands.add_parser("paper", help="record runs at the papers' size (mechbook paper --help)")
    laser = commands.add_parser("laser", help="cut ranks in a language model, and print what helps an answer most")
    laser.add_argument("model", help="a name (smollm2-135m, gpt2, ...), a folder or a GGUF file")
    laser.add_argument("prompt", help='such as "Madrid is located in"')
    laser.add_argument("answer", help='one token, such as " Spain"')
    laser.add_argument("--layers", type=int, default=3, help="how many of the last blocks to try (3)")
    laser.add_argument("--best", type=int, default=5, help="how many edits to print (5)")
    asked = parser.parse_args(given)
    if asked.command == "where":
        print("\n".join(where()))
        return 0
    try:
        print("\n".join(gains(asked.model, asked.prompt, asked.answer, layers=asked.layers, best=asked.best)))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def where() -> list[str]:
    """A line for the version, for each folder, and for each extra with what of it is not installed."""
    from mechbook.core.cache import closure, entries
    from mechbook.records import files

    try:
        known = version("mechbook")
    except PackageNotFoundError:
        known = "not installed"
    lines = [f"version: {known}", f"package: {closure.PACKAGE}", f"trained runs: {entries.folder()}"]
    lines.append(f"records: {files.folder()}")
    for extra in sorted(set(EXTRA_OF.values())):
        # by the finder of installed packages alone: `Extras` would take the question for an import
        missing = [name for name, of in EXTRA_OF.items() if of == extra and PathFinder.find_spec(name) is None]
        lines.append(f"extra {extra}: {'without ' + ', '.join(missing) if missing else 'there'}")
    return lines


def gains(name: str, prompt: str, answer: str, *, layers: int, best: int) -> list[str]:
    """The probability of `answer` after `prompt` in the whole model, then the edits that raise it most.

    layers: how many of the last blocks are edited, each matrix of the MLP at three fractions of its rank.
    ValueError as `mechbook.pretrained.load.load`, for an answer of several tokens, and for layers or best below 1.
    """
    if layers < 1 or best < 1:
        raise ValueError("--layers and --best are whole numbers from 1 on.")
    from mechbook.laser.edits import prompt as prompt_of
    from mechbook.laser.sweep import sweep
    from mechbook.pretrained.load import load

    model = load(name)
    blocks = range(max(0, model.adapter.n_layers - layers), model.adapter.n_layers)
    asked = [prompt_of(model, prompt, answer, group="facts")]
    result = sweep(model, asked, matrices=("mlp_in", "mlp_out"), layers=blocks, rhos=(0.01, 0.1, 0.3))
    found = sorted(
        ((float(after[0, 0]), edit) for after, edit in zip(result.after, result.edits, strict=True)),
        key=lambda pair: -pair[0],
    )
    told = [f"{float(result.before[0, 0]):.4f}  the whole model"]
    return told + [f"{p:.4f}  block {e.layer}, {e.matrix}, rho {e.rho:g}" for p, e in found[:best]]
