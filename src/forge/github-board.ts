import { untick } from '../report/box.ts';
import { commentMarker } from '../report/marker.ts';
import type { Board, BoardSet } from './forge.ts';
import { Unclear } from './github-api.ts';
import { type ApiUser, wordsOf } from './github-pull.ts';
import { A_PAGE, type Github, readPull } from './github-reads.ts';

type IsOwn = (user: ApiUser | null) => Promise<boolean>;

const MARK = commentMarker('dashboard');

/** By marker and author among what is open, the oldest first: it is opened early and stays. */
async function boards({ api, slug }: Github, isOwn: IsOwn, all: boolean): Promise<Board[]> {
  const of = { ...slug, state: 'open', sort: 'created', direction: 'asc', per_page: A_PAGE } as const;
  const found: Board[] = [];
  for (let page = 1; ; page += 1) {
    const part = await api.ask((k) => k.rest.issues.listForRepo({ ...of, page }));
    for (const { number, body, user, pull_request } of part) {
      const text = (body ?? '').replaceAll('\r\n', '\n').trimEnd();
      if (pull_request !== undefined || !text.endsWith(MARK) || !(await isOwn(user))) continue;
      found.push({ number, body: text.slice(0, -MARK.length).trimEnd() });
      if (!all) return found;
    }
    if (part.length < A_PAGE) return found;
  }
}

export async function readBoard(github: Github, isOwn: IsOwn): Promise<Board | undefined> {
  const [first] = await boards(github, isOwn, false);
  return first;
}

/** One that people closed or deleted is opened anew. Of two that were opened at once the older one stays. */
export async function writeBoard(
  github: Github,
  o: { readonly title: string; readonly body: string },
  isOwn: IsOwn,
): Promise<BoardSet> {
  const { api, slug } = github;
  const words = o.body.trimEnd();
  const body = `${words}\n\n${MARK}`;
  const known = await readBoard(github, isOwn);
  if (known?.body === words) return { number: known.number, outcome: 'unchanged' };
  if (known) {
    await api.ask((k) => k.rest.issues.update({ ...slug, issue_number: known.number, body }));
    return { number: known.number, outcome: 'updated' };
  }
  try {
    await api.ask((k) => k.rest.issues.create({ ...slug, title: o.title, body }));
  } catch (error) {
    if (!(error instanceof Unclear)) throw error; // it may be there all the same
  }
  const [first, ...others] = await boards(github, isOwn, true);
  if (!first) throw new Unclear('the dashboard was opened, and is not there', `${slug.owner}/${slug.repo}`);
  for (const { number } of others) {
    const ended = { state: 'closed', state_reason: 'not_planned' } as const;
    await api.ask((k) => k.rest.issues.update({ ...slug, issue_number: number, ...ended }));
  }
  return { number: first.number, outcome: 'opened' };
}

/** Of a pull request only above the marker: below it are people's notes. */
export async function untickPull(github: Github, number: number, boxes: readonly string[]): Promise<void> {
  const { api, slug } = github;
  const before = ((await readPull(github, number)).body ?? '').replaceAll('\r\n', '\n');
  const words = wordsOf(before);
  const without = untick(words, boxes);
  if (without === words) return;
  const body = before.replace(words, () => without);
  await api.ask((k) => k.rest.pulls.update({ ...slug, pull_number: number, body }));
}
