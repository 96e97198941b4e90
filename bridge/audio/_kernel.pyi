import numpy as np
import numpy.typing as npt

class Stream:
    def __new__(
        cls,
        taps: npt.NDArray[np.int16],
        *,
        up: int,
        down: int,
        shift: int,
        tail: int,
        decode: npt.NDArray[np.int16] | None,
        encode: npt.NDArray[np.uint8] | None,
    ) -> Stream: ...
    def process(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...
    def reset(self) -> None: ...

def level(mulaw: bytes, /) -> int: ...
def power(mulaw: bytes, /) -> float: ...
