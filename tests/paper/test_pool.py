"""The pool of children: it answers whatever happens to a child, holds each to its limits, and leaves nothing behind."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from domain import refusals
from domain.finding import Finding
from paper import messages
from paper.pool import CHILDREN
from tests.paper import files
from tests.paper.pools import Pool, a_descriptor, a_pool, decoders_of, exists, wait_until

JPEG = Finding(media_type="image/jpeg", pages=1, preview=True, password_protected=False)
MIB = 1024 * 1024


def examine(pool: Pool, data: bytes, name: str = "letter.bin") -> Finding:
    with a_descriptor(data) as descriptor:
        return asyncio.run(pool.examiner.examine(descriptor, size=len(data), name=name))


def status(pid: int, field: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))


def descriptors(pid: int) -> int:
    """How many a process holds; none when it has ended. One that is about to end shows them to root alone."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0


def busy_children(pool: Pool) -> list[int]:
    """Those that have taken a request: they hold more than the standard descriptors and the way to the broker."""
    return [child for child in pool.children() if descriptors(child) > 5]


def busy_child(pool: Pool) -> int:
    """The first of them."""
    wait_until(lambda: bool(busy_children(pool)), 60.0)
    return busy_children(pool)[0]


async def during(pool: Pool, data: bytes, act: Callable[[int], None]) -> Finding:
    """The answer about the data when `act` was done to the child that works on it."""
    with a_descriptor(data) as descriptor:
        question = asyncio.create_task(pool.examiner.examine(descriptor, size=len(data), name="letter.bin"))
        await asyncio.to_thread(lambda: act(busy_child(pool)))
        return await question


def test_a_file_is_examined_and_its_page_drawn(pool: Pool) -> None:
    data = files.a_jpeg()
    with a_descriptor(data) as descriptor:
        assert asyncio.run(pool.examiner.examine(descriptor, size=len(data), name="a.jpg")) == JPEG
        image = asyncio.run(pool.examiner.draw_page_image(descriptor, media_type="image/jpeg", page=1, width=20))
    assert image.startswith(b"\xff\xd8\xff")


def test_refusals_come_through_with_what_fills_their_sentence(pool: Pool) -> None:
    with pytest.raises(refusals.FileTypeNotAllowed, match="ZIP"):
        examine(pool, files.a_zip({"a.txt": b"hello"}))
    with pytest.raises(refusals.FileDamaged):
        examine(pool, files.a_png()[:60])
    with pytest.raises(refusals.FileTooManyPixels):
        examine(pool, files.a_lying_png(70_000, 70_000))
    with pytest.raises(refusals.FileEmpty):
        examine(pool, b"")


def test_a_file_that_is_refused_leaves_nothing_open_that_the_next_one_needs(tmp_path: Path) -> None:
    """Python 3.13 keeps the frames of a fault in cycles: the next file was refused as damaged."""
    text = PngInfo()
    text.add_text("note", "n" * 2_000_000, zip=True)  # more than Pillow unpacks
    refused = (files.a_png()[:60], files.a_lying_png(70_000, 70_000), files.a_png(pnginfo=text), files.a_jpeg()[:100])
    with a_pool(tmp_path, children=1) as pool:
        assert examine(pool, files.a_jpeg()) == JPEG
        for data in refused:
            with pytest.raises(refusals.Refusal):
                examine(pool, data)
            assert examine(pool, files.a_jpeg()) == JPEG
        wait_until(lambda: not busy_children(pool))


def test_the_name_reaches_the_child_whatever_it_is(pool: Pool) -> None:
    assert examine(pool, b"a;b", "\N{RIGHT-TO-LEFT OVERRIDE}../\0" + "ü" * 5000 + ".csv").media_type == "text/csv"


