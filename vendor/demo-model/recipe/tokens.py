"""Writes texts with the ids that the trained tokenizer gives them: `python tokens.py RUN_FOLDER OUT.json`.

sweetspot's tests compare llama.cpp's ids with these, text by text.
"""

import json
import sys

from tokenizers import Tokenizer

import corpus

TRICKY = [
    "", " ", "  two  spaces ", "\n", "\n\n\n", "a\n\n b\t\tc  \n", "I'm, you're, WE'LL; don't stop: o'clock",
    "1234567 and 3.14, 1,000.50 or -5 %", "x1y22z333", "((nested [brackets]) {here})", "--- *** === ...!?", "e-mail@example.org",
    "naïve café, Grüße aus Köln, señor", "日本語のテキスト", "emoji 🙂🙃 and ½ ²³ Ⅷ", "tab\tend \r\n", "UPPER lower MiXeD",
    '{"name": "Tom", "age": 7}', "name,city,age\nTom,Rome,7\n", "- one\n- two\n  - three", "'quoted' \"double\" `code`", "a" * 70,
]


def main(folder, out):
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    texts = TRICKY + ["".join(t for t, _ in parts) for parts in corpus.documents(31, 40, 1)]
    rows = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in texts]
    with open(out, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n")
    print(f"{out}: {len(rows)} texts")


if __name__ == "__main__":
    main(*sys.argv[1:])
