import type { BareGit } from './git.ts';

/** "About code owners", "CODEOWNERS file location": the first of these that the base branch has. */
const PLACES = ['.github/CODEOWNERS', 'CODEOWNERS', 'docs/CODEOWNERS'];

/** Who owns a path, as logins: the last pattern that fits counts, and owners without write access are nobody. */
export async function readCodeowners(
  git: BareGit,
  commit: string,
  teams: Readonly<Record<string, readonly string[]>>,
): Promise<(path: string) => string[]> {
  for (const place of PLACES) {
    const [item] = await git.listTree(commit, false, place);
    const text = item && (await git.bytes(item.sha))?.toString('utf8');
    if (text === undefined) continue;
    const rows = text
      .split('\n')
      .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
      .filter((line) => line !== '')
      .map((line) => {
        const [pattern = '', ...owners] = line.split(/\s+/);
        return {
          fits: matcher(pattern),
          owners: owners.flatMap((owner) => membersOf(owner.slice(1), teams)),
        };
      });
    return (path) => rows.findLast(({ fits }) => fits.test(path))?.owners ?? [];
  }
  return () => [];
}

function membersOf(owner: string, teams: Readonly<Record<string, readonly string[]>>): readonly string[] {
  return owner.includes('/') ? (teams[owner] ?? []) : [owner];
}

/** As gitignore has it, without `!`, `[ ]` and `\`: "CODEOWNERS syntax". */
function matcher(pattern: string): RegExp {
  if (/[!\\[\]]/.test(pattern)) throw new Error(`CODEOWNERS: the test forge does not know ${pattern}`);
  const anchored = pattern.replace(/\/$/, '').includes('/');
  const words = pattern
    .replace(/^\//, '')
    .split(/(\*\*\/|\*\*|\*|\?)/)
    .map((piece) => {
      if (piece === '**/') return '(?:.*/)?';
      if (piece === '**') return '.*';
      if (piece === '*') return '[^/]*';
      return piece === '?' ? '[^/]' : piece.replace(/[.+^$|(){}]/g, '\\$&');
    })
    .join('');
  // a folder owns what is below it; `docs/*` is what lies in it and no deeper
  const end = pattern.endsWith('/*') ? '$' : words.endsWith('/') ? '' : '(?:/|$)';
  return new RegExp(`^${anchored ? '' : '(?:.*/)?'}${words}${end}`);
}