def test_the_offset_of_the_file_is_neither_used_nor_moved(pool: Pool) -> None:
    data = files.a_jpeg()
    with a_descriptor(data) as descriptor:
        os.lseek(descriptor, 17, os.SEEK_SET)
        assert asyncio.run(pool.examiner.examine(descriptor, size=len(data), name="")) == JPEG
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 17


def test_a_large_image_comes_through_whole(pool: Pool) -> None:
    noise = os.urandom(1600 * 1200 * 3)
    data = files.saved(Image.frombytes("RGB", (1600, 1200), noise), "BMP")
    with a_descriptor(data) as descriptor:
        image = asyncio.run(pool.examiner.draw_page_image(descriptor, media_type="image/bmp", page=1, width=1600))
    assert len(image) > MIB
    assert image.endswith(b"\xff\xd9")


def test_a_file_shorter_than_was_said_is_damaged(pool: Pool) -> None:
    with a_descriptor(files.a_jpeg()) as descriptor, pytest.raises(refusals.FileDamaged):
        asyncio.run(pool.examiner.examine(descriptor, size=1_000_000, name="a.jpg"))


def test_a_file_shorter_than_was_said_does_not_end_its_child(tmp_path: Path) -> None:
    """The kernel would, at the first look behind the end. No call that a child may make tells it a file's length."""

    def upload(data: bytes, size: int) -> None:
        with a_descriptor(data) as descriptor:
            asyncio.run(pool.examiner.examine(descriptor, size=size, name="a.jpg", asker=b"one"))

    jpeg = files.a_jpeg()
    with a_pool(tmp_path, children=1) as pool:
        [child] = pool.children()
        upload(jpeg, len(jpeg))
        with pytest.raises(refusals.FileDamaged):
            upload(jpeg, len(jpeg) + 1_000_000)
        upload(jpeg, len(jpeg))
        assert child in pool.children()


LOOPS = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


