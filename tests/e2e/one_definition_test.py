"""No two types of one namespace share a name: the linker would take either's functions for both."""
import collections
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["core", "data", "isa", "compiler", "sim", "explore", "app", "workloads", "python",
           "tests/support"]
TOKEN = re.compile(r"namespace\s+([\w:]*)\s*\{|\b(?:struct|class|enum class|enum)\s+(\w+)\b(?!::)"
                   r"[^;{}()]*\{|[{}]")


def stripped(text):
    """Without comments and literals, whose braces do not count."""
    return re.sub(r'//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', " ", text)


def named_types(text):
    """Types at namespace scope, as workbench::pulp::Machine; not those of unnamed namespaces."""
    scopes = []
    for found in TOKEN.finditer(stripped(text)):
        if found.group() == "}":
            if scopes:
                scopes.pop()
        elif found.group().startswith("namespace"):
            scopes.append(found.group(1))
        else:
            if found.group(2) and all(scopes):
                yield "::".join([*scopes, found.group(2)])
            scopes.append("")



class OneDefinition(unittest.TestCase):
    def test_types_are_read_with_their_namespaces(self):
        text = "namespace a {\nstruct B { struct C {}; };\nnamespace { struct D {}; }\nenum class E { F };\n}"
        self.assertEqual(list(named_types(text)), ["a::B", "a::E"])

    def test_each_type_of_a_namespace_is_defined_in_one_file(self):
        files = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True,
                               text=True, check=True).stdout.split()
        places = collections.defaultdict(set)
        for file in files:
            if file.endswith((".h", ".cpp")):
                for name in named_types((ROOT / file).read_text()):
                    places[name].add(file)
        self.assertGreater(len(places), 300)
        self.assertEqual({name: found for name, found in places.items() if len(found) > 1}, {})


if __name__ == "__main__":
    unittest.main()
