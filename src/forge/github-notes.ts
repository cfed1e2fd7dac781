import { commentMarker } from '../report/marker.ts';
import { ApiRefusal, Unclear } from './github-api.ts';
import type { ApiUser } from './github-pull.ts';
import { type Github, readComments } from './github-reads.ts';

/** There is one comment of a key: it is edited where it says something else, and never repeated. */
export async function putComment(
  github: Github,
  number: number,
  o: { readonly key: string; readonly text: string },
  isOwn: (user: ApiUser | null) => Promise<boolean>,
): Promise<void> {
  const { api, slug } = github;
  const mark = commentMarker(o.key);
  const body = `${o.text.trimEnd()}\n\n${mark}`;
  const known = async () => {
    for (const comment of await readComments(github, number)) {
      if ((comment.body ?? '').trimEnd().endsWith(mark) && (await isOwn(comment.user))) return comment;
    }
    return undefined;
  };
  const there = await known();
  if (there?.body?.replaceAll('\r\n', '\n').trimEnd() === body) return;
  if (there) {
    await api.ask((k) => k.rest.issues.updateComment({ ...slug, comment_id: there.id, body }));
    return;
  }
  try {
    await api.ask((k) => k.rest.issues.createComment({ ...slug, issue_number: number, body }));
  } catch (error) {
    if (!(error instanceof Unclear) || !(await known())) throw error; // else it was written
  }
}

/** Of what is known without it: a conversation that is locked, or issues that are switched off, are no reason to stop. */
export async function mentionOnce(...about: Parameters<typeof putComment>): Promise<void> {
  try {
    await putComment(...about);
  } catch (error) {
    if (!(error instanceof ApiRefusal && [403, 404, 410].includes(error.status))) throw error;
  }
}

/** Adding what is there already is no error. A token that may not label is no reason to stop: `sluice doctor` says it. */
export async function addLabels(github: Github, number: number, labels: readonly string[]): Promise<void> {
  if (labels.length === 0) return;
  const { api, slug } = github;
  try {
    await api.ask((k) => k.rest.issues.addLabels({ ...slug, issue_number: number, labels: [...labels] }));
  } catch (error) {
    if (!(error instanceof ApiRefusal && [403, 404, 410].includes(error.status))) throw error;
  }
}
