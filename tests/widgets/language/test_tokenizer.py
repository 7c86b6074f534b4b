"""The page's tokenizer. Oracle: the package `tokenizers`, with the file's tokens and merges."""

import random
from pathlib import Path
from typing import Any

import pytest

from mechbook.pretrained.load import LanguageModel
from mechbook.pretrained.packages import packaged
from tests.widgets.language.engine import asked
from tests.widgets.language.files import write

# First and last letters of stretches of Unicode: scripts, marks, digits, symbols, and what is in no plane of text.
STRETCHES = [
    (0x20, 0x7E), (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0xFF), (0x100, 0x24F), (0x250, 0x2AF),
    (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x4FF), (0x531, 0x586), (0x5D0, 0x5EA), (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9E3), (0xB80, 0xBFA),
    (0xE01, 0xE5B), (0xF00, 0xF47), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137C), (0x13A0, 0x13F4),
    (0x1780, 0x17F9), (0x1E00, 0x1EFF), (0x1F00, 0x1F15), (0x2000, 0x206F), (0x2070, 0x209C), (0x20A0, 0x20BF),
    (0x2150, 0x218B), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x27BF), (0x3000, 0x303F), (0x3041, 0x30FF),
    (0x3131, 0x318E), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xFB00, 0xFB06), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFF01, 0xFF5E), (0xFFFC, 0xFFFD), (0x10330, 0x1034A), (0x12000, 0x12399), (0x1D400, 0x1D4FF),
    (0x1D7CE, 0x1D7FF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F9FF),
    (0x20000, 0x200FF), (0xE0020, 0xE007F),
]  # fmt: skip
SPACES = [
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\n\n",
    "\r\n",
    "\v",
    "\f",
    "\x85",
    "\xa0",
    "\u2003",
    "\u2028",
    "\u3000",
    "\u200b",
]
PIECES = [
    "Madrid is located in", "the", "don't", "I'LL", "we've", "it's", "12", "3.14", "1,000,000", "²", "½", "Ⅷ", "٣٤",
    "x_1 = y[0];",
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im",
    "<repo_name>", "<filename>", "é", "e\u0301", "👩‍👩‍👧‍👦", "🇪🇸", "👍🏽", "ﷺ", "\ufeff",
    "naïve", "Straße", "ΑΒΓ", "привет", "שלום", "مرحبا", "नमस्ते", "สวัสดี",
    "日本語", "한국어", "𝒳", "http://a.b/c?d=e&f", "\\n", "--", "…", "“q”",
]  # fmt: skip


def strings(count: int) -> list[str]:
    """Empty, single letters, letters of one stretch, and mixtures of words, spaces, digits and letters of any."""
    draw = random.Random(20)

    def letters(most: int) -> str:
        low, high = draw.choice(STRETCHES)
        return "".join(chr(draw.randint(low, high)) for _ in range(draw.randint(1, most)))

    found = ["", *SPACES, *PIECES]
    while len(found) < count:
        how = draw.random()
        if how < 0.3:
            found.append(letters(12))
            continue
        parts = []
        for _ in range(draw.randint(1, 9)):
            kind = draw.random()
            if kind < 0.35:
                parts.append(draw.choice(PIECES))
            elif kind < 0.65:
                parts.append(draw.choice(SPACES))
            elif kind < 0.8:
                parts.append(str(draw.randint(0, 10 ** draw.randint(1, 6))))
            else:
                parts.append(letters(4))
        found.append("".join(parts))
    return found


def test_tokens_of_two_thousand_strings_are_those_of_tokenizers(smollm: LanguageModel) -> None:
    """Digits are split off one by one, as the file's "smollm" says, and then words as GPT-2's."""
    from tokenizers import Tokenizer, pre_tokenizers

    oracle: Any = Tokenizer.from_str(smollm.tokenizer.to_str())
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    oracle.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words])
    texts = strings(2000)
    assert len(texts) == 2000
    _, answer = asked([{"type": "open", "path": str(packaged("smollm2-135m"))}, {"type": "tokens", "texts": texts}])
    wrong, same = [], 0
    for text, found in zip(texts, answer["value"], strict=True):
        expected = oracle.encode(text, add_special_tokens=False).ids
        # what each token by itself stands for
        pieces = [oracle.decode([token], skip_special_tokens=False) for token in expected]
        if found["ids"] != expected or found["pieces"] != pieces:
            wrong.append((text, found["ids"], expected))
        same += found["ids"] == smollm.encode(text)
    assert wrong == []
    # the package's own reading of the file splits no digits off: it differs after two spaces before a digit
    assert same > 1500


def test_another_tokenizer_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for key, value, sentence in (
        ("tokenizer.ggml.model", "llama", 'The file\'s tokenizer is "llama"; byte pairs ("gpt2") are read here.'),
        (
            "tokenizer.ggml.pre",
            "qwen2",
            'The file\'s tokenizer splits texts as "qwen2"; gpt-2 and smollm are known here.',
        ),
    ):
        path = write(tmp_path / "tiny.gguf", words={key: value})
        (answer,) = asked([{"type": "open", "path": str(path)}])
        assert answer["refused"] == sentence


def test_a_prompt_of_ten_thousand_characters_or_none_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    texts = {
        "": "The prompt is empty: the model needs a word to go on from.",
        "the " * 2500: "The prompt has 10000 characters; up to 2000 are read here.",
        "in an " * 100: "The prompt has 300 tokens; up to 64 are read here.",
    }
    path = write(tmp_path / "tiny.gguf")
    orders = [{"type": "next", "text": text} for text in (*texts, " the the")]
    _, *refused, answer = asked([{"type": "open", "path": str(path)}, *orders])
    assert [one["refused"] for one in refused] == list(texts.values())
    assert len(answer["value"]["top"]) == 10


@pytest.mark.parametrize("merges", [["x y z"], ["Q Q"]])
def test_merges_that_make_no_token_are_refused(tmp_path: Path, merges: list[str]) -> None:
    path = write(tmp_path / "tiny.gguf", words={"merges": merges})
    (answer,) = asked([{"type": "open", "path": str(path)}])
    assert answer["refused"].startswith("The file's tokenizer merges ")
