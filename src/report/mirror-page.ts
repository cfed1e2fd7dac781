import type { Fault } from '../base/fault.ts';
import { annotationsOf, type CheckPage, checkText, faultSections, unshownWords } from './check-page.ts';
import { TITLE_LIMIT } from './limits.ts';
import { code, plain } from './safe.ts';
import { andMore, details, join } from './tables.ts';
import { count, number } from './words.ts';

/** What the mirror found of a merge: whether it could serve it, and what speaks against it now. */
export interface MirrorFindings {
  readonly complaints: readonly Fault[];
  readonly warnings: readonly Fault[];
  /** Files that were looked at on the disk. */
  readonly builds: number;
  /** What can be tried before it is merged, by client sets; empty where nothing can be, or nothing is touched. */
  readonly preview: readonly PreviewedSet[];
}

export interface PreviewedSet {
  /** `infra/stable rocky-9-x86_64` */
  readonly title: string;
  readonly repositories: readonly { readonly id: string; readonly url: string }[];
}

/** Of more sets than that only how many there are is said. */
const MOST_SETS = 20;

/** The check `sluice/mirror` as a code host shows it. Without a time and a commit: equal findings are equal words, and written once. */
export function mirrorPage(found: MirrorFindings): CheckPage {
  const { complaints, builds, preview } = found;
  const { annotations, unshown } = annotationsOf(found);
  return {
    conclusion: complaints.length > 0 ? 'failure' : 'success',
    title: titleOf(found),
    summary: join([verdict(found), unshownWords(unshown), previewWords(preview, builds)]),
    text: checkText((cut) => join([...faultSections(found, cut)])),
    annotations,
  };
}

function titleOf({ complaints, warnings, builds, preview }: MirrorFindings): string {
  const [first] = complaints;
  if (first) {
    const more = complaints.length > 1 ? `, and ${number(complaints.length - 1)} more` : '';
    return `${plain(first.message, TITLE_LIMIT - more.length) || first.code}${more}`;
  }
  const said = warnings.length > 0 ? `, ${count(warnings.length, 'warning')}` : '';
  const sets = preview.length > 0 ? `, ${count(preview.length, 'set')} to try` : '';
  return builds === 0 ? `Nothing against it${said}` : `${count(builds, 'file')} verified${sets}${said}`;
}

function verdict({ complaints, builds }: MirrorFindings): string {
  if (complaints.length > 0) {
    return 'The mirror would not serve what a merge gives, or rules of main speak against it now. Below is what, with the next step.';
  }
  const files =
    builds === 0
      ? 'It changes nothing that the mirror serves.'
      : `All ${count(builds, 'file')} that the sets below pin are on the mirror’s disk, and what their locks say.`;
  return `${files} Holds, recalls, withdrawn builds, windows and dependencies were judged by main as it is now; that is repeated when main moves, and daily.`;
}

function previewWords(preview: readonly PreviewedSet[], builds: number): string {
  if (preview.length === 0) return builds === 0 ? '' : 'There is no preview of it.';
  const shown = preview.slice(0, MOST_SETS).map(setWords);
  const rest = preview.length - shown.length;
  return join(['### Try it before it is merged', ...shown, rest > 0 ? andMore(rest, ' sets') : '']);
}

function setWords({ title, repositories }: PreviewedSet): string {
  const names = repositories.map(
    ({ id, url }) => `  --repofrompath=pr-${id},${url} --setopt=pr-${id}.gpgcheck=1 \\`,
  );
  const command = [
    '```sh',
    'dnf \\',
    ...names,
    "  --disablerepo='*' --enablerepo='pr-*' check-upgrade",
    '```',
  ];
  return details(code(title), command.join('\n'));
}
