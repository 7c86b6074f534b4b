"""Function words: what English uses to hold sentences together."""

# articles, pronouns, prepositions, conjunctions, auxiliaries, adverbs of degree, without the space that a token carries
FUNCTION_WORDS = frozenset(
    "the a an this that these those some any no each every all both another other such one ones "
    "i me my mine you your yours he him his she her hers it its we us our ours they them their theirs who whom whose "
    "which what where when why how there here "
    "about above across after against along around at before behind below beneath beside between by down during for "
    "from in inside into near of off on onto out over through to under until up upon with within without "
    "and or but nor so yet if because as than while though although "
    "is are was were be been being am has have had do does did will would can could may might must shall should not "
    "very too also just only".split()
)


def is_function_word(token: str) -> bool:
    """Whether a token, its leading space and its case apart, is a function word."""
    return token.strip().lower() in FUNCTION_WORDS
