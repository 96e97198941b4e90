/* The sound path in one pass: bytes -> samples (by table) -> polyphase FIR -> samples or bytes (by table).
 *
 * Whole numbers throughout: 16-bit samples times 16-bit taps in a 32-bit sum, so that the result is the same bit for
 * bit on every machine, and as in numpy. Taps whose sum could leave 32 bits are refused.
 * What a Stream keeps from chunk to chunk is the last width-1 samples and where the next output falls between inputs.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if PY_BIG_ENDIAN
#error "PCM16 is little-endian here; numpy does the work on this machine"
#endif

#define BLOCK 512      /* input samples converted at a time: the work buffer stays in the first-level cache */
#define MAX_WIDTH 512  /* taps for one output */
#define CODES 256      /* entries of an expanding table */
#define SAMPLES 65536  /* entries of a compressing table */
#define MAX_SAMPLES (PY_SSIZE_T_MAX >> 20) /* at once: keeps every product below in range */

typedef struct {
    PyObject_HEAD
    Py_buffer taps;   /* int16 [up][width], oldest input first */
    Py_buffer decode; /* int16 [256], or no buffer: input is PCM16 */
    Py_buffer encode; /* uint8 [65536], or no buffer: output is PCM16 */
    Py_ssize_t up, down, width, tail;
    Py_ssize_t next; /* of the next output, in steps of 1/up of an input sample, counted from the next input */
    int shift;
    int16_t *history; /* the last width-1 inputs, oldest first */
} Stream;

/* A second copy of the filter for machines with vectors twice as wide, chosen when the module is loaded: whole numbers
 * give the same result in both. Where the compiler or the C library cannot choose, one copy does. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

static inline int16_t saturate(int32_t sum, int shift)
{
    int32_t value = (sum + ((int32_t)1 << (shift - 1))) >> shift;
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

static inline int32_t dot(const int16_t *restrict taps, const int16_t *restrict samples, Py_ssize_t width)
{
    int32_t sum = 0;
    for (Py_ssize_t k = 0; k < width; k++)
        sum += (int32_t)taps[k] * (int32_t)samples[k];
    return sum;
}

/* How many outputs n more inputs make. */
static Py_ssize_t outputs(const Stream *self, Py_ssize_t n)
{
    Py_ssize_t end = n * self->up;
    return self->next >= end ? 0 : (end - self->next - 1) / self->down + 1;
}

INLINE Py_ssize_t run(Stream *self, const int16_t *work, Py_ssize_t n, int16_t *out, const Py_ssize_t width)
{
    const int16_t *taps = self->taps.buf;
    Py_ssize_t count = outputs(self, n);
    Py_ssize_t input = self->next / self->up, phase = self->next % self->up;
    Py_ssize_t whole = self->down / self->up, part = self->down % self->up;
    for (Py_ssize_t i = 0; i < count; i++) {
        out[i] = saturate(dot(taps + phase * width, work + input, width), self->shift);
        input += whole;
        phase += part;
        if (phase >= self->up) {
            phase -= self->up;
            input++;
        }
    }
    self->next += count * self->down - n * self->up;
    return count;
}

/* n inputs at work[width-1 ...], after the width-1 before them; returns how many samples were written. The usual widths
 * (from 8 kHz; from 16; from 24) are named, so that the compiler unrolls them. */
WIDE static Py_ssize_t filter(Stream *self, const int16_t *work, Py_ssize_t n, int16_t *out)
{
    switch (self->width) {
    case 32:
        return run(self, work, n, out, 32);
    case 64:
        return run(self, work, n, out, 64);
    case 96:
        return run(self, work, n, out, 96);
    default:
        return run(self, work, n, out, self->width);
    }
}

