"""Writes regex_cases.txt: patterns and texts with what Python's re says of them. Run it in this folder.

One case a line: pattern, text, whole match (0 or 1), search (0 or 1), tab-separated; bytes outside printable ASCII, and
backslashes, as \\xHH of their UTF-8.
"""

import random
import re

PATTERNS = [
    r"abc", r"a*", r"a+b?", r"(ab|cd)*e", r"[a-c]+", r"[^a-c]", r".", r"a.c", r"\d{3}-\d{4}", r"\w+\s\w+", r"(a|b)*abb",
    r"x{2,4}", r"x{3}", r"x{,2}y", r"x{2,}", r"(a?){3}", r"(a*)*", r"(a|ab)(c|bcd)(d*)", r"[\w.]+@[\w.]+\.\w{2,3}",
    r"^abc$", r"^(ab|c)$", r"^a|b$", r"(^a|b)c", r"a(b|$)", r"", r"()", r"(|a)b", r"\x41\u0042", r"[\x41-\x43]+",
    r"[]a]+", r"[a\]b-]+", r"[-a]+", r"[a-]+", r"\.\*\+\?", r"é+", r"[à-ü]+", r"[^é]", r"😀{2}", r"[😀-😎]", r"a{b",
    r"(?:ab)+?c", r"a*?b", r"(?P<n>a)(b)", r"\D\W\S", r"[\d\s]+", r"[^\d\s]+", r"(?i)AbC", r"(?i)[a-c]x", r"(?s)a.b",
    r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", r"(0[1-9]|1[0-2])/(19|20)\d\d", r"\t\n", r"a|b|", r"(a(b(c)?)?)?",
    r"[A-Z][a-z]*( [A-Z][a-z]*)*", r"(a|b|ab)*c", r"(aa|aaa)+", r"(a{2}){3}", r"^\Aab\Z$", r"\Z",
    r"(a+|b+)*c?", r"((a|b)c)*", r"/\*", r"~!@#%&=;:'\"<>,",
]
ALPHABET = "abcdexy01 .-@éü😀😎AB\n*+{}"
HANDMADE = ["", "abc", "aab", "ab", "abab", "cde", "555-1234", "hello world", "aabb", "abb", "xx", "xxxx", "xxxxx", "yy", "xy",
            "foo.bar@baz.com", "ABC", "A", "AB", "]a", "a]b-", ".*+?", "éé", "à", "😀😀", "a{b", "ababc", "aXb", "AbC",
            "bX", "a\nb", "-12.5e10", "0", "007", "12/2024", "\t\n", "Hello World", "abcab", "aaaaa", "aaaaaa", "zab", "xbz",
            "xaby", "/*", "acbc", "1 2", "ab ", "x-y"]


def escape(text):
    return "".join(chr(b) if 32 < b < 127 and b != 92 else "\\x%02x" % b for b in text.encode())


def mutate(rng, text):
    text = list(text)
    for _ in range(rng.randint(1, 2)):
        at = rng.randint(0, len(text))
        choice = rng.randint(0, 2)
        if choice == 0:
            text.insert(at, rng.choice(ALPHABET))
        elif text and choice == 1:
            text.pop(at % len(text))
        elif text:
            text[at % len(text)] = rng.choice(ALPHABET)
    return "".join(text)


def random_pattern(rng, depth):
    kind = rng.randint(0, 9)
    if depth == 0 or kind < 3:
        return rng.choice(["a", "b", "c", "[ab]", "[^b]", ".", r"\d", r"\w", "é", "[a-cé]"])
    if kind < 6:
        return random_pattern(rng, depth - 1) + random_pattern(rng, depth - 1)
    if kind < 8:
        return "(" + random_pattern(rng, depth - 1) + "|" + random_pattern(rng, depth - 1) + ")"
    return "(" + random_pattern(rng, depth - 1) + ")" + rng.choice(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"])


def main():
    rng = random.Random(20261123)
    patterns = PATTERNS + [random_pattern(rng, 4) for _ in range(120)]
    lines = []
    for pattern in patterns:
        compiled = re.compile(pattern, re.ASCII)
        texts = {mutate(rng, rng.choice(HANDMADE)) for _ in range(6)} | set(rng.sample(HANDMADE, 8))
        texts |= {"".join(rng.choice("abcé1") for _ in range(rng.randint(0, 6))) for _ in range(6)}
        texts |= {t for t in HANDMADE if compiled.fullmatch(t)}
        for text in sorted(texts):
            # Python's $ also matches before a last line feed; \Z is what grammars mean by it.
            strict = re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.ASCII)
            whole, search = int(bool(strict.fullmatch(text))), int(bool(strict.search(text)))
            lines.append("\t".join([escape(pattern), escape(text), str(whole), str(search)]))
    with open("regex_cases.txt", "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


main()
