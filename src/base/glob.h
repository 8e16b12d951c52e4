/*
 * glob.h
 *	  Shell-like patterns for model names.
 */
#ifndef MR_GLOB_H
#define MR_GLOB_H

extern bool mr_glob_match(const char *pattern, const char *text);

#endif							/* MR_GLOB_H */