/* The sound of n input samples; data NULL stands for silence. */
static PyObject *convert(Stream *self, const uint8_t *data, Py_ssize_t n)
{
    if (n > MAX_SAMPLES)
        return PyErr_Format(PyExc_OverflowError, "too much sound at once: %zd samples", n);
    const Py_ssize_t kept = self->width - 1;
    const int16_t *decode = self->decode.obj ? self->decode.buf : NULL;
    const uint8_t *encode = self->encode.obj ? self->encode.buf : NULL;
    const size_t size = encode ? 1 : 2;
    PyObject *result = PyBytes_FromStringAndSize(NULL, outputs(self, n) * (Py_ssize_t)size);
    if (result == NULL)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(result);
    int16_t work[MAX_WIDTH - 1 + BLOCK];
    int16_t made[BLOCK];
    memcpy(work, self->history, (size_t)kept * sizeof *work);
    /* as many inputs at a time as make no more than BLOCK outputs */
    Py_ssize_t step = (BLOCK - 1) * self->down / self->up;
    step = step < 1 ? 1 : step > BLOCK ? BLOCK : step;
    while (n > 0) {
        Py_ssize_t now = n < step ? n : step;
        int16_t *fresh = work + kept;
        if (data == NULL) {
            memset(fresh, 0, (size_t)now * sizeof *fresh);
        } else if (decode) {
            for (Py_ssize_t i = 0; i < now; i++)
                fresh[i] = decode[data[i]];
            data += now;
        } else {
            memcpy(fresh, data, (size_t)now * sizeof *fresh);
            data += now * (Py_ssize_t)sizeof *fresh;
        }
        Py_ssize_t count = filter(self, work, now, made);
        if (encode) {
            for (Py_ssize_t i = 0; i < count; i++)
                out[i] = encode[(uint16_t)made[i]];
        } else {
            memcpy(out, made, (size_t)count * sizeof *made);
        }
        out += (size_t)count * size;
        memmove(work, work + now, (size_t)kept * sizeof *work);
        n -= now;
    }
    memcpy(self->history, work, (size_t)kept * sizeof *work);
    return result;
}

static PyObject *stream_process(PyObject *op, PyObject *data)
{
    Stream *self = (Stream *)op;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result;
    if (self->decode.obj == NULL && view.len % 2)
        result = PyErr_Format(PyExc_ValueError, "PCM16 of %zd bytes: half a sample", view.len);
    else
        result = convert(self, view.buf, self->decode.obj ? view.len : view.len / 2);
    PyBuffer_Release(&view);
    return result;
}

static PyObject *stream_flush(PyObject *op, PyObject *Py_UNUSED(none))
{
    Stream *self = (Stream *)op;
    return convert(self, NULL, self->tail);
}

static PyObject *stream_reset(PyObject *op, PyObject *Py_UNUSED(none))
{
    Stream *self = (Stream *)op;
    memset(self->history, 0, (size_t)(self->width - 1) * sizeof *self->history);
    self->next = 0;
    Py_RETURN_NONE;
}

/* Whether no sound, however loud, can make a sum that leaves 32 bits. */
static int in_range(const Stream *self)
{
    const int16_t *taps = self->taps.buf;
    for (Py_ssize_t phase = 0; phase < self->up; phase++, taps += self->width) {
        int64_t largest = (int64_t)1 << (self->shift - 1); /* what rounding adds */
        for (Py_ssize_t k = 0; k < self->width; k++)
            largest += 32768 * (int64_t)(taps[k] < 0 ? -taps[k] : taps[k]);
        if (largest > INT32_MAX)
            return 0;
    }
    return 1;
}

static int table(PyObject *from, Py_buffer *view, Py_ssize_t bytes)
{
    if (from == Py_None)
        return 0;
    if (PyObject_GetBuffer(from, view, PyBUF_SIMPLE) < 0)
        return -1;
    if (view->len == bytes && (uintptr_t)view->buf % sizeof(int16_t) == 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "a table of %zd bytes, not %zd aligned ones", view->len, bytes);
    return -1;
}

static PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"taps", "up", "down", "shift", "tail", "decode", "encode", NULL};
    PyObject *taps, *decode, *encode;
    Py_ssize_t up, down, tail;
    int shift;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O$nninOO", names, &taps, &up, &down, &shift, &tail, &decode, &encode))
        return NULL;
    if (up < 1 || up > BLOCK || down < 1 || down > BLOCK || shift < 1 || shift > 15 || tail < 0 || tail > MAX_WIDTH)
        return PyErr_Format(PyExc_ValueError, "up %zd, down %zd, shift %d or tail %zd out of range", up, down, shift, tail);
    Stream *self = (Stream *)type->tp_alloc(type, 0); /* zeroed: no buffer is held yet */
    if (self == NULL)
        return NULL;
    self->up = up;
    self->down = down;
    self->shift = shift;
    self->tail = tail;
    if (PyObject_GetBuffer(taps, &self->taps, PyBUF_SIMPLE) < 0 || table(decode, &self->decode, CODES * 2) < 0 ||
        table(encode, &self->encode, SAMPLES) < 0)
        goto fail;
    self->width = self->taps.len / (up * 2);
    if (self->width < 1 || self->width > MAX_WIDTH || self->width * up * 2 != self->taps.len ||
        (uintptr_t)self->taps.buf % sizeof(int16_t)) {
        PyErr_Format(PyExc_ValueError, "taps of %zd bytes for %zd phases", self->taps.len, up);
        goto fail;
    }
    if (!in_range(self)) {
        PyErr_SetString(PyExc_ValueError, "taps that could overflow 32 bits");
        goto fail;
    }
    self->history = PyMem_Calloc((size_t)self->width, sizeof *self->history);
    if (self->history == NULL) {
        PyErr_NoMemory();
        goto fail;
    }
    return (PyObject *)self;
fail:
    Py_DECREF(self);
    return NULL;
}

static void stream_dealloc(PyObject *op)
{
    Stream *self = (Stream *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyBuffer_Release(&self->taps);
    PyBuffer_Release(&self->decode);
    PyBuffer_Release(&self->encode);
    PyMem_Free(self->history);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef stream_methods[] = {
    {"process", stream_process, METH_O, "The sound that these bytes make."},
    {"flush", stream_flush, METH_NOARGS, "The rest of the filter: what silence pushes out."},
    {"reset", stream_reset, METH_NOARGS, "Forget every sample."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stream_slots[] = {
    {Py_tp_doc, "One direction of one call: G.711, filter and what is remembered between chunks."},
    {Py_tp_new, stream_new},
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, stream_methods},
    {0, NULL},
};

static PyType_Spec stream_spec = {
    .name = "bridge.audio._kernel.Stream",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = stream_slots,
};

static PyObject *level(PyObject *Py_UNUSED(module), PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    const uint8_t *codes = view.buf;
    uint64_t sum = 0;
    for (Py_ssize_t i = 0; i < view.len; i++) {
        uint32_t code = ~(uint32_t)codes[i];
        sum += ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132; /* ITU-T G.711 table 2, the sign left out */
    }
    uint64_t mean = view.len ? sum / (uint64_t)view.len : 0;
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLongLong(mean);
}

static PyObject *power(PyObject *Py_UNUSED(module), PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    const uint8_t *codes = view.buf;
    uint64_t sum = 0; /* of squares below 2^30: exact for more sound than there is memory */
    for (Py_ssize_t i = 0; i < view.len; i++) {
        uint32_t code = ~(uint32_t)codes[i];
        uint32_t magnitude = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132;
        sum += magnitude * magnitude;
    }
    double mean = view.len ? (double)sum / (double)view.len : 0.0;
    PyBuffer_Release(&view);
    return PyFloat_FromDouble(mean);
}

static PyMethodDef kernel_methods[] = {
    {"power", power, METH_O, "Mean square of a mu-law frame."},
    {"level", level, METH_O, "Mean magnitude of a mu-law frame, 0 to 32124."},
    {NULL, NULL, 0, NULL},
};

static int kernel_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &stream_spec, NULL);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot kernel_slots[] = {
    {Py_mod_exec, kernel_exec},
    {0, NULL},
};

static struct PyModuleDef kernel_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "bridge.audio._kernel",
    .m_doc = "Sound conversion in C.",
    .m_size = 0,
    .m_methods = kernel_methods,
    .m_slots = kernel_slots,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&kernel_module);
}
