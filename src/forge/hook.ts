/**
 * pre-receive of the local forge, in plain sh: it runs on whatever host the bare repository is on, without Node. All of
 * a push is refused when one ref of it is: git would otherwise take half. Cases are folded for file systems that do.
 */
export const PRE_RECEIVE = `#!/bin/sh
# Written by \`sluice\`; renewed whenever the forge is set up again.
refuse() {
  echo "sluice: $1" >&2
  exit 1
}
while read -r old new ref; do
  case $(printf '%s' "$ref" | tr 'A-Z' 'a-z') in
    refs/heads/main)
      case $old in
        *[!0]*) ;;
        *) [ "$ref" = refs/heads/main ] && continue ;; # the very first push
      esac
      case $new in
        *[!0]*) refuse 'nobody pushes to main: push a branch, open a pull request and run \`sluice pr merge\`' ;;
        *) refuse 'main is not deleted: it is the clock and the record of every release' ;;
      esac ;;
    refs/heads/main/*) refuse 'no branch goes below main: choose another name' ;;
    refs/sluice/*) refuse 'refs/sluice is the record of the pull requests: use \`sluice pr\`' ;;
    refs/pull/*) refuse 'refs/pull is written by the forge: push to the branch of the pull request' ;;
    refs/replace/*) refuse 'refs/replace would rewrite the history: push a branch instead' ;;
  esac
done
exit 0
`;
