"""Which kernel runs, and that the one in C refuses what would break it."""

import sys

import numpy as np
import pytest
from structlog.testing import capture_logs

import bridge.audio
from bridge.audio.kernels import CKernel, choose_kernel

native = pytest.importorskip("bridge.audio._kernel", reason="the C extension was not built")


@pytest.fixture
def no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package had been installed without a compiler."""
    monkeypatch.delattr(bridge.audio, "_kernel", raising=False)
    monkeypatch.setitem(sys.modules, "bridge.audio._kernel", None)


def test_c_is_chosen_where_it_was_built() -> None:
    """The fastest kernel runs, and one line says so."""
    with capture_logs() as lines:
        assert choose_kernel().name == "c"
    assert [line["kernel"] for line in lines] == ["c"]


@pytest.mark.usefixtures("no_extension")
def test_numpy_is_chosen_where_c_was_not_built() -> None:
    """Without a compiler the bridge works all the same, and one line says why it is slower."""
    with capture_logs() as lines:
        assert choose_kernel().name == "numpy"
    assert [line["kernel"] for line in lines] == ["numpy"]
    assert lines[0]["because"]


@pytest.mark.usefixtures("no_extension")
def test_a_c_kernel_that_was_not_built_cannot_be_had() -> None:
    """Who asks for C by name learns at once that it is not there."""
    with pytest.raises(ImportError):
        CKernel()


GOOD = {"up": 2, "down": 1, "shift": 15, "tail": 15, "decode": None, "encode": None}
TAPS = np.full((2, 16), 2000, np.int16)


@pytest.mark.parametrize(
    "wrong",
    [
        {"up": 0},
        {"up": 3},
        {"up": 100_000},
        {"down": 0},
        {"down": 100_000},
        {"shift": 0},
        {"shift": 16},
        {"tail": -1},
        {"tail": 100_000},
        {"decode": np.zeros(255, np.int16)},
        {"encode": np.zeros(256, np.uint8)},
        {"encode": memoryview(bytes(65537))[1:-1]},
    ],
)
def test_c_refuses_numbers_that_do_not_fit(wrong: dict[str, object]) -> None:
    """No mistake in a table or a number makes the kernel read or write beyond its memory."""
    with pytest.raises(ValueError, match=r"out of range|taps of|a table of"):
        native.Stream(TAPS, **{**GOOD, **wrong})


@pytest.mark.parametrize(
    "taps", [np.zeros((2, 0), np.int16), np.zeros((2, 1024), np.int16), np.full((2, 16), 32767, np.int16)]
)
def test_c_refuses_taps_that_could_overflow(taps: np.ndarray) -> None:
    """Taps that are none, too many, or whose sum could leave 32 bits are refused."""
    with pytest.raises(ValueError, match="taps"):
        native.Stream(taps, **GOOD)


def test_c_refuses_what_is_not_bytes_and_half_a_sample() -> None:
    """The kernel takes whole samples in a buffer, and says so otherwise."""
    stream = native.Stream(TAPS, **GOOD)
    with pytest.raises(TypeError):
        stream.process("sound")
    with pytest.raises(ValueError, match="half a sample"):
        stream.process(b"\0")
    assert len(stream.process(b"\0\0")) == 4
