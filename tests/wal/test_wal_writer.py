import asyncio
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vedette.errors import StartError, Unavailable, WalFailed, WalFull
from vedette.server.wal.records import scan
from vedette.server.wal.segments import WalFolder
from vedette.server.wal.writer import WalWriter


def writer(path: Path, **changes) -> WalWriter:
    options = {"segment_bytes": 1 << 20, "segment_age": 0.05, "max_bytes": 1 << 26} | changes
    return WalWriter(WalFolder(path), **options)


def loaded(path: Path) -> list[bytes]:
    """What the loader would read: the payloads of all sealed segments, in order."""
    found = []
    for segment in WalFolder(path).sealed():
        data = segment.read()
        found += [data[r.start : r.end] for r in scan(data).records]
    return found


async def test_what_was_acknowledged_is_in_a_segment_in_order(tmp_path):
    wal = writer(tmp_path)
    wal.start()
    await asyncio.gather(*(wal.append(1, "acme", 1, [b"%05d" % i]) for i in range(2000)))
    await wal.close()
    assert loaded(tmp_path) == [b"%05d" % i for i in range(2000)]


async def test_many_appends_share_a_commit(tmp_path):
    wal = writer(tmp_path)
    wal.start()
    await asyncio.gather(*(wal.append(1, "acme", 1, [b"x"]) for _ in range(2000)))
    await wal.close()
    assert wal.stats.records == 2000
    assert wal.stats.commits < 200


async def test_segments_are_sealed_by_size_and_by_age(tmp_path):
    wal = writer(tmp_path, segment_bytes=1000, segment_age=60)
    wal.start()
    for _ in range(10):
        await wal.append(1, "acme", 1, [b"x" * 400])
    assert len(WalFolder(tmp_path).sealed()) == 3
    await wal.close()
    assert len(loaded(tmp_path)) == 10

    aged = writer(tmp_path / "aged", segment_age=0.05)
    aged.start()
    await aged.append(1, "acme", 1, [b"x"])
    while not WalFolder(tmp_path / "aged").sealed():  # noqa: ASYNC110 - it is the file that is waited for
        await asyncio.sleep(0.01)
    await aged.close()


