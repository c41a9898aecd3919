"""An acknowledged upload is never lost: processes are killed with -9 while clients work, then everything is counted."""

import json
import os
import random
import sys
from hashlib import sha256

import pytest

from tests.faults.killing import (
    ACKNOWLEDGED_PER_KILL_MIN,
    LOST_CONNECTION,
    RECOVERY_SECONDS,
    VICTIMS,
    Archive,
    Clients,
    an_archive,
    get,
    listed,
    register_customers,
)
from tests.http.served import wait_until

SEED = int(os.environ.get("DOSSIER_KILL_SEED", "20261124"))


def test_no_kill_loses_or_doubles_what_was_acknowledged() -> None:
    """At least 12 kills, every kind of victim among them, at least 20 acknowledgements between two kills."""
    run(kills=12)


@pytest.mark.long
def test_three_hundred_kills_lose_nothing() -> None:
    run(kills=300)


def run(*, kills: int) -> None:
    chance = random.Random(SEED)
    victims = [*VICTIMS, *(chance.choice(VICTIMS) for _ in range(kills - len(VICTIMS)))]
    chance.shuffle(victims)
    with an_archive() as archive:
        register_customers(archive)
        clients = Clients(archive, count=4, seed=SEED)
        with clients.working():
            for victim in victims:
                clients.wait_for(ACKNOWLEDGED_PER_KILL_MIN)
                archive.kill(victim, chance)
            clients.wait_for(ACKNOWLEDGED_PER_KILL_MIN)
        settled(archive)
        assert clients.refused == []
        assert len(clients.acknowledged) >= ACKNOWLEDGED_PER_KILL_MIN * (kills + 1)
        counted(archive, clients)
        verified(archive)
        archive.stop()


def settled(archive: Archive) -> None:
    """The door is open, and the views hold what the log does: a killed database costs them their last moments, which
    they take from the log again."""
    wait_until(lambda: answers(archive, "/readyz"), RECOVERY_SECONDS, "not ready again")
    status = json.loads(archive.command("projection", "status", "--json").stdout)
    last = max(view["last"] for view in status["items"])
    at_last = {"Archive-Min-Position": str(last)}
    wait_until(lambda: answers(archive, "/v1/history?limit=1", at_last), RECOVERY_SECONDS, "the views stay behind")


def answers(archive: Archive, path: str, headers: dict[str, str] | None = None) -> bool:
    try:
        return get(archive, path, headers)[0] == 200
    except LOST_CONNECTION:
        return False


def counted(archive: Archive, clients: Clients) -> None:
    """Each acknowledgement stands in the view with its content; no key made two papers."""
    papers = listed(archive)
    lost = [a for a in clients.acknowledged if a.paper not in papers]
    changed = [a for a in clients.acknowledged if a.sha256 and not same_content(archive, a.paper, a.sha256)]
    keys = {a.key: a.paper for a in clients.acknowledged}
    doubled = len(clients.acknowledged) - len(set(keys.values()))
    replayed = sum(a.replayed for a in clients.acknowledged)
    unanswered = len(papers) - len(keys)
    sys.stdout.write(
        f"\nkill run: {len(keys)} acknowledged, {len(lost)} lost, {doubled} doubled, {len(changed)} changed, "
        f"{replayed} replayed, {unanswered} papers whose answer got lost\n"
    )
    assert (lost, changed, doubled) == ([], [], 0)
    contents = [item["sha256"] for item in papers.values() if item["sha256"]]
    assert len(contents) == len(set(contents)), "a key that was tried twice made two papers"


def same_content(archive: Archive, paper: str, digest: str) -> bool:
    status, _, body = get(archive, f"/v1/documents/{paper}/content")
    return status == 200 and sha256(body).hexdigest() == digest


def verified(archive: Archive) -> None:
    """The archive's own check, and the views against a replay of the log."""
    done = archive.command("verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)
