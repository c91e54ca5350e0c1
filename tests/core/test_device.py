import contextlib
from pathlib import Path

import pytest
import torch  # noqa: TID253

from xfer.core.encoders.device import Device, autocast, available_cores, choose, threads
from xfer.core.errors import UserError


def test_cpu_computes_in_float32() -> None:
    device = choose("cpu")
    assert (device.kind, device.dtype, device.torch_dtype) == ("cpu", "float32", torch.float32)
    assert isinstance(autocast(device), contextlib.nullcontext)


def test_a_bfloat16_device_runs_matrix_products_in_it() -> None:
    device = Device(torch.device("cpu"), "bfloat16")
    with autocast(device, cache=False):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        assert not torch.is_autocast_cache_enabled()


@pytest.mark.parametrize("name", ["gpu", "cuda:9999", "meta"])
def test_devices_that_are_not_there_are_told(name: str) -> None:
    with pytest.raises(UserError, match="device"):
        choose(name)


def test_without_a_name_the_best_device_is_chosen() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose().kind == best


@pytest.mark.parametrize(("quota", "expected"), [("max 100000", 10**6), ("150000 100000", 1), ("50000 100000", 1)])
def test_a_control_group_limits_the_cores(tmp_path: Path, quota: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert available_cores(tmp_path) == min(expected, available_cores(tmp_path / "absent"))


def test_omp_num_threads_can_only_lower_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        for asked, expected in (
            ("1", 1),
            ("100000", available_cores()),
            ("", available_cores()),
            ("x", available_cores()),
        ):
            monkeypatch.setenv("OMP_NUM_THREADS", asked)
            assert threads(768) == expected == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_small_encoders_take_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    try:
        assert threads(96) == 1 == torch.get_num_threads()
        assert threads(1024) == available_cores()
    finally:
        torch.set_num_threads(before)