async def test_a_kill_at_any_moment_keeps_every_acknowledged_record(tmp_path):
    """A process appends, prints each acknowledgement, and is killed."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from vedette.server.wal.segments import WalFolder\n"
        "from vedette.server.wal.writer import WalWriter\n"
        "async def main():\n"
        "    wal = WalWriter(WalFolder(Path(sys.argv[1])), segment_bytes=4000, segment_age=.02, max_bytes=1<<30)\n"
        "    wal.start()\n"
        "    async def one(i):\n"
        "        await wal.append(1, 'acme', 1, [b'%06d' % i])\n"
        "        print(i, flush=True)\n"
        "    for i in range(0, 1000000, 20):\n"
        "        await asyncio.gather(*(one(i + j) for j in range(20)))\n"
        "asyncio.run(main())\n"
    )
    for round_ in range(4):
        folder = tmp_path / str(round_)
        process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
        acknowledged = [process.stdout.readline() for _ in range(100 + 173 * round_)]
        process.kill()
        acknowledged += process.communicate()[0].splitlines()
        WalFolder(folder).prepare()
        WalFolder(folder).recover()
        found = [int(payload) for payload in loaded(folder)]
        assert {int(line) for line in acknowledged if line.strip()} <= set(found)
        assert len(found) == len(set(found))
        assert not list(folder.glob("*.open"))


async def test_recovery_cuts_the_torn_tail_at_every_byte(tmp_path):
    wal = writer(tmp_path / "source", segment_age=60)
    wal.start()
    for i in range(3):
        await wal.append(2, "acme", 1, [b"payload %d" % i])
    source = next((tmp_path / "source").glob("*.open"))
    data = source.read_bytes()
    ends = [record.end for record in scan(data).records]
    for cut in range(len(data)):
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        WalFolder(folder).prepare()
        (folder / source.name).write_bytes(data[:cut])
        WalFolder(folder).recover()
        assert loaded(folder) == [b"payload %d" % i for i, end in enumerate(ends) if end <= cut]
    await wal.close()


async def test_recovery_keeps_a_damaged_last_record_for_the_quarantine(tmp_path):
    wal = writer(tmp_path / "source", segment_age=60)
    wal.start()
    await wal.append(2, "acme", 1, [b"first"])
    await wal.append(2, "acme", 1, [b"second"])
    source = next((tmp_path / "source").glob("*.open"))
    data = source.read_bytes()
    folder = WalFolder(tmp_path / "damaged")
    folder.prepare()
    (folder.path / source.name).write_bytes(data[:-1] + b"!")
    assert folder.recover() == 0
    found = scan(folder.sealed()[0].read())
    assert len(found.records) == 1
    assert [damage.torn for damage in found.damages] == [False]
    await wal.close()


async def test_a_full_log_refuses_and_takes_again_once_there_is_room(tmp_path):
    wal = writer(tmp_path, segment_bytes=1000, max_bytes=3000)
    wal.start()
    with pytest.raises(WalFull, match="wal_max_bytes"):
        for _ in range(100):
            await wal.append(1, "acme", 1, [b"x" * 500])
    kept = len(loaded(tmp_path))
    for segment in WalFolder(tmp_path).sealed():
        segment.path.unlink()
    while wal.is_full:  # noqa: ASYNC110 - it looks again by itself
        await asyncio.sleep(0.05)
    await wal.append(1, "acme", 1, [b"x" * 500])
    await wal.close()
    assert 4 <= kept <= 7


async def test_a_failed_fsync_is_not_acknowledged_and_its_descriptor_not_used_again(tmp_path, monkeypatch):
    wal = writer(tmp_path, segment_age=60)
    wal.start()
    await wal.append(1, "acme", 1, [b"before"])
    synced: list[int] = []
    real = os.fdatasync

    def failing(descriptor: int) -> None:
        synced.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(WalFailed, match="Input/output error"):
        await wal.append(1, "acme", 1, [b"lost"])
    with pytest.raises(WalFailed):
        await wal.append(1, "acme", 1, [b"at once"])
    assert len(synced) == 1
    monkeypatch.setattr(os, "fdatasync", real)
    while wal.is_faulty:  # noqa: ASYNC110 - the pause after a fault
        await asyncio.sleep(0.05)
    await wal.append(1, "acme", 1, [b"after"])
    await wal.close()
    assert loaded(tmp_path) == [b"before", b"after"]


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mount = Path(tempfile.mkdtemp(dir=tmp_path))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], check=False).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        wal = writer(mount / "wal", segment_bytes=64 << 10, max_bytes=1 << 30)
        wal.start()
        acknowledged = 0
        with pytest.raises(Unavailable, match="No space left"):
            for _ in range(200):
                await wal.append(1, "acme", 1, [b"%07d" % acknowledged + b"x" * 3000])
                acknowledged += 1
        assert 0 < acknowledged < 100
        assert [int(p[:7]) for p in loaded(mount / "wal")][:acknowledged] == list(range(len(loaded(mount / "wal"))))
        for segment in WalFolder(mount / "wal").sealed()[:1]:
            freed = len(scan(segment.read()).records)
            segment.path.unlink()
        while wal.is_faulty:  # noqa: ASYNC110 - the pause after a fault
            await asyncio.sleep(0.05)
        await wal.append(1, "acme", 1, [b"%07d" % acknowledged])
        await wal.close()
        assert [int(p[:7]) for p in loaded(mount / "wal")] == list(range(freed, acknowledged + 1))
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)


async def test_with_an_interval_the_disk_is_synced_less_often_than_acknowledged(tmp_path):
    wal = writer(tmp_path, sync_interval=0.5, segment_age=60)
    wal.start()
    for i in range(50):
        await wal.append(1, "acme", 1, [b"%d" % i])
    assert wal.stats.sync_seconds == 0
    await wal.close()
    assert loaded(tmp_path) == [b"%d" % i for i in range(50)]


async def test_one_log_has_one_writer(tmp_path):
    first, second = writer(tmp_path), writer(tmp_path)
    first.start()
    with pytest.raises(StartError, match="Another Vedette"):
        second.start()
    await first.close()
    second.start()
    await second.close()
