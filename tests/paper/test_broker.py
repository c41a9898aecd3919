"""The broker batch by batch: the test makes each batch, and speaks as zygote, child and asker on real sockets."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from domain.limits import Limits
from paper import messages
from paper.broker import Broker
from paper.zygote import Zygote
from tests.paper.pools import a_descriptor


class Bench:
    """A broker of one child at a time, which does nothing but in handle_batch()."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack, self.path = stack, folder / "paper.socket"
        self.listener = self.own()
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.channel, self.zygote = (
            self.own(end.detach()) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        )
        self.file = stack.enter_context(a_descriptor(b"a;b\n1;2\n"))
        self.broker = Broker(self.listener, Zygote(0, self.channel), children=1, limits=Limits(), beat=lambda: None)
        self.broker.start()

    def own(self, number: int | None = None) -> socket.socket:
        """A socket that does not wait."""
        made = self.stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=number))
        made.setblocking(False)
        return made

    def fork(self) -> socket.socket:
        """The child that was asked for. Its process has a number and does nothing."""
        _, [control], _, _ = socket.recv_fds(self.zygote, 1, 1)
        process = self.stack.enter_context(subprocess.Popen(["sleep", "600"]))
        self.stack.callback(process.kill)
        self.zygote.send(b"%d" % process.pid)
        self.broker.handle_batch([self.channel.fileno()])
        return self.own(control)

    def ask(self, name: str) -> socket.socket:
        """A connection on which a question has been sent."""
        connection = self.own()
        connection.connect(str(self.path))
        encoded = messages.encode_request(messages.Examine(size=8, name=name), asker=name.encode())
        socket.send_fds(connection, [encoded], [self.file])
        return connection

    def take(self, child: socket.socket) -> tuple[str, socket.socket]:
        """The name in the question that a child was handed, and the connection on which it answers."""
        data, files, _, _ = socket.recv_fds(child, messages.REQUEST_BYTES_MAX, 2)
        file, connection = files
        self.stack.callback(os.close, file)
        question = messages.decode_request(data)
        assert isinstance(question, messages.Examine)
        return question.name, self.own(connection)


@contextmanager
def a_bench(folder: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(folder, stack)


def test_an_asker_that_left_is_not_taken_for_the_next_one_of_its_number(tmp_path: Path) -> None:
    """One batch says that a child is free, that the next asker is there, and that the asker before it has left."""
    with a_bench(tmp_path) as bench:
        first = bench.ask("first.csv")
        bench.broker.handle_batch([bench.listener.fileno()])
        child = bench.fork()
        assert bench.take(child)[0] == "first.csv"
        child.send(messages.FREE)
        is_free = bench.broker.poll(0)
        first.shutdown(socket.SHUT_RDWR)
        has_left = bench.broker.poll(0)
        second = bench.ask("second.csv")

        bench.broker.handle_batch([*is_free, bench.listener.fileno(), *has_left])

        name, connection = bench.take(bench.fork())
        connection.send(messages.LAST)
        assert (name, second.recv(1)) == ("second.csv", messages.LAST)
