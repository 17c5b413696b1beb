"""make.py: what the ml_dtypes package (and NumPy for fp16) makes of floats: the inputs where it changes.

Run by a developer, with ml_dtypes installed, to renew ml_dtypes.txt; the tests need only that file:
    python3 tests/vectors/make.py >tests/vectors/ml_dtypes.txt
A line is: format, bits of the first input, its code; both hexadecimal. The code holds up to the next line's input.
Of the 16-bit formats, which change 250,000 times, every 61st change is kept: there a line is that input alone.
"""
import numpy as np
import ml_dtypes

FORMATS = [
    ("fp16", np.float16), ("bf16", ml_dtypes.bfloat16), ("e4m3", ml_dtypes.float8_e4m3fn),
    ("e5m2", ml_dtypes.float8_e5m2), ("e4m3fnuz", ml_dtypes.float8_e4m3fnuz), ("e5m2fnuz", ml_dtypes.float8_e5m2fnuz),
    ("e2m3", ml_dtypes.float6_e2m3fn), ("e3m2", ml_dtypes.float6_e3m2fn), ("e2m1", ml_dtypes.float4_e2m1fn),
    ("e8m0", ml_dtypes.float8_e8m0fnu),
]
STEP = 1 << 12     # less than any two boundaries lie apart, in bits


def encode(dtype, bits):
    codes = bits.astype(np.uint32).view(np.float32).astype(dtype)
    return codes.view(np.uint16 if codes.itemsize == 2 else np.uint8).astype(np.int64)


print("# ml_dtypes %s, numpy %s" % (ml_dtypes.__version__, np.__version__))
np.seterr(all="ignore")
for name, dtype in FORMATS:
    every = 1 if np.dtype(dtype).itemsize == 1 else 61
    for sign in (0, 1 << 31):
        coarse = np.append(np.arange(sign, sign + 0x7F800000, STEP, dtype=np.int64), sign + 0x7F800000)
        codes = encode(dtype, coarse)
        at = np.nonzero(codes[1:] != codes[:-1])[0]
        low, high, before = coarse[at], coarse[at + 1], codes[at]
        while (high - low > 1).any():      # the change lies in (low, high]
            middle = (low + high) // 2
            same = encode(dtype, middle) == before
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        print("%s %08x %x" % (name, sign, codes[0]))
        for first, code in list(zip(high, encode(dtype, high)))[::every]:
            print("%s %08x %x" % (name, first, code))