@LOOPS
def test_many_at_once_are_answered(pool: Pool, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def ask_all(descriptor: int, size: int) -> list[Finding]:
        return await asyncio.gather(
            *(pool.examiner.examine(descriptor, size=size, name="a.jpg", asker=bytes([n % 40])) for n in range(400))
        )

    data = files.a_jpeg()
    with a_descriptor(data) as descriptor, asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(ask_all(descriptor, len(data))) == [JPEG] * 400


@LOOPS
def test_the_loop_goes_on_while_a_child_works(
    pool: Pool, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def count_until_done(descriptor: int, size: int) -> int:
        question = asyncio.create_task(pool.examiner.examine(descriptor, size=size, name="a.tif"))
        turns = 0
        while not question.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await question).pages == 3
        return turns

    data = files.a_slow_tiff(3)
    with a_descriptor(data) as descriptor, asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(count_until_done(descriptor, len(data))) > 100


def test_no_question_is_lost_when_many_come_and_go_at_once(pool: Pool) -> None:
    """Spoken without client.py, which asks again. tests/paper/test_broker.py has the batch that once lost some."""
    data, often = b"a;b\n1;2\n", 250 if os.environ.get("DOSSIER_LONG") else 25
    with a_descriptor(data) as descriptor, ThreadPoolExecutor(16) as threads:
        question = messages.Examine(size=len(data), name="a.csv")

        def ask_often(asker: int) -> Counter[bytes]:
            encoded = messages.encode_request(question, asker=bytes([asker]))
            return Counter(answer_kind(pool.path, encoded, descriptor) for _ in range(often))

        kinds = sum(threads.map(ask_often, range(16)), Counter[bytes]())
    assert kinds == {messages.LAST: 16 * often}


def answer_kind(path: Path, encoded: bytes, descriptor: int) -> bytes:
    """The first byte of the first packet of an answer; nothing where the connection ended without one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        socket.send_fds(connection, [encoded], [descriptor])
        return connection.recv(messages.PACKET_BYTES_MAX)[:1]


def test_an_asker_that_connects_and_says_nothing_holds_up_nobody(tmp_path: Path) -> None:
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with silent, a_pool(tmp_path, queue_wait_seconds=1, decode_seconds_max=5) as pool:
        silent.connect(str(pool.path))
        assert examine(pool, files.a_jpeg()) == JPEG


def test_a_question_that_is_given_up_harms_nobody(pool: Pool) -> None:
    async def give_up(descriptor: int, size: int) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.examiner.examine(descriptor, size=size, name=""), 0.05)

    data = files.a_slow_tiff(8)
    with a_descriptor(data) as descriptor:
        for _ in range(3):
            asyncio.run(give_up(descriptor, len(data)))
    assert examine(pool, files.a_jpeg()) == JPEG


def test_a_child_killed_from_outside_costs_only_time(tmp_path: Path) -> None:
    with a_pool(tmp_path) as pool:
        finding = asyncio.run(during(pool, files.a_slow_tiff(3), lambda child: os.kill(child, signal.SIGKILL)))
        assert (finding.media_type, finding.pages) == ("image/tiff", 3)
        wait_until(lambda: len(pool.children()) == 3 and not busy_children(pool))  # two wait, and one is kept


def test_a_stopped_child_is_replaced_and_its_question_answered(tmp_path: Path) -> None:
    with a_pool(tmp_path, children=1) as pool:
        finding = asyncio.run(during(pool, files.a_slow_tiff(3), lambda child: os.kill(child, signal.SIGSTOP)))
        assert finding.pages == 3


def test_a_file_that_kills_its_child_twice_is_called_damaged(tmp_path: Path) -> None:
    def kill_twice(child: int) -> None:
        os.kill(child, signal.SIGSEGV)
        wait_until(lambda: not exists(child))
        os.kill(busy_child(pool), signal.SIGSEGV)

    with a_pool(tmp_path) as pool:
        with pytest.raises(refusals.FileDamaged):
            asyncio.run(during(pool, files.a_slow_tiff(20), kill_twice))
        assert examine(pool, files.a_jpeg()) == JPEG


@pytest.mark.parametrize("answer", ["messages.Drawn(b'%PDF')", "7"])
def test_a_child_that_answers_another_question_or_none_is_not_believed(tmp_path: Path, answer: str) -> None:
    otherwise = f"from paper import messages; messages.Found = lambda _: {answer}\n"
    with a_pool(tmp_path, within=otherwise) as pool, pytest.raises(refusals.FileDamaged):
        examine(pool, files.a_jpeg())


def test_a_good_file_whose_child_is_killed_twice_is_not_called_damaged(tmp_path: Path) -> None:
    def kill_twice(child: int) -> None:
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not exists(child))
        os.kill(busy_child(pool), signal.SIGKILL)

    with a_pool(tmp_path) as pool, pytest.raises(refusals.Unavailable):
        asyncio.run(during(pool, files.a_slow_tiff(20), kill_twice))


def test_a_question_is_dropped_with_its_asker_and_its_child_is_free_at_once(tmp_path: Path) -> None:
    """Ten slow questions were once worked on one after the other, for askers who had left."""

    async def leave(slow: bytes) -> None:
        with a_descriptor(slow) as descriptor:
            questions = [
                asyncio.create_task(pool.examiner.examine(descriptor, size=len(slow), name="", asker=bytes([n])))
                for n in range(10)
            ]
            await asyncio.to_thread(busy_child, pool)
            for question in questions:
                question.cancel()
            await asyncio.wait(questions)

    with a_pool(tmp_path, children=1, decode_seconds_per_mebibyte=1000, decode_seconds_max=1000) as pool:
        asyncio.run(leave(files.a_slow_tiff(200)))
        assert examine(pool, files.a_jpeg()) == JPEG


def test_an_asker_has_one_question_worked_on_and_others_pass_it(tmp_path: Path) -> None:
    async def ask_beside(slow: bytes, quick: bytes) -> None:
        with a_descriptor(slow) as long, a_descriptor(quick) as short:
            flood = [
                asyncio.create_task(pool.examiner.examine(long, size=len(slow), name="", asker=b"a")) for _ in range(8)
            ]
            await asyncio.to_thread(busy_child, pool)
            for n in range(20):
                assert await pool.examiner.examine(short, size=len(quick), name="", asker=bytes([n])) == JPEG
            wait_until(lambda: len(busy_children(pool)) == 1)
            assert not any(question.done() for question in flood)
            for question in flood:
                question.cancel()
            await asyncio.wait(flood)

    with a_pool(tmp_path, children=2, decode_seconds_per_mebibyte=1000, decode_seconds_max=1000) as pool:
        asyncio.run(ask_beside(files.a_slow_tiff(200), files.a_jpeg()))


def test_page_images_leave_a_child_for_uploads(tmp_path: Path) -> None:
    async def upload_beside(slow: bytes, quick: bytes) -> None:
        with a_descriptor(slow) as long, a_descriptor(quick) as short:
            image = pool.examiner.draw_page_image
            viewers = [
                asyncio.create_task(image(long, media_type="image/tiff", page=1, width=16, asker=bytes([n])))
                for n in range(6)
            ]
            await asyncio.to_thread(busy_child, pool)
            assert await pool.examiner.examine(short, size=len(quick), name="", asker=b"desk") == JPEG
            assert not all(viewer.done() for viewer in viewers)
            for viewer in viewers:
                viewer.cancel()
            await asyncio.wait(viewers)

    with a_pool(tmp_path, children=2) as pool:
        asyncio.run(upload_beside(files.a_heavy_tiff(), files.a_jpeg()))


def test_an_asker_with_too_much_waiting_is_told_to_come_back(tmp_path: Path) -> None:
    async def flood(slow: bytes) -> None:
        with a_descriptor(slow) as descriptor:
            waiting = [asyncio.create_task(pool.examiner.examine(descriptor, size=len(slow), name=""))]
            await asyncio.to_thread(busy_child, pool)
            for _ in range(3):
                waiting.append(asyncio.create_task(pool.examiner.examine(descriptor, size=len(slow), name="")))
                await asyncio.sleep(0)
            with pytest.raises(refusals.Unavailable) as refused:
                await pool.examiner.examine(descriptor, size=len(slow), name="")
            assert refused.value.values["retry_after_seconds"] == 60
            for question in waiting:
                question.cancel()
            await asyncio.wait(waiting)

    with a_pool(tmp_path, decodes_waiting_per_caller_max=3, queue_wait_seconds=60) as pool:
        asyncio.run(flood(files.a_slow_tiff(30)))


def test_a_small_file_gets_little_time_of_a_processor_and_a_large_one_more(tmp_path: Path) -> None:
    slow = files.a_slow_tiff(8)
    with a_pool(tmp_path, decode_seconds_per_mebibyte=0.05) as pool:
        with pytest.raises(refusals.FileTooManyPixels):
            examine(pool, slow)
        assert examine(pool, slow + bytes(40 * MIB)).pages == 8


@pytest.mark.parametrize("claim", [b"/ObjStm", b"/ObjStm>>stream\n"])
def test_a_pdf_that_claims_a_stream_every_few_bytes_takes_time_by_its_size(tmp_path: Path, claim: bytes) -> None:
    """The time grew with the square of the size: 1.5 and 14 seconds of a processor for these."""
    data = files.a_pdf(content=claim * (3_200_000 // len(claim)))
    with a_pool(tmp_path, decode_seconds_per_mebibyte=0.2) as pool:
        assert examine(pool, data).media_type == "application/pdf"


def test_a_decoder_that_does_not_end_is_ended_in_time(tmp_path: Path) -> None:
    with a_pool(tmp_path, children=1, decode_seconds_max=5.0, decode_seconds_per_mebibyte=0.1) as pool:
        with pytest.raises(refusals.FileTooManyPixels):
            examine(pool, files.a_slow_tiff(200))
        assert examine(pool, files.a_jpeg()) == JPEG


def test_memory_is_limited_on_both_sides_and_what_needs_more_is_refused(tmp_path: Path) -> None:
    wide, narrow = (files.saved(Image.new("RGB", size), "PNG") for size in ((3000, 2000), (3000, 6000)))
    with a_pool(tmp_path, decode_memory_bytes_max=48 * MIB) as pool:
        assert examine(pool, wide).media_type == "image/png"
        with pytest.raises(refusals.FileTooManyPixels):
            examine(pool, narrow)
        assert examine(pool, files.a_jpeg()) == JPEG
        assert pool.stop() < 110 * MIB


def test_nobody_listening_is_unavailable(tmp_path: Path) -> None:
    with a_pool(tmp_path, queue_wait_seconds=0.2) as pool:
        pool.stop()
        with pytest.raises(refusals.Unavailable):
            examine(pool, files.a_jpeg())


def test_a_pool_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    with a_pool(tmp_path) as pool:
        pool.path.rename(tmp_path / "away")

        async def ask(descriptor: int, size: int) -> Finding:
            question = asyncio.create_task(pool.examiner.examine(descriptor, size=size, name=""))
            await asyncio.sleep(0.1)
            (tmp_path / "away").rename(pool.path)
            return await question

        data = files.a_jpeg()
        with a_descriptor(data) as descriptor:
            assert asyncio.run(ask(descriptor, len(data))) == JPEG


def test_a_question_that_waits_too_long_in_the_queue_is_unavailable(tmp_path: Path) -> None:
    async def ask_while_busy() -> None:
        slow, quick = files.a_slow_tiff(30), files.a_jpeg()
        with a_descriptor(slow) as long, a_descriptor(quick) as short:
            busy = asyncio.create_task(pool.examiner.examine(long, size=len(slow), name=""))
            await asyncio.to_thread(busy_child, pool)
            with pytest.raises(refusals.Unavailable):
                await pool.examiner.examine(short, size=len(quick), name="", asker=b"another")
            assert not busy.done(), "one that is being worked on goes on beyond the wait of the queue"
            busy.cancel()

    with a_pool(tmp_path, children=1, queue_wait_seconds=0.2) as pool:
        asyncio.run(ask_while_busy())


def test_children_are_walled_in(pool: Pool) -> None:
    examine(pool, files.a_jpeg())
    wait_until(lambda: not busy_children(pool))
    base = int(status(pool.zygote(), "VmData").split()[0]) * 1024
    for child in pool.children():
        limits = {
            line[:25].strip(): line[26:].split()[:2] for line in Path(f"/proc/{child}/limits").read_text().splitlines()
        }
        (data, hard_data) = limits["Max data size"]
        assert data == hard_data
        assert abs(int(data) - base - pool.limits.decode_memory_bytes_max) < 16 * MIB
        assert limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
        assert limits["Max open files"] == ["8", "8"]
        wait_until(lambda c=child: descriptors(c) == 4)  # type: ignore[misc]  # called here
        assert status(child, "NoNewPrivs") == "1"
        assert set(status(child, "Uid").split()) == {str(os.geteuid() or 65_533)}


def test_a_child_is_walled_in_wholly_before_it_looks_into_a_file(tmp_path: Path) -> None:
    async def look(slow: bytes) -> None:
        with a_descriptor(slow) as descriptor:
            question = asyncio.create_task(pool.examiner.examine(descriptor, size=len(slow), name=""))
            child = await asyncio.to_thread(busy_child, pool)
            await asyncio.to_thread(wait_until, lambda: status(child, "Seccomp") == "2")
            limits = Path(f"/proc/{child}/limits").read_text()
            assert re.search(r"Max cpu time +17 +17 ", limits)
            tasks = "64" if os.geteuid() == 0 else r"\d+"
            assert re.search(rf"Max processes +{tasks} +{tasks} ", limits)
            question.cancel()
            await asyncio.wait([question])

    with a_pool(tmp_path) as pool:
        asyncio.run(look(files.a_slow_tiff(200)))


def test_children_have_no_network(pool: Pool) -> None:
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("NOT TESTED, this system lets no process leave the network")
    for child in pool.children():
        interfaces = Path(f"/proc/{child}/net/dev").read_text().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in interfaces] in ([], ["lo"])
        assert Path(f"/proc/{child}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_the_socket_is_private_and_goes_with_the_pool(tmp_path: Path) -> None:
    with a_pool(tmp_path) as pool:
        assert pool.path.stat().st_mode & 0o777 == 0o600
        children = pool.children()
        pool.stop()
        assert list(tmp_path.iterdir()) == []
        assert not any(exists(child) for child in children)


_SLOW_AFTER_A_FORK = """
import time
from paper import confinement
fork = confinement.fork_sibling
confinement.fork_sibling = lambda: (fork(), time.sleep(0.5))[0]
"""


def test_a_child_that_was_just_forked_goes_with_the_pool_too(tmp_path: Path) -> None:
    with a_pool(tmp_path, within=_SLOW_AFTER_A_FORK) as pool:
        pool.stop()  # its last child is not reported yet
        assert decoders_of(pool.process.pid) == []


def test_a_socket_left_by_a_killed_pool_is_taken_over(tmp_path: Path) -> None:
    with a_pool(tmp_path) as killed:
        killed.process.kill()
        killed.process.wait()
        assert killed.path.exists()
    with a_pool(tmp_path) as pool:
        assert examine(pool, files.a_jpeg()) == JPEG


def test_children_die_with_a_killed_pool_even_in_the_middle_of_a_request(tmp_path: Path) -> None:
    async def kill_the_pool() -> None:
        slow = files.a_slow_tiff(30)
        with a_descriptor(slow) as descriptor:
            question = asyncio.create_task(pool.examiner.examine(descriptor, size=len(slow), name=""))
            await asyncio.to_thread(busy_child, pool)
            pool.process.kill()
            with pytest.raises(refusals.Unavailable):
                await question

    with a_pool(tmp_path, queue_wait_seconds=0.3) as pool:
        children = pool.children()
        asyncio.run(kill_the_pool())
        wait_until(lambda: not any(exists(child) for child in children))


def test_the_pool_dies_with_a_killed_supervisor(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); import time; time.sleep(60)"
    )
    serve = (
        "import sys; from pathlib import Path; from domain.limits import Limits; from paper.pool import serve;"
        "serve(Path(sys.argv[1]), limits=Limits())"
    )
    path = tmp_path / "paper.socket"
    command = [sys.executable, "-c", script, sys.executable, "-c", serve, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        server = int(supervisor.stdout.readline())
        children_file = Path(f"/proc/{server}/task/{server}/children")
        wait_until(lambda: len(children_file.read_text().split()) == 1 + CHILDREN)
        children = [int(child) for child in children_file.read_text().split()]
        supervisor.kill()
        wait_until(lambda: not any(exists(pid) for pid in (server, *children)))


def test_a_quiet_pool_is_small(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    with a_pool(tmp_path, decoder_uploads_max=1) as pool:
        first = pool.children()
        examine(pool, files.a_jpeg())
        wait_until(lambda: len(pool.children()) == 2 and pool.children() != first)
        sizes = [proportional_bytes(pid) for pid in (pool.process.pid, pool.zygote(), *pool.children())]
    record_property("pss_mib", [round(size / MIB, 1) for size in sizes])
    assert sum(sizes) < 48 * MIB, "45 to 46, by how many huge pages the kernel grants"


def proportional_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
