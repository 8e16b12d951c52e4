#!/bin/bash
#
# check.sh
#	  As a test: the committed weights are what the prompts give.

exec "$(dirname "$0")/run.sh" --check
