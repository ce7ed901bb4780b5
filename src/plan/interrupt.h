/* Ctrl-C between the steps of a plan.
 *
 * Layer: plan. Included by program.pyx.
 */
#ifndef CYCONV_INTERRUPT_H
#define CYCONV_INTERRUPT_H

#include <Python.h>

/* Runs the handlers of signals that have arrived, if the caller is Python's main thread; true when one raised. The
 * exception stays set in the thread's state. Called without the GIL by the thread that came in from Python. */
static inline int cy_signals_pending(void) {
  PyGILState_STATE gil = PyGILState_Ensure();
  int raised = PyErr_CheckSignals() != 0;
  PyGILState_Release(gil);
  return raised;
}

/* Lets the exception that cy_signals_pending has left come out. */
static inline int cy_raise_pending(void) { return PyErr_Occurred() ? -1 : 0; }

#endif
