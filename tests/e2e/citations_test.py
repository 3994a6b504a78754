"""Citations of docs/facts have their sections, and links and paths of the documentation their files.

`docs/facts/xdnn.md 2.3` cites section 2.3; lists and ranges (`1.4, 1.5 and 1.6`, `2.3 to 2.6`) count
as their numbers.
"""
import re
import unittest
from pathlib import Path

from support import ROOT

FACTS = ROOT / "docs" / "facts"
SUFFIXES = {".h", ".cpp", ".js", ".md", ".proto", ".py", ".txt", ".yaml", ".cmake"}
FOLDERS = ["app", "bench", "cmake", "compiler", "configs", "core", "data", "docs", "examples", "explore",
           "isa", "python", "scripts", "sim", "tests", "train", "workloads"]
NUMBERS = r"(?:sections? )?(\d(?:\.\d)?(?:(?:, and |, | and | to )\d\.\d)*)"
# The end of a comment's line and the beginning of the next are a blank.
BREAK = re.compile(r"\s*\n[ \t]*(?://|#|\*)?[ \t]*")


def sources():
    yield ROOT / "README.md"
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file() and "node_modules" not in path.parts:
                yield path


def documentation():
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def citations(text):
    """(page, number) of every citation in `text`; the number is "" where the page is cited."""
    text = BREAK.sub(" ", text)
    for cited in re.finditer(rf"(?:docs/)?facts/([\w-]+)\.md(?:,? {NUMBERS})?", text):
        numbers = re.findall(r"\d(?:\.\d)?", cited[2] or "")
        yield from ((cited[1], number) for number in numbers or [""])


def sections(page):
    """Numbers of the headings of a page: "1", "1.4"."""
    return set(re.findall(r"^##+ (\d(?:\.\d)?) ", page.read_text(), re.MULTILINE))


class Citations(unittest.TestCase):
    def test_every_cited_section_exists(self):
        known = {page.stem: sections(page) for page in FACTS.glob("*.md")}
        for source in sources():
            for page, number in citations(source.read_text()):
                with self.subTest(f"{source.relative_to(ROOT)}: docs/facts/{page}.md {number}"):
                    self.assertIn(page, known)
                    self.assertTrue(number == "" or number in known[page], "no such section")

    def test_no_citation_leaves_the_folder_out(self):
        pages = "|".join(page.stem for page in FACTS.glob("*.md"))
        for source in sources():
            bare = re.findall(rf"(?<![\w/-])(?:{pages})\.md \d\S*", source.read_text())
            if source.parent != FACTS and source.name != Path(__file__).name:
                self.assertEqual(bare, [], source.relative_to(ROOT))

    def test_every_link_of_the_documentation_leads_to_a_file(self):
        for source in documentation():
            prose = re.sub(r"```.*?```", "", source.read_text(), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
                if not re.match(r"https?:", target):
                    with self.subTest(f"{source.relative_to(ROOT)}: {target}"):
                        self.assertTrue((source.parent / target).exists())

    def test_every_path_of_the_documentation_exists(self):
        folders = "|".join(FOLDERS)
        for source in documentation():
            if FACTS in source.parents:  # paths of other repositories
                continue
            for path in re.findall(rf"`((?:{folders})/[a-z0-9_./*-]*)`", source.read_text()):
                with self.subTest(f"{source.relative_to(ROOT)}: {path}"):
                    self.assertTrue(list(ROOT.glob(path.rstrip("/"))) or list(ROOT.glob(path + ".*")))

    def test_lists_and_ranges_are_their_numbers(self):
        text = "a (docs/facts/xdnn.md 1.4,\n  // 1.5 and 1.6), docs/facts/pulp.md 2, docs/facts/pulp.md"
        self.assertEqual(list(citations(text)), [("xdnn", "1.4"), ("xdnn", "1.5"), ("xdnn", "1.6"),
                                                 ("pulp", "2"), ("pulp", "")])


if __name__ == "__main__":
    unittest.main()
