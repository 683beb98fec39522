/* CHECK: assertions that stay on in every build. They are for states that cannot occur, never for what a client, a
 * disk or a network can cause. A failed check prints expression, file and line on standard error and aborts. */
#ifndef CODECMETER_BASE_CHECK_H
#define CODECMETER_BASE_CHECK_H

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) \
  ((__builtin_expect(!(expression), 0)) ? check_failed(#expression, __FILE__, __LINE__) : (void)0)

#endif
