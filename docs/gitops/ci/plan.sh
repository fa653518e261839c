#!/bin/sh
# Prints in Markdown what the policies of these overlays would do: plan.sh OVERLAY... > plan.md
# The exit status is 1 if something must be fixed first, and 0 if there is nothing to do or images would be copied.
set -eu

# The role to assume in each account, in the place of those that the policies name. It may only read: branches that
# nobody has reviewed get to assume it.
role=amiseal-plan

worst=0
for overlay in "$@"; do
  # On its own, so that an overlay that cannot be rendered ends the script.
  policies=$(kubectl kustomize "$overlay")
  printf '## %s\n\n' "$overlay"
  status=0
  # kustomize writes each field on a line of its own.
  printf '%s\n' "$policies" |
    sed -e "s|^\( *-\{0,1\} *roleName:\) .*|\1 $role|" -e "s|^\( *-\{0,1\} *roleARN: .*:role/\).*|\1$role|" |
    amiseal plan -f - -o markdown || status=$?
  case $status in
    0 | 2) ;;
    *) worst=1 ;;
  esac
  echo
done
exit "$worst"
