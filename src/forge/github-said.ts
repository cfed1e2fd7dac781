import { commentKey } from '../report/marker.ts';
import type { Said, Taken } from './forge.ts';
import { ApiRefusal } from './github-api.ts';
import { type ApiUser, TRUSTED } from './github-pull.ts';
import { A_PAGE, type Github, pages } from './github-reads.ts';

type IsOwn = (user: ApiUser | null) => Promise<boolean>;

/** One request where little is said. GitHub's `since` is of the last change. */
export async function saidSince({ api, slug }: Github, since: Date, isOwn: IsOwn): Promise<Said[]> {
  const of = {
    ...slug,
    since: since.toISOString(),
    sort: 'created',
    direction: 'asc',
    per_page: A_PAGE,
  } as const;
  const found = await pages(api, (page) => (k) => k.rest.issues.listCommentsForRepo({ ...of, page }));
  const all: Said[] = [];
  for (const { id, user, body, issue_url, created_at, updated_at, author_association } of found) {
    const key = commentKey(body ?? '');
    const by = user?.login ?? 'ghost';
    all.push({
      id: String(id),
      on: Number(/\/(\d+)$/.exec(issue_url)?.[1]),
      by,
      owner: `@${by}`,
      at: new Date(created_at),
      text: (body ?? '').replaceAll('\r\n', '\n'),
      isEdited: updated_at !== created_at,
      isBot: user === null || user.type === 'Bot',
      key: key !== undefined && (await isOwn(user)) ? key : undefined,
      isStranger: !TRUSTED.has(author_association),
    });
  }
  return all;
}

/** `maintain` counts as write there, `triage` as read (rest/collaborators). */
export async function mayWrite({ api, slug }: Github, username: string): Promise<boolean> {
  try {
    const { permission } = await api.ask((k) =>
      k.rest.repos.getCollaboratorPermissionLevel({ ...slug, username }),
    );
    return permission === 'admin' || permission === 'write';
  } catch (error) {
    if (error instanceof ApiRefusal && error.status === 404) return false;
    throw error;
  }
}

/** One for each attempt: who makes it first, is told by the status; who comes upon an old one, makes the next. */
const CLAIMS = ['eyes', 'rocket', 'confused'] as const;
/** A run that has said nothing for so long is no more; its job ends before. */
const CLAIM_MS = 60 * 60_000;

/** A reaction of ours can be made once: GitHub answers 201 to the first, 200 to all others (rest/reactions). */
export async function takeUp({ api, slug }: Github, id: string, now: Date): Promise<Taken> {
  for (const content of CLAIMS) {
    const { status, since } = await api.ask(async (k) => {
      const request = { ...slug, comment_id: Number(id), content };
      const made = await k.rest.reactions.createForIssueComment(request);
      return { data: { status: made.status as number, since: made.data.created_at } };
    });
    if (status === 201) return 'mine';
    if (now.getTime() - Date.parse(since) < CLAIM_MS) return 'taken';
  }
  return 'ended';
}
