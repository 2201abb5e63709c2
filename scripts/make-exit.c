// SPDX-License-Identifier: GPL-2.0
/*
 * A function for GNU make, $(exit STATUS): ends make with that status.
 *
 * make itself ends with 2 whatever a recipe ended with, but who runs a script by "make vm" wants to see the script's own status.
 * Loaded by the Makefile. Linked against nothing: all it uses is in make's own process, so it runs with any make that loads objects.
 */

typedef char *(*gmk_func_ptr)(const char *name, unsigned int argc, char **argv);

/* From make's gnumake.h, and the C library's. */
extern void gmk_add_function(const char *name, gmk_func_ptr func, unsigned int min_args, unsigned int max_args, unsigned int flags);
extern int atoi(const char *text);
extern _Noreturn void exit(int status);

/* make refuses to load what does not say so. */
int plugin_is_GPL_compatible;

static char *make_exit(const char *name, unsigned int argc, char **argv)
{
	(void)name;
	(void)argc;
	exit(atoi(argv[0]));
}

int make_exit_gmk_setup(const void *floc)
{
	(void)floc;
	gmk_add_function("exit", make_exit, 1, 1, 0);
	return 1;
}
