"""Have the system refuse a program's writes to one folder, as a full or a broken disk does. C source in, library out.

The library is preloaded. It stands in front of the C library's functions and fails those calls that a plan names, by an
error or by writing only half; all others pass.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["compiled", "plan_text"]

_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX], kinds[16];
static int code, first, count, is_half, seen, struck;

/* kinds: w writes, o opens for writing, r renames, s syncs. The calls from the first-th on fail, so many of them, 0 is all.
   is_half: writes write half, the first time or, without a code, each time. */
void fault_plan(const char *of, const char *which, int error, int from, int times, int half) {
    pthread_mutex_lock(&lock);
    snprintf(folder, sizeof folder, "%s", of);
    snprintf(kinds, sizeof kinds, "%s", which);
    code = error; first = from; count = times; is_half = half; seen = struck = 0;
    pthread_mutex_unlock(&lock);
}

int fault_struck(void) { return struck; }

__attribute__((constructor)) static void begin(void) {
    char of[PATH_MAX], which[16];
    int error, from, times, half;
    const char *told = getenv("FAULT_PLAN");
    if (told && sscanf(told, "%15[^:]:%d:%d:%d:%d:%4000s", which, &error, &from, &times, &half, of) == 6)
        fault_plan(of, which, error, from, times, half);
}

/* 0: passes, 1: fails, 2: writes half */
static int verdict(char kind, const char *path) {
    int told = 0;
    if (!folder[0] || !strchr(kinds, kind) || strncmp(path, folder, strlen(folder)) != 0) return 0;
    pthread_mutex_lock(&lock);
    seen++;
    if (seen >= first && (!count || seen < first + count)) {
        told = kind == 'w' && is_half && (!code || !struck) ? 2 : 1;
        struck++;
    }
    pthread_mutex_unlock(&lock);
    return told;
}

static int verdict_on(char kind, int descriptor) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return verdict(kind, path);
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))
#define HALF(size) ((size) > 1 ? (size) / 2 : (size))
#define FAIL do { errno = code; return -1; } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    int told = verdict_on('w', fd);
    if (told == 1) FAIL;
    return REAL(write)(fd, data, told == 2 ? HALF(size) : size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    int told = verdict_on('w', fd);
    if (told == 1) FAIL;
    return REAL(pwrite)(fd, data, told == 2 ? HALF(size) : size, at);
}

ssize_t writev(int fd, const struct iovec *pieces, int number) {
    if (verdict_on('w', fd)) FAIL;
    return REAL(writev)(fd, pieces, number);
}

int fsync(int fd) {
    if (verdict_on('s', fd)) FAIL;
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
    if (verdict('r', to)) FAIL;
    return REAL(rename)(from, to);
}

#define OPENS(name)                                              \
    int name(const char *path, int flags, ...) {                 \
        va_list more;                                            \
        va_start(more, flags);                                   \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                                            \
        if (flags & (O_WRONLY | O_RDWR) && verdict('o', path)) FAIL; \
        return REAL(name)(path, flags, mode);                    \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                           \
    int name(int at, const char *path, int flags, ...) {         \
        va_list more;                                            \
        va_start(more, flags);                                   \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                                            \
        if (flags & (O_WRONLY | O_RDWR) && verdict('o', path)) FAIL; \
        return REAL(name)(at, path, flags, mode);                \
    }
OPENS_AT(openat)
OPENS_AT(openat64)
"""


def compiled(folder: Path) -> Path | None:
    """Return the library, compiled into a folder, or None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "failing_files.c", folder / "failing_files.so"
    source.write_text(_SOURCE)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", "-lpthread"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def plan_text(folder: Path, kinds: str, code: int, first: int, count: int, half: int) -> str:
    """Return what `FAULT_PLAN` says for a whole program."""
    return f"{kinds}:{code}:{first}:{count}:{half}:{folder}"
