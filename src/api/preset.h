/*
 * preset.h
 *	  What other SQL functions need to store a preset.
 */
#ifndef MR_API_PRESET_H
#define MR_API_PRESET_H

/* Raises 22023 for what cannot be the name of a preset. */
extern void mr_preset_check_name(const char *name);

#endif							/* MR_API_PRESET_H */
