#!/bin/sh
# Prints the comment for a plan: comment.sh plan.md > comment.md
# Its first line is a mark that nobody sees, by which the next plan finds it. It has whole lines only, and no more of
# them than fit into a comment of GitHub, which may have 65536 characters.
set -eu

echo '<!-- amiseal plan -->'
LC_ALL=C awk '
  { bytes += length($0) + 1 }
  bytes > 65000 { cut = 1; exit }
  { print }
  END { if (cut) print "\nThe plan is longer than a comment may be: the job has all of it." }
' "$1"
