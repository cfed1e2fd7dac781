import { ANNOTATIONS_A_REQUEST, ANNOTATIONS_LIMIT } from '../report/limits.ts';
import { type Check, checkDigest, withinLimits } from './check.ts';
import { Unclear } from './github-api.ts';
import type { Github } from './github-reads.ts';

/** `description` of a commit status: GitHub takes no more, as every client library that met it says. */
const DESCRIPTION_LIMIT = 140;

/** A check run where an App may make one; a person's token may only set a commit's status. False: it stands there already. */
export function setCheckOnGithub(github: Github, check: Check): Promise<boolean> {
  return github.kind === 'personal' ? setStatus(github, check) : setRun(github, check);
}

/** What of a check run is looked at. */
interface ApiRun {
  readonly id: number;
  readonly conclusion: string | null;
  readonly external_id: string | null;
  readonly output: { readonly title: string | null };
}

async function setRun(github: Github, check: Check): Promise<boolean> {
  const known = await lastRun(github, check);
  if (known && isSaid(known, check)) return false;
  const annotations = check.annotations.flat().slice(0, ANNOTATIONS_LIMIT);
  const batches = [annotations.slice(0, ANNOTATIONS_A_REQUEST)];
  for (let i = ANNOTATIONS_A_REQUEST; i < annotations.length; i += ANNOTATIONS_A_REQUEST) {
    batches.push(annotations.slice(i, i + ANNOTATIONS_A_REQUEST));
  }
  // An update appends its annotations to those of before, and only whoever made a run may update it: another verdict
  // gets another run, of which the last counts.
  let id: number | undefined;
  for (const [i, batch] of batches.entries()) {
    id = await sendRun(github, check, { id, batch, isLast: i === batches.length - 1 });
  }
  return true;
}

/** Only its last request says the verdict and whose words these are: what was cut off is pending, and is begun anew. */
async function sendRun(
  github: Github,
  check: Check,
  o: {
    readonly id: number | undefined;
    readonly batch: Check['annotations'][number];
    readonly isLast: boolean;
  },
): Promise<number> {
  const { api, slug } = github;
  const { name, head, state, title, url } = check;
  const text = withinLimits(check.text);
  const output = {
    title,
    summary: withinLimits(check.summary),
    ...(text === '' ? {} : { text }),
    annotations: o.batch.map((annotation) => ({ ...annotation })),
  };
  const ended = o.isLast && state !== 'pending';
  const run = {
    ...slug,
    name,
    ...(ended
      ? { status: 'completed' as const, conclusion: state as 'success' | 'failure' }
      : { status: 'in_progress' as const }),
    ...(o.isLast ? { external_id: checkDigest(check) } : {}),
    ...(url === undefined ? {} : { details_url: url }),
    output,
  };
  try {
    if (o.id === undefined) {
      return (await api.ask((k) => k.rest.checks.create({ ...run, head_sha: head }))).id;
    }
    const { id } = o;
    return (await api.ask((k) => k.rest.checks.update({ ...run, check_run_id: id }))).id;
  } catch (error) {
    const found = error instanceof Unclear && o.isLast ? await lastRun(github, check) : undefined;
    if (!found || !isSaid(found, check)) throw error; // the next run begins another: this one stays pending
    return found.id;
  }
}

async function lastRun({ api, slug }: Github, { head, name }: Check): Promise<ApiRun | undefined> {
  const of = { ...slug, ref: head, check_name: name, per_page: 100 };
  const { check_runs: runs } = await api.ask((k) => k.rest.checks.listForRef(of));
  return runs.reduce<ApiRun | undefined>((last, run) => (last && last.id > run.id ? last : run), undefined);
}

/** Somebody else's run of this name cannot pass for ours by its id alone: what people see must be the same too. */
function isSaid(run: ApiRun, check: Check): boolean {
  const verdict = check.state === 'pending' ? null : check.state;
  return (
    run.external_id === checkDigest(check) && run.conclusion === verdict && run.output.title === check.title
  );
}

async function setStatus(github: Github, check: Check): Promise<boolean> {
  const { api, slug } = github;
  const { name: context, head: sha, state, title } = check;
  const description =
    title.length <= DESCRIPTION_LIMIT ? title : `${title.slice(0, DESCRIPTION_LIMIT - 1).toWellFormed()}…`;
  const stands = async () => {
    const of = { ...slug, ref: sha, per_page: 100 };
    const { statuses } = await api.ask((k) => k.rest.repos.getCombinedStatusForRef(of));
    const known = statuses.find((status) => status.context === context);
    const same = known?.state === state && known.description === description;
    return same && (known.target_url ?? undefined) === check.url;
  };
  if (await stands()) return false;
  const url = check.url === undefined ? {} : { target_url: check.url };
  try {
    await api.ask((k) =>
      k.rest.repos.createCommitStatus({ ...slug, sha, context, state, description, ...url }),
    );
  } catch (error) {
    if (!(error instanceof Unclear) || !(await stands())) throw error;
  }
  return true;
}
