/* Runs code that may crash, so that a crash fails one case and not the whole test. */
#ifndef TESTS_TRAP_H
#define TESTS_TRAP_H

/* Calls work(arg). Returns 0, or the signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL) that the calling
 * thread raised in it; what `work` had allocated is lost then. A crash of another thread (of a
 * parallel region) ends the program as usual, after one line with `about` on stderr. */
int trap_run(void (*work)(void *arg), void *arg, const char *about);

#endif
