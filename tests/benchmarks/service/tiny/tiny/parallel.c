/* A sum on two threads, slow enough to be measured. `seed` keeps the compiler from computing it in advance. */
#include <Python.h>

#define COST 8000000

static volatile double seed = 0.5;

static PyObject *sum(PyObject *self, PyObject *arguments) {
    (void)self, (void)arguments;
    double values[64], total = 0;
    for (int i = 0; i < 64; i++)
        values[i] = seed * i;
    /* The values are shared, each thread has a total of its own. */
    #pragma omp parallel for num_threads(2) reduction(+ : total)
    for (long i = 0; i < COST; i++)
        total += values[i & 63];
    return PyFloat_FromDouble(total);
}

static PyMethodDef methods[] = {{"sum", sum, METH_NOARGS, "The sum."}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, MODULE, 0, -1, methods};

PyMODINIT_FUNC INIT(void) { return PyModule_Create(&module); }
