"""A file system of Java's that fails where a test says so, below Spark and Delta, in the session that all tests share.

It takes the place of the local one, for data files and for Delta's log. Spark brings the compiler that makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

BUSY = "Status Code: 503, AWS Service: Amazon S3, Error Code: SlowDown"
"""What an object store says that has too much to do."""

_SETTINGS = {
    "fs.file.impl": "org.apache.hadoop.fs.FlakyFileSystem",
    "fs.file.impl.disable.cache": "true",
    "fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.FlakyFs",
}
_SOURCE = """
package org.apache.hadoop.fs;
import java.io.File;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.EnumSet;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

public class FlakyFileSystem extends LocalFileSystem {
    private static String operation = "", part = "", reason = "", release = "";
    private static int failures = 0, calls = 0;

    public static synchronized void plan(String what, String where, int times, String why, String until) {
        operation = what; part = where; failures = times; reason = why; release = until; calls = 0;
    }
    public static synchronized int calls() { return calls; }
    private static synchronized boolean meant(String what, Path path) {
        if (!what.equals(operation) || !path.toString().contains(part)) return false;
        calls += 1;
        if (failures == 0) return false;
        failures -= 1;
        return true;
    }
    static void reach(String what, Path path) throws IOException {
        if (!meant(what, path)) return;
        if (release.isEmpty()) throw new IOException(reason);
        new File(release + ".reached").createNewFile();
        try {
            while (!new File(release).exists()) Thread.sleep(5L);
        } catch (InterruptedException stopped) {
            throw new IOException(reason);
        }
    }
    public FSDataOutputStream create(Path path, FsPermission permission, boolean overwrite, int buffer,
            short replication, long block, Progressable progress) throws IOException {
        reach("create", path);
        return new FlakyOutput(super.create(path, permission, overwrite, buffer, replication, block, progress), path);
    }
    protected FSDataOutputStream primitiveCreate(Path path, FsPermission permission, EnumSet flags, int buffer,
            short replication, long block, Progressable progress, Options.ChecksumOpt checksum) throws IOException {
        reach("create", path);
        return new FlakyOutput(
            super.primitiveCreate(path, permission, flags, buffer, replication, block, progress, checksum), path);
    }
    public FSDataInputStream open(Path path, int buffer) throws IOException {
        reach("open", path);
        return super.open(path, buffer);
    }
    protected void rename(Path from, Path to, Options.Rename[] options) throws IOException {
        reach("rename", to);
        super.rename(from, to, options);
        reach("renamed", to);
    }
}
class FlakyOutput extends FSDataOutputStream {
    private final Path path;
    FlakyOutput(FSDataOutputStream out, Path path) throws IOException { super(out, null); this.path = path; }
    public void close() throws IOException { FlakyFileSystem.reach("close", path); super.close(); }
}
class FlakyFs extends DelegateToFileSystem {
    public FlakyFs(URI uri, Configuration conf) throws IOException, URISyntaxException {
        super(uri, new FlakyFileSystem(), conf, "file", false);
    }
}
class FlakyLoader {
    public static void load(Map classes) throws Exception {
        MethodHandles.Lookup there = MethodHandles.privateLookupIn(LocalFileSystem.class, MethodHandles.lookup());
        String[] names = {"FlakyOutput", "FlakyFileSystem", "FlakyFs"};
        for (int i = 0; i < names.length; i++)
            there.defineClass((byte[]) classes.get("org.apache.hadoop.fs." + names[i]));
    }
}
"""


class Store:
    """What the storage below a session is to do; nothing unless told."""

    def __init__(self, spark: SparkSession) -> None:
        self._java = spark._jvm.org.apache.hadoop.fs.FlakyFileSystem

    def fail(self, operation: str, part: str, *, times: int = 1, reason: str = BUSY) -> None:
        """Fail the next calls of create, close, open, rename or (after it was done) renamed for paths with `part`."""
        self._java.plan(operation, part, times, reason, "")

    def wait(self, operation: str, part: str, *, until: Path) -> None:
        """Let the next call wait until a file is there; beside it, `<until>.reached` says that it waits."""
        self._java.plan(operation, part, 1, BUSY, str(until))

    def heal(self) -> None:
        """Do nothing more."""
        self._java.plan("", "", 0, "", "")

    @property
    def calls(self) -> int:
        """Calls that were meant, since the last instruction."""
        return int(self._java.calls())


@contextmanager
def flaky_store(spark: SparkSession) -> Iterator[Store]:
    """The storage of this session, to be told what to do; other sessions keep theirs."""
    _load(spark)
    store = Store(spark)
    store.heal()
    for name, value in _SETTINGS.items():
        spark.conf.set(name, value)
    try:
        yield store
    finally:
        store.heal()
        for name in _SETTINGS:
            spark.conf.unset(name)


_loaded = False


def _load(spark: SparkSession) -> None:
    global _loaded
    if _loaded:
        return
    java = spark._jvm.java.lang
    compiler = spark._jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(java.Thread.currentThread().getContextClassLoader())
    compiler.cook(_SOURCE)
    # Where Hadoop's own classes are, so that every thread finds them.
    methods = compiler.getClassLoader().loadClass("org.apache.hadoop.fs.FlakyLoader").getMethods()
    load = next(method for method in methods if method.getName() == "load")
    load.setAccessible(True)
    words = spark.sparkContext._gateway.new_array(java.Object, 1)
    words[0] = compiler.getBytecodes()
    load.invoke(None, words)
    _loaded = True
