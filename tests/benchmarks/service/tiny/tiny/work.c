/* Two sums: `work` is compiled as the project says, `reference` is always optimised. */
#include <Python.h>

#define COST 40000

static double values[1024];

static PyObject *work(PyObject *self, PyObject *arguments) {
    (void)self, (void)arguments;
    double sum = 0;
    for (long i = 0; i < COST; i++)
        sum += values[i & 1023] * 0.5;
    return PyFloat_FromDouble(sum);
}

__attribute__((optimize("O2"))) static PyObject *reference(PyObject *self, PyObject *arguments) {
    (void)self, (void)arguments;
    double sum = 0;
    for (long i = 0; i < 40000; i++)
        sum += values[i & 1023] * 0.5;
    return PyFloat_FromDouble(sum);
}

static PyMethodDef methods[] = {
    {"work", work, METH_NOARGS, "The sum as the project compiles it."},
    {"reference", reference, METH_NOARGS, "The same sum, always optimised."},
    {0},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_work", 0, -1, methods};

PyMODINIT_FUNC PyInit__work(void) { return PyModule_Create(&module); }
