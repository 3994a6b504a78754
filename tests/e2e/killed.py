"""Commands that are killed at one of their file operations."""
import os
import shutil
import subprocess
import unittest

from support import WORKBENCH, WorkbenchTest

# Ends the process with SIGKILL at the file operation number KILL_AT: creations, writes, renames.
# COUNT_INTO names a file that takes how many there were. With CLOCK_BACK, the time of day goes back
# an hour at each look.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
static long done;
static void step(void) {
  const char *at = getenv("KILL_AT");
  ++done;
  if (at && done == atol(at)) raise(SIGKILL);
}
__attribute__((destructor)) static void tell(void) {
  const char *name = getenv("COUNT_INTO");
  FILE *file = name ? fopen(name, "w") : NULL;
  if (file) fprintf(file, "%ld", done), fclose(file);
}
#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))
ssize_t write(int f, const void *b, size_t n) {
  if (f > 2) step();
  return REAL(ssize_t(*)(int, const void *, size_t), "write")(f, b, n);
}
ssize_t writev(int f, const struct iovec *v, int n) {
  if (f > 2) step();
  return REAL(ssize_t(*)(int, const struct iovec *, int), "writev")(f, v, n);
}
ssize_t pwrite64(int f, const void *b, size_t n, off_t at) {
  step();
  return REAL(ssize_t(*)(int, const void *, size_t, off_t), "pwrite64")(f, b, n, at);
}
ssize_t pwrite(int f, const void *b, size_t n, off_t at) { return pwrite64(f, b, n, at); }
int rename(const char *a, const char *b) {
  step();
  return REAL(int(*)(const char *, const char *), "rename")(a, b);
}
int mkostemp(char *t, int flags) {
  step();
  return REAL(int(*)(char *, int), "mkostemp")(t, flags);
}
int mkostemp64(char *t, int flags) { return mkostemp(t, flags); }
int clock_gettime(clockid_t clock, struct timespec *t) {
  static long looks;
  int done = REAL(int(*)(clockid_t, struct timespec *), "clock_gettime")(clock, t);
  if (clock == CLOCK_REALTIME && getenv("CLOCK_BACK")) t->tv_sec -= 3600 * ++looks;
  return done;
}
"""

MOMENTS = int(os.environ.get("MOMENTS", "5"))  # of each command, spread over all of them


@unittest.skipUnless(shutil.which("cc"), "no C compiler")
class KilledTest(WorkbenchTest):
    def setUp(self):
        super().setUp()
        self.shim = self.folder / "shim.so"
        (self.folder / "shim.c").write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "shim.c", "-o", self.shim, "-ldl"], cwd=self.folder,
                       check=True)

    def at_work(self, name):
        """A new folder, in which what follows runs."""
        self.work = self.folder / name
        self.work.mkdir()

    def run_with(self, command, **variables):
        return subprocess.run([WORKBENCH, *command], cwd=self.work, capture_output=True, text=True,
                              timeout=120, env={**os.environ, "LD_PRELOAD": str(self.shim),
                                                **{key: str(value) for key, value in variables.items()}})

    def contents(self):
        """Files by name; those that a killed process had not yet renamed are none."""
        return {str(path.relative_to(self.work)): path.read_bytes()
                for path in self.work.rglob("*")
                if path.is_file() and ".tmp" not in str(path.relative_to(self.work))}

    def whole_run(self, command):
        """The undisturbed run's file operations."""
        count = self.folder / "count"
        self.assertEqual(self.run_with(command, COUNT_INTO=count).returncode, 0, command)
        most = int(count.read_text())
        self.assertGreater(most, 1, "nothing was made to fail")
        return most

    @staticmethod
    def moments(most):
        return sorted({1 + i * most // MOMENTS for i in range(MOMENTS)})
