#!/usr/bin/env python3
"""make_text: the public-domain text that the lab model learns from, and the text that it never sees.

    python3 lessons/model/make_text.py FOLDER

Takes the Debian packages bible-kjv, bible-kjv-text and dict-jargon by apt-get download into a temporary folder,
unpacks them without installing, and writes train.txt, valid.txt, heldout.txt and calibration.txt (the beginnings of
both halves of valid.txt) into FOLDER. The last two are kept in the repository; all checksums are printed and stand in
PROVENANCE.md.
"""
import gzip
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile

PACKAGES = ["bible-kjv", "bible-kjv-text", "dict-jargon"]
HELD_HALF = 8448  # bytes of each source in heldout.txt; both together are 33 windows of 512
VALID_HALF = 24576
CALIBRATION_HALF = 1024  # together four windows
HELD_BOOKS, VALID_BOOKS = ["Ruth"], ["Jonah", "Jas"]
ASCII = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "--",
         "\u2026": "...", "\u00b7": ".", "\u00a0": " "}


def unpack(folder):
    subprocess.run(["apt-get", "download", "-qq"] + PACKAGES, cwd=folder, check=True)
    for package in sorted(pathlib.Path(folder).glob("*.deb")):
        print(package.name, hashlib.sha256(package.read_bytes()).hexdigest())
        subprocess.run(["dpkg", "-x", package, folder], check=True)
    return pathlib.Path(folder)


def books(root):
    """The King James Version: [(book, text)], a heading a chapter, a verse a line."""
    command = [root / "usr/bin/bible", "-f", "-l100000", "-p", root / "usr/lib", "gen1:1-rev22:21"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found, chapter_before = {}, None
    for line in lines:
        book, chapter, verse, words = re.match(r"(\d?[A-Za-z]+)(\d+):(\d+) (.*)", line).groups()
        text = found.setdefault(book, [])
        if (book, chapter) != chapter_before:
            text.append(f"\n{book} {chapter}\n\n")
            chapter_before = (book, chapter)
        text.append(f"{verse} {words}\n")
    return {book: "".join(text).encode("ascii") for book, text in found.items()}


def jargon(root):
    """The Jargon File's entries as they are printed, with quotes and dashes of ASCII."""
    text = gzip.decompress((root / "usr/share/dictd/jargon.dict.dz").read_bytes()).decode("utf-8")
    text = text[text.index("\n/dev/null\n") :]
    return "".join(ASCII.get(c, c) for c in text).encode("utf-8")


def entry_at(text, share):
    """The offset of the first entry past this share of the text: a blank line, then a word in the first column."""
    return re.compile(rb"\n\n(?=[a-z])").search(text, int(len(text) * share)).end()


def cut(text, begin, length):
    return text[begin : begin + length], text[:begin], text[begin + length :]


def main():
    out = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        root = unpack(folder)
        bible, words = books(root), jargon(root)
    held_words, before, after = cut(words, entry_at(words, 0.75), HELD_HALF)
    valid_words, first, middle = cut(before, entry_at(before, 0.3), VALID_HALF)
    held_bible = b"".join(bible.pop(book) for book in HELD_BOOKS)[:HELD_HALF]
    valid_bible = b"".join(bible.pop(book) for book in VALID_BOOKS)[:VALID_HALF]
    files = {
        "train.txt": b"".join(bible.values()) + first + middle + after,
        "valid.txt": valid_bible + valid_words,
        "heldout.txt": held_bible + held_words,
        "calibration.txt": valid_bible[:CALIBRATION_HALF] + valid_words[:CALIBRATION_HALF],
    }
    for name, data in files.items():
        (out / name).write_bytes(data)
        print(name, len(data), "bytes", hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
