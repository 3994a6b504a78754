"""The pages of reference are what the sources say: docs/python-api.md, docs/cpp-api.md (written by
scripts/api_reference)."""
import importlib.machinery
import importlib.util
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def script():
    loader = importlib.machinery.SourceFileLoader("api_reference", str(ROOT / "scripts" / "api_reference"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("api_reference", loader))
    loader.exec_module(module)
    return module


class ApiReference(unittest.TestCase):
    def test_pages_are_up_to_date(self):
        for name, page in script().PAGES.items():
            self.assertEqual((ROOT / name).read_text(), page(), f"{name}: run scripts/api_reference")

    def test_every_exported_name_has_a_docstring_or_is_compiled(self):
        api = script()
        names, definitions = api.exported(ROOT / "python" / "workbench")
        self.assertGreater(len(names), 10)
        for name in names:
            if name in definitions:
                self.assertNotEqual(api.paragraphs(definitions[name]), "", name)
        self.assertEqual([name for name in names if name not in definitions], ["Error"])

    def test_every_header_says_what_it_is_for(self):
        page = script().cpp_page()
        self.assertGreater(page.count("| `"), 200)
        self.assertNotIn(".h` |  |", page)

    def test_a_package_is_read_without_running_it(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "one.py").write_text(
                'raise ImportError\n__all__ = ["f", "C"]\ndef f(a, *, b=1):\n    """Does it."""\n'
                'class C:\n    """A thing."""\n    def __init__(self):\n        self.x = self._y = 1\n'
                '    @property\n    def p(self):\n        """Of it."""\n'
                '    def g(self, n):\n        """More,\n        too."""\n')
            page = script().python_page(Path(folder))
        self.assertIn("## `f(a, *, b=1)`\n\nDoes it.\n", page)
        self.assertIn("- attributes: `x`\n- `p`: Of it.\n- `g(n)`: More, too.\n", page)


if __name__ == "__main__":
    unittest.main()
