/* The router's program aborts where it would panic, so that nothing walks its stack but the backtraces of
   std, which have no symbols to show. What they ask for is here; libunwind is 29 kB of it on MIPS. */
#include <stdint.h>
#include <stdlib.h>

enum { END_OF_STACK = 5 }; /* _URC_END_OF_STACK of the Itanium C++ ABI */

int _Unwind_Backtrace(void *each, void *argument) { (void)each; (void)argument; return END_OF_STACK; }
int _Unwind_RaiseException(void *exception) { (void)exception; abort(); }
void _Unwind_Resume(void *exception) { (void)exception; abort(); }
void _Unwind_DeleteException(void *exception) { (void)exception; }
void *_Unwind_FindEnclosingFunction(void *pc) { return pc; }
uintptr_t _Unwind_GetCFA(void *context) { (void)context; return 0; }
uintptr_t _Unwind_GetIP(void *context) { (void)context; return 0; }
uintptr_t _Unwind_GetIPInfo(void *context, int *before) { (void)context; *before = 0; return 0; }
uintptr_t _Unwind_GetLanguageSpecificData(void *context) { (void)context; return 0; }
uintptr_t _Unwind_GetRegionStart(void *context) { (void)context; return 0; }
uintptr_t _Unwind_GetTextRelBase(void *context) { (void)context; return 0; }
uintptr_t _Unwind_GetDataRelBase(void *context) { (void)context; return 0; }
void _Unwind_SetGR(void *context, int index, uintptr_t value) { (void)context; (void)index; (void)value; }
void _Unwind_SetIP(void *context, uintptr_t value) { (void)context; (void)value; }
