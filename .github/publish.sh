#!/usr/bin/env bash
# Put a built site on the branch that Pages serves.
#
#   publish.sh SITE          at its top; the previews under preview/ stay
#   publish.sh SITE FOLDER   under FOLDER, the rest stays
#   publish.sh "" FOLDER     remove FOLDER
#
# The branch keeps one commit, so that sites do not pile up. No file of the checkout is touched.
set -euo pipefail
site=$1 folder=${2:-}
branch=gh-pages
[ -n "$site" ] || [ -n "$folder" ] || { echo "Name the folder to remove." >&2; exit 2; }
[ -z "$site" ] || [ -e "$site/index.html" ] || { echo "There is no site in $site: it has no index.html." >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
old=
if git fetch --quiet --depth 1 origin "refs/heads/$branch" 2>"$work/said"; then old=$(git rev-parse FETCH_HEAD)
elif [ -n "$(git ls-remote --heads origin "$branch")" ]; then cat "$work/said" >&2; exit 1
fi

tree=
if [ -n "$site" ]; then
  export GIT_INDEX_FILE=$work/site
  repository=$(git rev-parse --absolute-git-dir) place=$(cd "$site" && pwd)
  git --git-dir="$repository" --work-tree="$place" -C "$place" add --all --force .
  tree=$(git write-tree)
fi

export GIT_INDEX_FILE=$work/index
if [ -z "$folder" ]; then
  git read-tree "$tree"
  if [ -n "$old" ] && git rev-parse --quiet --verify "$old:preview" >/dev/null; then
    git read-tree --prefix=preview/ "$old:preview"
  fi
else
  if [ -n "$old" ]; then git read-tree "$old"; else git read-tree --empty; fi
  git ls-files -z -- "$folder/" | git update-index -z --force-remove --stdin
  if [ -n "$tree" ]; then git read-tree --prefix="$folder/" "$tree"; fi
fi

export GIT_AUTHOR_NAME="the book's build" GIT_AUTHOR_EMAIL="build@localhost"
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
commit=$(git commit-tree -m "The site of $(git rev-parse --short=12 HEAD)" "$(git write-tree)")
# Refused where somebody else has published meanwhile.
git push --quiet --force-with-lease="refs/heads/$branch:$old" origin "$commit:refs/heads/$branch"
