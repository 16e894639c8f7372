"""Kubernetes' quantities, as Kubernetes reads them."""

from __future__ import annotations

import pytest

from rollcall.policy.quantity import cpu_thousandths, memory_bytes


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("512Mi", 512 * 2**20),
        ("1Gi", 2**30),
        ("1G", 10**9),
        ("1.5Ki", 1536),
        ("1k", 1000),
        ("128974848", 128974848),
        (1024, 1024),
        ("129e6", 129_000_000),
        ("129M", 129_000_000),
        ("128974848000m", 128974848),
        ("1500m", 2),
        (".5Ki", 512),
        ("0", 0),
        ("1E", 10**18),
        ("1E3", 1000),
    ],
)
def test_memory_in_bytes(written: str | int, amount: int) -> None:
    assert memory_bytes(written) == amount


@pytest.mark.parametrize(
    ("written", "amount"), [("500m", 500), ("2", 2000), (2, 2000), (0.5, 500), ("0.1", 100), ("1u", 1), (1e-05, 1)]
)
def test_cpu_in_thousandths(written: str | float, amount: int) -> None:
    assert cpu_thousandths(written) == amount


@pytest.mark.parametrize(
    "written", ["", "Mi", "1 Gi", "1GB", "1gi", "-1", "+1", "1Mi\n", "1e", "\uff11", "nan", "inf", "1e999"]
)
def test_what_is_no_amount(written: str) -> None:
    for read in (memory_bytes, cpu_thousandths):
        with pytest.raises(ValueError, match="expected"):
            read(written)


def test_a_number_that_is_none_is_refused() -> None:
    for written in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ValueError, match="expected"):
            memory_bytes(written)
