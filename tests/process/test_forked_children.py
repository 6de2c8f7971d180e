"""What a forked child has of its parent's session: locks of its own, the recordings that are left, and no right to a file's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.writer import partial_path
from tests.support.clients import openai_client
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

_PATH = Path("run.otlp.jsonl")
_FORKING = """
import fcntl, os, signal, sys, threading
from contextlib import contextmanager
import openai
import otel_agenttrace as at
from otel_agenttrace import runs
from otel_agenttrace.cassette.recording import is_held
from otel_agenttrace.cassette.writer import Writer
from otel_agenttrace.errors import ReplayError
from otel_agenttrace_instrumentation.opening import close_session

client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0)

def ask(text):
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])

@at.tool
def search(query):
    return f"live: {query}"

def think(name):
    with at.inference("gpt-4o", provider="openai") as call:
        call.respond(name)

@contextmanager
def a_thread_inside(owner, name, step):
    '''Have a thread stand in a function that is called under a lock, for the time of a block.'''
    function, inside, over = getattr(owner, name), threading.Event(), threading.Event()
    def stands(*given):
        if threading.current_thread() is thread:
            inside.set()
            over.wait()
        return function(*given)
    setattr(owner, name, stands)
    thread = threading.Thread(target=step)
    thread.start()
    inside.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()

def begin_child(step):
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(10)
    try:
        step()
        os._exit(0)
    finally:
        sys.excepthook(*sys.exc_info())
        os._exit(1)

def end(pid):
    assert os.waitpid(pid, 0)[1] == 0, "the child has failed, or waits for ever"

path = "run.otlp.jsonl"
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def forking(provider: Provider) -> Callable[[str], list[str]]:
    """Give what runs a program that forks and returns the lines it has printed."""
    environment = instrumented_environment(None, None, provider)
    return lambda code: run_python(_FORKING + code, environment, timeout=30).stdout.splitlines()


def _recorded(provider: Provider, *texts: str) -> None:
    with at.record(_PATH, quiet=True), openai_client(provider, is_async=False) as client:
        for text in texts:
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])


def test_a_child_records_though_a_thread_of_its_parent_was_writing(forking: Callable[[str], list[str]]) -> None:
    forking("""
with at.record(path, quiet=True):
    with a_thread_inside(Writer, "_append", lambda: think("in the thread")):
        end(begin_child(lambda: think("in the child")))
""")
    assert len(at.load(_PATH).inferences) == 2


@pytest.mark.parametrize("place", ["runs, '_lock'", "session.faults._begun, 'update'"])
def test_a_child_is_answered_though_a_thread_of_its_parent_was_being_answered(
    place: str, provider: Provider, forking: Callable[[str], list[str]]
) -> None:
    _recorded(provider, "a", "b")
    assert forking(f"""
with at.replay(path, faults=["inference[9] timeout"], quiet=True) as session:
    with a_thread_inside({place}, lambda: ask("a")):
        end(begin_child(lambda: ask("b")))
print(dict(session.counts), session.unplayed)
""") == ["{'hit': 2} 0"]


def test_a_tool_of_a_child_is_answered_though_one_of_its_parent_was_being_answered(
    forking: Callable[[str], list[str]],
) -> None:
    assert forking("""
with at.record(path, quiet=True):
    search("a"), search("b")
with at.replay(path, freeze=["tools"], quiet=True) as session:
    with a_thread_inside(runs, "_lock", lambda: search("a")):
        end(begin_child(lambda: search("b")))
print(dict(session.tool_counts), session.unplayed)
""") == ["{'hit': 2} 0"]


_TAKING = """
with at.replay(path, freeze=["llm", "tools"], quiet=True):
    STEP("a")  # before the fork, so that the file of what is taken is open
    inside, is_inside = os.pipe()
    over, is_over = os.pipe()
    def released(descriptor):
        os.write(is_inside, b".")
        os.read(over, 1)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    def take():
        runs._unlock = released
        STEP("b")
    child = begin_child(take)
    os.read(inside, 1)
    def lock_or_fail(descriptor):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReplayError("kept out") from None
    runs._lock = lock_or_fail
    try:
        STEP("c")
        print("both are inside")
    except ReplayError as error:
        print(error)
    os.write(is_over, b".")
    end(child)
"""


@pytest.mark.parametrize("step", ["ask", "search"])
def test_a_parent_takes_no_recording_while_its_child_does(
    step: str, provider: Provider, forking: Callable[[str], list[str]]
) -> None:
    _recorded(provider, "a", "b", "c")
    if step == "search":
        forking("with at.record(path, quiet=True): [search(query) for query in 'abc']")
    assert forking(_TAKING.replace("STEP", step)) == ["kept out"]


def test_parent_and_child_are_given_each_recording_once(
    provider: Provider, forking: Callable[[str], list[str]]
) -> None:
    _recorded(provider, *["the same"] * 3)
    assert forking("""
with at.replay(path, quiet=True) as session:
    ask("the same")
    end(begin_child(lambda: ask("the same")))
    ask("the same")
    try:
        ask("the same")
    except at.ReplayMiss as error:
        print(type(error).__name__)
print(dict(session.counts), session.unplayed)
""") == ["ReplayExhausted", "{'hit': 3, 'miss': 1} 0"]


def test_a_child_that_ends_the_session_gives_no_file_its_name(forking: Callable[[str], list[str]]) -> None:
    assert forking("""
session = at.record(path, quiet=True).__enter__()
think("in the parent")
def end_session():
    close_session(session, quiet=True, settles=False)
    session.settle()
end(begin_child(end_session))
print(sorted(os.listdir()))
think("after the child")
close_session(session, quiet=True)
print(sorted(os.listdir()))
""") == [f"['{partial_path(_PATH)}']", f"['{_PATH}']"]
    assert len(at.load(_PATH).inferences) == 2


def test_a_child_that_lives_on_does_not_hold_the_partial_of_its_parent(forking: Callable[[str], list[str]]) -> None:
    assert forking("""
from pathlib import Path
session = at.record(path, quiet=True).__enter__()
think("in the parent")
begun, is_begun = os.pipe()
over, is_over = os.pipe()
child = begin_child(lambda: (os.write(is_begun, b"."), os.read(over, 1)))
os.read(begun, 1)
close_session(session, keep_partial=True, quiet=True)
print(is_held(Path(f"{path}.partial")))
os.write(is_over, b".")
end(child)
""") == ["False"]


def test_a_run_leaves_nothing_of_what_its_processes_share(forking: Callable[[str], list[str]]) -> None:
    assert forking("""
import tempfile
os.mkdir("shared")
tempfile.tempdir = os.path.abspath("shared")
def shared():
    return sorted(name.rpartition(".")[2] for name in os.listdir("shared"))
with at.record(path, quiet=True):
    search("a"), ask("a"), ask("b")
with at.session(path, mode="new", quiet=True):
    end(begin_child(lambda: ask("a")))
    ask("new")
    print(*shared())
print(*shared())
with at.replay(path, freeze=["llm", "tools"], fork="fork.otlp.jsonl", quiet=True):
    search("a"), ask("a"), ask("not recorded")
    print(*shared())
print(*shared())
""") == ["additions claims facts", "", "claims live tools", ""]
